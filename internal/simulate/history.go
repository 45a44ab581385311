package simulate

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// line is one event of a JSON Lines history.
type line struct {
	At      time.Time           `json:"at"`
	Subject string              `json:"subject"`
	ID      string              `json:"id"`
	Headers map[string][]string `json:"headers"`
	Data    json.RawMessage     `json:"data"`
}

// maxLine is the longest event of a history, in bytes.
const maxLine = 8 << 20

// ReadLines reads a history in JSON Lines: an object a line with "at" (RFC
// 3339), "subject" and "data", and optionally "id" and "headers". Errors name
// the line. stream is what the rules see as the stream's name.
func ReadLines(r io.Reader, stream string) History {
	return func(yield func(mapping.Message, error) bool) {
		in := bufio.NewScanner(r)
		in.Buffer(make([]byte, 64<<10), maxLine)
		for n := uint64(1); in.Scan(); n++ {
			if len(in.Bytes()) == 0 {
				continue
			}
			m, err := message(in.Bytes(), stream, n)
			if !yield(m, err) || err != nil {
				return
			}
		}
		if err := in.Err(); err != nil {
			yield(mapping.Message{}, fmt.Errorf("cannot read the history: %w", err))
		}
	}
}

func message(b []byte, stream string, n uint64) (mapping.Message, error) {
	var l line
	if err := json.Unmarshal(b, &l); err != nil {
		return mapping.Message{}, fmt.Errorf("cannot read line %d of the history: %w", n, err)
	}
	if l.At.IsZero() || l.Subject == "" {
		return mapping.Message{}, fmt.Errorf("cannot use line %d of the history: it needs \"at\" and \"subject\"", n)
	}
	if l.ID != "" {
		if l.Headers == nil {
			l.Headers = map[string][]string{}
		}
		l.Headers["Nats-Msg-Id"] = []string{l.ID}
	}
	return mapping.Message{Subject: l.Subject, Stream: stream, Sequence: n, Time: l.At, Header: l.Headers, Data: l.Data}, nil
}
