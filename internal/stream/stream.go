package stream

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
)

// Defaults of Config.
const (
	DefaultStateStream  = "BELFRY"
	DefaultResultStream = "BELFRY_RESULTS"
	DefaultReplicas     = 1
)

// Subjects that Belfry owns; an app's name or more follows.
const (
	StateSubjects      = "belfry.state."
	LeaseSubjects      = "belfry.lease."
	HandoverSubjects   = "belfry.handover." // core NATS, stored nowhere
	ResultSubjects     = "belfry.result."
	DeadLetterSubjects = "belfry.deadletter."
)

// Config is what the ports of this package are made of.
type Config struct {
	StateStream  string // empty: DefaultStateStream
	ResultStream string // empty: DefaultResultStream
	Replicas     int    // of both streams, 1 to 5; 0: DefaultReplicas for new ones, any for those that exist
	Provision    bool   // create the two streams when they are missing

	Replica string // unique per process start, one token: letters, digits, "-", "_"
	Name    string // of the replica, for people; the same after a restart

	Logger     *slog.Logger // nil: slog.Default()
	Conditions *Conditions  // nil: trouble is kept where nobody sees it
}

// JetStream makes the ports of the bridge over one connection. It is safe
// for use by several goroutines.
type JetStream struct {
	nc         *nats.Conn
	js         jetstream.JetStream
	cfg        Config
	unanswered unanswered
}

// New returns the ports over nc, which may still be waiting for its server.
func New(nc *nats.Conn, cfg Config) (*JetStream, error) {
	if !isToken(cfg.Replica) {
		return nil, fmt.Errorf("cannot use %q as a replica id: want letters, digits, - and _: %w", cfg.Replica, ErrPermanent)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("cannot use JetStream: %w", err)
	}
	return &JetStream{nc: nc, js: js, cfg: cfg.withDefaults(), unanswered: unanswered{first: firstSilence, patience: firstSilence}}, nil
}

func (c Config) withDefaults() Config {
	c.StateStream = cmp.Or(c.StateStream, DefaultStateStream)
	c.ResultStream = cmp.Or(c.ResultStream, DefaultResultStream)
	c.Name = cmp.Or(c.Name, c.Replica)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	c.Conditions = cmp.Or(c.Conditions, NewConditions(time.Now, nil))
	return c
}

// Store returns the durable state of one app.
func (j *JetStream) Store(app string) bridge.Store {
	return &store{subject: j.casSubject(StateSubjects + app)}
}

// Publisher returns what publishes results and dead letters.
func (j *JetStream) Publisher() bridge.Publisher { return &publisher{j} }

// Source returns the reader of one app's events.
func (j *JetStream) Source(app string) bridge.Source { return j.source(app) }

// isToken reports whether s can be one token of a subject and part of a
// consumer's name.
func isToken(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

// requestTimeout is how long one request may take when its context says nothing.
const requestTimeout = 5 * time.Second

// withTimeout bounds a request, so that a lost answer is a timeout and not silence.
func withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, requestTimeout)
}
