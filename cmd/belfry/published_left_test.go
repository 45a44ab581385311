package main

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/internal/stream"
)

func TestWhoHasReadAStreamLeavesNoConsumersBehind(t *testing.T) {
	embedded, err := stream.StartEmbedded(t.Context(), stream.EmbeddedOptions{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(embedded.Shutdown)
	_, js := connect(t, embedded.URL())
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
