package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/internal/stream"
)

func TestTheSubscriberTellsEveryResultOnce(t *testing.T) {
	server, err := stream.StartEmbedded(t.Context(), stream.EmbeddedOptions{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	nc, err := nats.Connect(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "BELFRY_RESULTS", Subjects: []string{"belfry.result.>", "belfry.deadletter.>"}}); err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{"sent", "sent", "in_doubt", "quota_low"} { // one comes again, long after
		data, err := os.ReadFile("../../contract/examples/" + state + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish(t.Context(), "belfry.result.campus.students."+state, data); err != nil {
			t.Fatal(err)
		}
	}

	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- subscribe(ctx, server.URL(), w) }()
	lines := bufio.NewScanner(r)
	for _, want := range []string{
		"k3v9ta-9 reached students; events: 3, [lesson-1041 lesson-1043 SCHOOL:88]",
		"k3v9ta-9: somebody must look",
		"dev.belfry.quota.low.v1; events: 0; 1 of 3 sends",
	} {
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), want) {
			t.Fatalf("it says %q, want %q", lines.Text(), want)
		}
	}
	stop()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
