package stream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

const (
	batchSize  = 5000    // messages per pull, and per batch handed over at most
	pullBytes  = 8 << 20 // per pull, so that large events don't fill the memory
	batchBytes = 4 << 20 // handed over at once, about

	heartbeat    = time.Second      // the server's sign of life while there is nothing to deliver
	deadline     = 3 * heartbeat    // without any sign
	pullExpires  = 30 * time.Second // a pull's life; it is then renewed
	inactiveLife = 30 * time.Second // a consumer's life without pulls
)

// consumer is one attempt's consumer on the server and the subscription that
// it delivers to. At most two pulls are out at a time, so the channel always
// has room and the client never drops a message for being slow.
type consumer struct {
	js      *JetStream
	stream  string
	name    string
	inbox   string
	sub     *nats.Subscription
	msgs    chan *nats.Msg
	pending uint64 // as the server said when it was created

	asked  int // messages that pulls still ask for
	pulls  int // numbers the replies
	limits int // bytes of one pull
}

// consumerName is fresh for every attempt: a name used before may be held by
// a server that is down.
func (s *source) consumerName() string { return "belfry-" + s.app + "-" + nuid.Next() }

func consumerConfig(name string, filters []string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Name:              name,
		Description:       "Belfry reads events",
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: inactiveLife,
		MaxDeliver:        -1,
		FilterSubjects:    filters,
	}
}

func (j *JetStream) createConsumer(ctx context.Context, stream string, cfg jetstream.ConsumerConfig) (*jetstream.ConsumerInfo, error) {
	c, err := j.js.CreateConsumer(ctx, stream, cfg)
	if err := j.cfg.Conditions.explain("$JS.API.CONSUMER.CREATE."+stream+"."+cfg.Name, err); err != nil {
		return nil, err
	}
	return c.CachedInfo(), nil
}

// openConsumer makes a consumer that begins at sequence first. Dying after it
// leaves a consumer that the server removes after 30 s.
func openConsumer(ctx context.Context, s *source, stream string, filters []string, first uint64) (*consumer, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	c := &consumer{
		js: s.js, stream: stream, name: s.consumerName(), inbox: s.js.nc.NewInbox(),
		msgs:   make(chan *nats.Msg, 2*batchSize+1000), // and the heartbeats while nobody takes them
		limits: max(pullBytes, int(s.js.nc.MaxPayload())+64<<10),
	}
	cfg := consumerConfig(c.name, filters)
	cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, first
	made, err := s.js.createConsumer(ctx, stream, cfg)
	if err != nil {
		return nil, fmt.Errorf("cannot create a consumer on %s: %w", stream, err)
	}
	c.pending = made.NumPending
	if c.sub, err = s.js.nc.ChanSubscribe(c.inbox+".*", c.msgs); err != nil {
		return nil, fmt.Errorf("cannot subscribe: %w", err)
	}
	if err := c.pullMore(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// pullMore keeps between one and two full pulls out.
func (c *consumer) pullMore() error {
	if c.asked > batchSize {
		return nil
	}
	request, err := json.Marshal(struct {
		Batch     int           `json:"batch"`
		MaxBytes  int           `json:"max_bytes"`
		Expires   time.Duration `json:"expires"`
		Heartbeat time.Duration `json:"idle_heartbeat"`
	}{batchSize, c.limits, pullExpires, heartbeat})
	if err != nil {
		return err
	}
	c.pulls++
	reply := c.inbox + "." + strconv.Itoa(c.pulls)
	if err := c.js.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+c.stream+"."+c.name, reply, request); err != nil {
		return fmt.Errorf("cannot ask %s for events: %w: %w", c.stream, err, errConnection)
	}
	c.asked += batchSize
	return nil
}

// close ends the subscription and, without waiting for it, the consumer.
func (c *consumer) close() {
	_ = c.sub.Unsubscribe()
	Forget(c.js.nc, c.stream, c.name)
}

// Forget deletes a consumer without waiting for it: else it goes by itself, some
// time later, and a server has room for a thousand of a stream at most.
func Forget(nc *nats.Conn, stream, consumer string) {
	_ = nc.Publish("$JS.API.CONSUMER.DELETE."+stream+"."+consumer, nil)
}

// errConnection ends an attempt that ended with its connection.
var errConnection = errors.New("the connection to NATS was interrupted")

// status is a message of the server about a pull, instead of an event. With
// neither err nor ended it is a heartbeat.
type status struct {
	err      error  // the consumer is of no use any more
	ended    bool   // the pull is over; what it still asked for won't come
	consumer uint64 // sequence of the last delivery
	stream   uint64 // last stream sequence that was looked at: what is ours up to it was delivered
}

// readStatus tells the three kinds apart. Source: ADR-37 and nats-server
// 2.15, server/consumer.go (processWaiting, sendIdleHeartbeat).
func (c *consumer) readStatus(m *nats.Msg) status {
	code, text := m.Header.Get("Status"), m.Header.Get("Description")
	switch {
	case code == "100":
		cseq, _ := strconv.ParseUint(m.Header.Get("Nats-Last-Consumer"), 10, 64)
		sseq, _ := strconv.ParseUint(m.Header.Get("Nats-Last-Stream"), 10, 64)
		return status{consumer: cseq, stream: sseq}
	case code == "408", code == "409" && (text == "Message Size Exceeds MaxBytes" || text == "Batch Completed"):
		left, _ := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
		c.asked -= left
		return status{ended: true}
	}
	return status{err: fmt.Errorf("cannot go on with the consumer: the server says %s %s", code, cmp.Or(text, "that nobody serves it"))}
}
