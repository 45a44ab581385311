// Command subscriber reads Belfry's results as a service of yours would: with
// a durable consumer, so that none is missed, and each final state once.
//
//	go run ./docs/examples/subscriber -nats nats://127.0.0.1:4222
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/nats-io/nats.go"           //nolint:depguard // not a part of Belfry: what a service of yours imports
	"github.com/nats-io/nats.go/jetstream" //nolint:depguard // the same
)

// result is what this subscriber needs of a result. Ignore what you don't
// know: later versions may add properties.
type result struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Data struct {
		App       string   `json:"app"`
		Audience  string   `json:"audience"`
		Broadcast string   `json:"broadcast"`
		Digest    string   `json:"digest"`
		Events    int      `json:"events"`
		EventIDs  []string `json:"event_ids"`
		Message   string   `json:"message"`
	} `json:"data"`
}

func main() {
	url := flag.String("nats", nats.DefaultURL, "NATS server URL")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := subscribe(ctx, *url, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "subscriber:", err)
		os.Exit(1)
	}
}

// subscribe prints every result once until ctx ends.
func subscribe(ctx context.Context, url string, out io.Writer) error {
	nc, err := nats.Connect(url)
	if err != nil {
		return fmt.Errorf("cannot connect: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("cannot use JetStream: %w", err)
	}
	consumer, err := js.CreateOrUpdateConsumer(ctx, "BELFRY_RESULTS", jetstream.ConsumerConfig{
		Durable:        "my-service",
		FilterSubjects: []string{"belfry.result.>"},
		AckPolicy:      jetstream.AckExplicitPolicy,
	})
	if err != nil {
		return fmt.Errorf("cannot make a consumer: %w", err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("cannot consume: %w", err)
	}
	defer messages.Stop()
	seen := map[string]bool{} // yours is a table with a unique id, or an upsert
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot consume: %w", err)
		}
		if err := handle(m, seen, out); err != nil {
			return err
		}
	}
}

func handle(m jetstream.Msg, seen map[string]bool, out io.Writer) error {
	var r result
	if err := json.Unmarshal(m.Data(), &r); err != nil {
		return fmt.Errorf("cannot decode what is on %s: %w", m.Subject(), err)
	}
	if !seen[r.ID] {
		seen[r.ID] = true
		tell(out, r)
	}
	return m.Ack() // after it was handled: at least once
}

func tell(out io.Writer, r result) {
	switch r.Type {
	case "dev.belfry.broadcast.sent.v1":
		fmt.Fprintf(out, "%s reached %s; events: %d, %v\n", r.Data.Broadcast, r.Data.Audience, r.Data.Events, r.Data.EventIDs)
	case "dev.belfry.broadcast.in_doubt.v1":
		fmt.Fprintf(out, "%s: somebody must look: %s\n", r.Data.Broadcast, r.Data.Message)
	default:
		fmt.Fprintf(out, "%s; events: %d; %s\n", r.Type, r.Data.Events, r.Data.Message)
	}
}
