package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/pflag"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/simulate"
	"github.com/belfry-bridge/belfry/internal/stream"
	"github.com/belfry-bridge/belfry/mapping"
)

// historyOptions say where recorded events come from.
type historyOptions struct {
	nats   natsOptions
	events string
	stream string
	from   string
	to     string
}

func (o *historyOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.events, "events", "", "file of JSON lines with at, subject and data; - for standard input")
	checkedVar(f, &o.stream, streamName, "stream", "", "stream to read instead of a file")
	f.StringVar(&o.from, "from", "", "with --stream: begin at this time, RFC 3339")
	f.StringVar(&o.to, "to", "", "with --stream: end at this time, RFC 3339; empty: at what the stream has now")
	o.nats.flags(f)
}

// open reads the whole history, which may be asked for several times, into
// memory only as far as it has to: standard input and streams are read once.
func (o *historyOptions) open(ctx context.Context, std stdio, subjects []string) (func() simulate.History, error) {
	switch {
	case (o.events == "") == (o.stream == ""):
		return nil, usageError{errors.New("cannot read a history: want one of --events and --stream")}
	case o.stream == "" && (o.from != "" || o.to != ""):
		return nil, usageError{errors.New("cannot use --from and --to with --events: they are for --stream; the file is read whole")}
	case o.stream != "":
		return o.fromStream(ctx, std, subjects)
	case o.events == "-":
		all, err := collect(simulate.ReadLines(bufio.NewReader(std.in), "EVENTS"))
		return replay(all), err
	}
	return func() simulate.History {
		return func(yield func(mapping.Message, error) bool) {
			f, err := os.Open(o.events)
			if err != nil {
				yield(mapping.Message{}, fmt.Errorf("cannot read the history: %w", err))
				return
			}
			defer func() { _ = f.Close() }()
			simulate.ReadLines(bufio.NewReaderSize(f, 1<<20), "EVENTS")(yield)
		}
	}, nil
}

func collect(h simulate.History) ([]mapping.Message, error) {
	var all []mapping.Message
	for m, err := range h {
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

func replay(all []mapping.Message) func() simulate.History {
	return func() simulate.History {
		return func(yield func(mapping.Message, error) bool) {
			for _, m := range all {
				if !yield(m, nil) {
					return
				}
			}
		}
	}
}

func (o *historyOptions) fromStream(ctx context.Context, std stdio, subjects []string) (func() simulate.History, error) {
	from, err := parseTime("--from", o.from)
	if err != nil {
		return nil, err
	}
	to, err := parseTime("--to", o.to)
	if err != nil {
		return nil, err
	}
	if !from.IsZero() && !to.IsZero() && !to.After(from) {
		return nil, usageError{fmt.Errorf("cannot read from %s to %s: --to must be later than --from", o.from, o.to)}
	}
	natsOpts, err := o.nats.options()
	if err != nil {
		return nil, err
	}
	natsOpts.Name, natsOpts.Logger = "belfry simulate", slog.New(slog.DiscardHandler)
	nc, err := stream.Dial(natsOpts)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	all, err := readStream(ctx, nc, o.stream, subjects, from, to, newBar(std))
	return replay(all), err
}

func parseTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, usageError{fmt.Errorf("cannot use %s %q: want a time such as 2026-11-02T15:04:05+08:00", flag, text)}
	}
	return t, nil
}

// clocksApart is how far the time of a stream may step back where its leader changes.
const clocksApart = time.Minute

// readStream reads what a stream has of the subjects at this moment.
func readStream(ctx context.Context, nc *nats.Conn, name string, subjects []string, from, to time.Time, b *bar) ([]mapping.Message, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("cannot use JetStream: %w", err)
	}
	cfg := jetstream.OrderedConsumerConfig{FilterSubjects: stream.Filters(subjects)}
	if !from.IsZero() {
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &from
		cfg.FilterSubjects = nil // with them, nats-server 2.15 may skip events of one filter when the first one of another comes later
	}
	read := uint64(0)
	var all []mapping.Message
	err = readAll(ctx, js, name, cfg, func(m jetstream.Msg, meta *jetstream.MsgMetadata, total uint64) (bool, error) {
		if !to.IsZero() && meta.Timestamp.After(to) {
			return meta.Timestamp.Before(to.Add(clocksApart)), nil
		}
		read++
		if slices.ContainsFunc(subjects, func(s string) bool { return mapping.Covers(s, m.Subject()) }) { // what was asked for may be wider
			all = append(all, mapping.Message{
				Subject: m.Subject(), Stream: name, Sequence: meta.Sequence.Stream, Time: meta.Timestamp, Header: m.Headers(), Data: m.Data(),
			})
		}
		b.show(read, total)
		return true, nil
	})
	switch {
	case err != nil && read > 0:
		return nil, fmt.Errorf("after %s: %w", bridge.Plural(read, "event", "events"), err)
	case err != nil:
		return nil, err
	}
	b.done()
	return all, nil
}

// bar shows progress on a terminal, and nothing elsewhere.
type bar struct {
	out  io.Writer
	last time.Time
}

func newBar(std stdio) *bar {
	if isTerminal(std.err) {
		return &bar{out: std.err}
	}
	return &bar{}
}

func (b *bar) show(n, total uint64) {
	if b.out == nil || time.Since(b.last) < 100*time.Millisecond {
		return
	}
	b.last = time.Now()
	fmt.Fprintf(b.out, "\r%d of %s (%d %%)", n, bridge.Plural(total, "event", "events"), 100*n/max(1, total))
}

func (b *bar) done() {
	if b.out != nil {
		fmt.Fprint(b.out, "\r\x1b[K")
	}
}
