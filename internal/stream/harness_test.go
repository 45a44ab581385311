package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// natsd is a nats-server of one test, which can be stopped and started again
// on the same port.
type natsd struct {
	t    testing.TB
	dir  string
	port int
	*Embedded
}

func startNATS(t testing.TB) *natsd {
	t.Helper()
	n := &natsd{t: t, dir: t.TempDir()}
	n.start()
	_, port, err := net.SplitHostPort(n.URL()[len("nats://"):])
	if err != nil {
		t.Fatal(err)
	}
	n.port, _ = strconv.Atoi(port)
	t.Cleanup(func() { n.stop() })
	return n
}

func (n *natsd) start() {
	n.t.Helper()
	e, err := StartEmbedded(context.Background(), EmbeddedOptions{Dir: n.dir, Port: n.port, Logger: quiet()})
	if err != nil {
		n.t.Fatal(err)
	}
	n.Embedded = e
}

func (n *natsd) stop() {
	if n.Embedded != nil {
		n.Shutdown()
		n.Embedded = nil
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// unwatched is a server with options of its own, whose disk nobody looks at.
func unwatched(s *server.Server) *Embedded {
	done := make(chan struct{})
	close(done)
	return &Embedded{server: s, unlock: func() {}, stop: func() {}, watched: done}
}

// within bounds a test that would hang; no test waits for it to end.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// client is one replica's connection and ports.
type client struct {
	*JetStream
	conditions *Conditions
	news       chan string // "+name about", "-name about"
}

func connect(t testing.TB, url, replica string, change ...func(*Config)) *client {
	t.Helper()
	c := &client{news: make(chan string, 10000)}
	c.conditions = NewConditions(time.Now, func(cond bridge.Condition, active bool) {
		sign := map[bool]string{true: "+", false: "-"}[active]
		c.news <- sign + cond.Name + " " + cond.About
	})
	nc, err := Connect(Options{URL: url, Name: replica, Logger: quiet(), Conditions: c.conditions})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	cfg := Config{Replica: replica, Provision: true, Logger: quiet(), Conditions: c.conditions}
	for _, f := range change {
		f(&cfg)
	}
	if c.JetStream, err = New(nc, cfg); err != nil {
		t.Fatal(err)
	}
	return c
}

// provisioned is connect with Belfry's streams in place.
func provisioned(t testing.TB, url, replica string) *client {
	t.Helper()
	c := connect(t, url, replica)
	if err := c.Provision(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// waitFor reads news until the wanted one.
func (c *client) waitFor(t testing.TB, want string) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	for {
		select {
		case got := <-c.news:
			if got == want {
				return
			}
		case <-ctx.Done():
			t.Fatalf("no news %q; active: %v", want, c.conditions.Active())
		}
	}
}

// addStream creates an input stream.
func (c *client) addStream(t testing.TB, name string, change ...func(*jetstream.StreamConfig)) {
	t.Helper()
	cfg := jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}}
	for _, f := range change {
		f(&cfg)
	}
	if _, err := c.js.CreateStream(within(t, 10*time.Second), cfg); err != nil {
		t.Fatal(err)
	}
}

func (c *client) updateStream(t testing.TB, cfg jetstream.StreamConfig) {
	t.Helper()
	if _, err := c.js.UpdateStream(within(t, 10*time.Second), cfg); err != nil {
		t.Fatal(err)
	}
}

func (c *client) deleteStream(t testing.TB, name string) {
	t.Helper()
	if err := c.js.DeleteStream(within(t, 10*time.Second), name); err != nil {
		t.Fatal(err)
	}
}

// fill publishes events from..to with their number as data. Every 2,000th
// waits for its answer, before the server has more waiting than it accepts.
func (c *client) fill(t testing.TB, subject string, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		data := []byte(strconv.Itoa(i))
		var err error
		if i%2000 == 0 || i == to {
			_, err = c.js.Publish(within(t, 20*time.Second), subject, data)
		} else {
			err = c.nc.Publish(subject, data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// reading is a Read under way and all that it has handed over.
type reading struct {
	t      testing.TB
	out    chan bridge.Batch
	cancel context.CancelFunc
	done   chan error
	stop   sync.Once

	messages   []mapping.Message
	gaps       []bridge.Gap
	checkpoint map[string]bridge.Checkpoint
	caughtUp   bool
	beyondGap  uint64
}

func (c *client) read(t testing.TB, subjects []string, sources []mapping.Source, from map[string]bridge.Checkpoint, change ...func(*readerTimes)) *reading {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &reading{t: t, out: make(chan bridge.Batch), cancel: cancel, done: make(chan error, 1), checkpoint: map[string]bridge.Checkpoint{}}
	s := c.source("school")
	s.times.idle, s.times.resolve, s.times.look = 0, 50*time.Millisecond, 50*time.Millisecond
	for _, f := range change {
		f(&s.times)
	}
	go func() { r.done <- s.Read(ctx, subjects, sources, from, r.out) }()
	t.Cleanup(r.end)
	return r
}

func (r *reading) end() {
	r.stop.Do(func() {
		r.cancel()
		if err := <-r.done; !errors.Is(err, context.Canceled) {
			r.t.Errorf("reading ended with %v", err)
		}
	})
}

// until takes batches until enough says so.
func (r *reading) until(what string, enough func() bool) {
	r.t.Helper()
	ctx := within(r.t, 30*time.Second)
	for !enough() {
		select {
		case b := <-r.out:
			r.take(b)
		case err := <-r.done:
			r.done <- err
			r.t.Fatalf("reading ended before %s: %v", what, err)
		case <-ctx.Done():
			r.t.Fatalf("not reached: %s; have %d messages, %d gaps", what, len(r.messages), len(r.gaps))
		}
	}
}

func (r *reading) take(b bridge.Batch) {
	r.messages = append(r.messages, b.Messages...)
	if b.Gap != nil {
		r.gaps = append(r.gaps, *b.Gap)
		r.beyondGap = b.Pending
	}
	r.checkpoint[b.Stream] = b.Checkpoint
	r.caughtUp = b.Pending == 0
}

func (r *reading) untilCaughtUp() {
	r.t.Helper()
	r.until("the end of the stream", func() bool { return r.caughtUp })
}

func (r *reading) untilMessages(n int) {
	r.t.Helper()
	r.until(fmt.Sprint(n, " messages"), func() bool { return len(r.messages) >= n })
}

// numbers are the data of the messages.
func (r *reading) numbers() []int {
	r.t.Helper()
	list := make([]int, len(r.messages))
	for i, m := range r.messages {
		n, err := strconv.Atoi(string(m.Data))
		if err != nil {
			r.t.Fatal(err)
		}
		list[i] = n
	}
	return list
}

// wantRun fails unless the numbers are from..to, each once and in order.
func (r *reading) wantRun(from, to int) {
	r.t.Helper()
	got := r.numbers()
	for i, n := range got {
		if n != from+i {
			r.t.Fatalf("message %d of %d is event %d, want %d", i, len(got), n, from+i)
		}
	}
	if len(got) != to-from+1 {
		r.t.Fatalf("read %d events, want %d", len(got), to-from+1)
	}
}

func fromStart(stream string) []mapping.Source {
	return []mapping.Source{{Stream: stream, Start: mapping.Start{Mode: mapping.StartAll}}}
}
