package stream

import (
	"strings"
)

// delivery is what the reply subject of a delivered message says about it.
type delivery struct {
	consumerSequence uint64 // from 1, without holes: how a lost message is noticed
	streamSequence   uint64
	stored           int64  // ns since 1970
	pending          uint64 // messages for this consumer after this one
}

const ackPrefix = "$JS.ACK."

// parseDelivery reads both forms, by hand since every event passes here:
//
//	$JS.ACK.<stream>.<consumer>.<delivered>.<sseq>.<cseq>.<ns>.<pending>
//	$JS.ACK.<domain>.<account>.<stream>.<consumer>.<delivered>.<sseq>.<cseq>.<ns>.<pending>[.<random>]
//
// Source: nats-server 2.15, server/consumer.go (ackReply), and ADR-15.
func parseDelivery(reply string) (d delivery, ok bool) {
	if !strings.HasPrefix(reply, ackPrefix) {
		return d, false
	}
	rest := reply[len(ackPrefix):]
	skip := 3 // stream, consumer, delivered
	switch n := strings.Count(rest, "."); {
	case n == 6:
	case n >= 8:
		skip += 2
	default:
		return d, false
	}
	for ; skip > 0; skip-- {
		rest = rest[strings.IndexByte(rest, '.')+1:]
	}
	var stored uint64
	for _, field := range [...]*uint64{&d.streamSequence, &d.consumerSequence, &stored, &d.pending} {
		if *field, rest, ok = number(rest); !ok {
			return delivery{}, false
		}
	}
	d.stored = int64(stored)
	return d, true
}

// number reads the decimal number in front of the next dot.
func number(s string) (n uint64, rest string, ok bool) {
	for i := range len(s) {
		c := s[i] - '0'
		if s[i] == '.' {
			return n, s[i+1:], i > 0
		}
		if c > 9 {
			return 0, "", false
		}
		n = n*10 + uint64(c)
	}
	return n, "", s != ""
}
