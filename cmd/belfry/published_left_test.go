package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/internal/stream"
)

func TestWhoHasReadAStreamLeavesNoConsumersBehind(t *testing.T) {
	_, js := connect(t, embeddedNATS(t))
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	for range 5 { // of an empty stream, and of one that has something
		err := readAll(t.Context(), js, "S", jetstream.OrderedConsumerConfig{}, func(jetstream.Msg, *jetstream.MsgMetadata, uint64) (bool, error) { return true, nil })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish(t.Context(), "s", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(10 * time.Second); ; {
		s, err := js.Stream(t.Context(), "S")
		if err != nil {
			t.Fatal(err)
		}
		if s.CachedInfo().State.Consumers == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d consumers are left", s.CachedInfo().State.Consumers)
		}
	}
}

// It would be the reason of whatever goes wrong later, and nothing would be tried again.
func TestWhoMayNotDeleteConsumersIsNotToldThatThisKeepsAStreamFromBeingRead(t *testing.T) {
	port := freePort(t)
	config := writeFile(t, "nats.conf", fmt.Sprintf(`
port: %d
jetstream: { store_dir: %q }
no_auth_user: reader
authorization: { users: [ { user: reader, permissions: { publish: { deny: "$JS.API.CONSUMER.DELETE.>" } } } ] }
`, port, t.TempDir()))
	start(t, nil, built(t, "nats-server"), "-c", config)
	url := fmt.Sprintf("nats://127.0.0.1:%d", port)
	awaitNATS(t, url)
	nc, js := connect(t, url)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	read := func(ctx context.Context) error {
		return readAll(ctx, js, "S", jetstream.OrderedConsumerConfig{}, func(jetstream.Msg, *jetstream.MsgMetadata, uint64) (bool, error) { return true, nil })
	}
	if err := read(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server has refused to delete the consumer", func() bool { return errors.Is(nc.LastError(), nats.ErrPermissionViolation) })
	late, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	if err := read(late); !stream.MayPass(err) {
		t.Errorf("a stream that does not answer in time is not looked at again: %v", err)
	}
}

// Nobody but people may take a message away again, and until then no count would be compared.
func TestWhatIsNoResultKeepsNobodyFromReconciling(t *testing.T) {
	_, js := connect(t, embeddedNATS(t))
	p := publications{stream: "RESULTS"}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: p.stream, Subjects: []string{"belfry.result.>", "belfry.deadletter.>"}}); err != nil {
		t.Fatal(err)
	}
	for id, data := range map[string]string{"": "", "b.sent": `{"id":"b.sent","data":{"state":"sent","events":1}}`} {
		var opts []jetstream.PublishOpt
		if id != "" {
			opts = append(opts, jetstream.WithMsgID(id))
		}
		if _, err := js.Publish(t.Context(), "belfry.result.campus._.sent", []byte(data), opts...); err != nil {
			t.Fatal(err)
		}
	}
	told, err := p.of(t.Context(), js, "campus")
	if err != nil || len(told.results) != 1 || told.results["b.sent"].Events != 1 {
		t.Errorf("read %v, %v; want the one result", told.results, err)
	}
}
