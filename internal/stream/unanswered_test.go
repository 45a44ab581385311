package stream

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestAServerIsLeftAfterASilenceAndTheNextOneAfterTwiceThat(t *testing.T) {
	t.Parallel()
	var (
		silent  = fmt.Errorf("cannot read: %w", context.DeadlineExceeded)
		nobody  = fmt.Errorf("cannot read: %w", nats.ErrNoResponders)
		leaders = &jetstream.APIError{Code: 503, ErrorCode: 10008}
		missing = &jetstream.APIError{Code: 404, ErrorCode: codeStreamNotFound}
		denied  = fmt.Errorf("%w (%w)", context.DeadlineExceeded, deniedError("Permissions Violation"))
		gone    = nats.ErrDisconnected
	)
	type look struct {
		second    int
		err       error
		elsewhere bool
		leave     bool
	}
	for name, looks := range map[string][]look{
		"short silences":              {{0, silent, true, false}, {14, silent, true, false}, {15, nil, true, false}, {16, silent, true, false}, {30, silent, true, false}},
		"a long silence":              {{0, silent, true, false}, {14, nobody, true, false}, {15, leaders, true, true}},
		"a refusal is an answer":      {{0, silent, true, false}, {10, missing, true, false}, {20, silent, true, false}},
		"denied everywhere":           {{0, denied, true, false}, {15, denied, true, false}, {30, denied, true, false}},
		"nowhere else to go":          {{0, silent, false, false}, {15, silent, false, false}, {30, silent, true, false}},
		"without a connection":        {{0, silent, true, false}, {10, gone, false, false}, {60, silent, true, false}, {75, silent, true, true}},
		"twice as long the next time": {{0, silent, true, false}, {15, silent, true, true}, {16, gone, false, false}, {17, silent, true, false}, {46, silent, true, false}, {47, silent, true, true}},
		"and so on, to two minutes": {
			{0, silent, true, false}, {15, silent, true, true}, {20, silent, true, false}, {50, silent, true, true}, {60, silent, true, false}, {120, silent, true, true},
			{130, silent, true, false}, {249, silent, true, false}, {250, silent, true, true}, {260, silent, true, false}, {379, silent, true, false}, {380, silent, true, true},
		},
		"until it answers": {{0, silent, true, false}, {15, silent, true, true}, {16, nil, true, false}, {20, silent, true, false}, {35, silent, true, true}},
	} {
		u := unanswered{first: firstSilence, patience: firstSilence}
		start := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
		for _, l := range looks {
			if got := u.note(start.Add(time.Duration(l.second)*time.Second), l.err, l.elsewhere); got != l.leave {
				t.Errorf("%s: %v after %d s: leaves %v, want %v", name, l.err, l.second, got, l.leave)
			}
		}
	}
}

func TestAServerWithoutJetStreamIsLeftForOneThatHasIt(t *testing.T) {
	t.Parallel()
	plain, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	plain.Start()
	t.Cleanup(plain.Shutdown)
	if !plain.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server without JetStream does not start")
	}
	without := plain.ClientURL()
	n := startNATS(t)
	with := n.URL()
	n.stop()
	var log bytes.Buffer
	c := connect(t, without+","+with, "a", func(cfg *Config) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	if got := c.nc.ConnectedUrl(); got != without {
		t.Fatalf("connected to %q, want %s", got, without)
	}
	c.unanswered.first, c.unanswered.patience = 50*time.Millisecond, 50*time.Millisecond
	n.start()
	if err := c.Provision(within(t, 20*time.Second)); err != nil {
		t.Error(err)
	}
	if got := c.nc.ConnectedUrl(); got != with {
		t.Errorf("connected to %s, want %s", got, with)
	}
	if !strings.Contains(log.String(), "trying another one") {
		t.Errorf("the log does not say so:\n%s", log.String())
	}
}
