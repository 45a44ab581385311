package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/stream"
)

// publications reads what Belfry has published, for verbs that look back.
type publications struct {
	asking
	stream string
}

func (p *publications) flags(cmd *cobra.Command) {
	p.asking.flags(cmd)
	checkedVar(cmd.Flags(), &p.stream, streamName, "result-stream", stream.DefaultResultStream, "stream of results and dead letters")
}

// each calls f with everything on a subject that the stream has now, in order.
func (p *publications) each(ctx context.Context, js jetstream.JetStream, subject string, f func(jetstream.Msg) error) error {
	cfg := jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject}}
	return readAll(ctx, js, p.stream, cfg, func(m jetstream.Msg, _ *jetstream.MsgMetadata, _ uint64) (bool, error) { return true, f(m) })
}

// How long a request to JetStream may take, and the next event of a stream.
const (
	requestTimeout = 10 * time.Second
	readTimeout    = 30 * time.Second
)

// readAll hands over what a stream has for a consumer at this moment, in order,
// and how much that is, for as long as f wants more.
func readAll(ctx context.Context, js jetstream.JetStream, name string, cfg jetstream.OrderedConsumerConfig,
	f func(m jetstream.Msg, meta *jetstream.MsgMetadata, total uint64) (more bool, err error),
) error {
	within, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	cfg.InactiveThreshold = readTimeout
	c, err := js.OrderedConsumer(within, name, cfg)
	if err != nil {
		return cannotRead(ctx, js, name, err)
	}
	defer func() { stream.Forget(js.Conn(), name, c.CachedInfo().Name) }()
	info, err := c.Info(within)
	if err != nil {
		return cannotRead(ctx, js, name, err)
	}
	if info.NumPending == 0 {
		return nil
	}
	messages, err := c.Messages(jetstream.PullMaxMessages(5000))
	if err != nil {
		return cannotRead(ctx, js, name, err)
	}
	defer messages.Stop()
	for {
		m, err := soon(ctx, messages)
		if err != nil {
			return cannotRead(ctx, js, name, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return cannotRead(ctx, js, name, err)
		}
		if more, err := f(m, meta, info.NumPending); !more || err != nil || meta.NumPending == 0 {
			return err
		}
	}
}

// soon is the next message, if it comes in time.
func soon(ctx context.Context, messages jetstream.MessagesContext) (jetstream.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return messages.Next(jetstream.NextContext(ctx))
}

// cannotRead says what to do about a stream that can't be read.
func cannotRead(ctx context.Context, js jetstream.JetStream, name string, err error) error {
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		var names []string
		for other := range js.StreamNames(ctx).Name() {
			names = append(names, other)
		}
		if len(names) == 0 {
			return fmt.Errorf("cannot read the stream %s: this NATS has no streams at all; is it the right one (--nats)?", name)
		}
		slices.Sort(names)
		return fmt.Errorf("cannot read the stream %s: this NATS has only %s", name, strings.Join(names, ", "))
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled):
		return fmt.Errorf("cannot read the stream %s: JetStream does not answer; %s", name, stream.Silent)
	case refused(js.Conn()) != nil:
		return fmt.Errorf("cannot read the stream %s: %w", name, denied(js.Conn(), err))
	case late(err):
		return fmt.Errorf("cannot read the stream %s: %w: is NATS up?", name, err)
	}
	return fmt.Errorf("cannot read the stream %s: %w", name, err)
}

func late(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout)
}

// denied adds what the server refused: a request that it denies is not answered
// at all.
func denied(nc *nats.Conn, err error) error {
	if last := refused(nc); late(err) && last != nil {
		return fmt.Errorf("%w: %w (docs/operations.md lists the permissions)", err, last)
	}
	return err
}

// refused is the permission that was missing last. To forget a consumer needs no answer.
func refused(nc *nats.Conn) error {
	if last := nc.LastError(); errors.Is(last, nats.ErrPermissionViolation) && !strings.Contains(last.Error(), "$JS.API.CONSUMER.DELETE.") {
		return last
	}
	return nil
}

// published is what subscribers that dedupe by id know of one app.
type published struct {
	results     map[string]bridge.Result // by id
	deadLetters map[string]bool          // by id
	complete    bool                     // the stream still has everything from its beginning
	made        time.Time                // when the stream was
}

// of reads what is published about one app.
func (p *publications) of(ctx context.Context, js jetstream.JetStream, app string) (published, error) {
	within, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	s, err := js.Stream(within, p.stream)
	if err != nil {
		return published{}, cannotRead(ctx, js, p.stream, err)
	}
	state := s.CachedInfo().State
	all := published{
		results: map[string]bridge.Result{}, deadLetters: map[string]bool{},
		complete: state.FirstSeq <= 1 && state.NumDeleted == 0, made: s.CachedInfo().Created,
	}
	err = p.each(ctx, js, stream.ResultSubjects+app+".>", func(m jetstream.Msg) error {
		var event struct {
			ID   string        `json:"id"`
			Data bridge.Result `json:"data"`
		}
		if err := json.Unmarshal(m.Data(), &event); err != nil {
			return nil //nolint:nilerr // somebody else's, such as an answer that was sent here: without one of ours, the counts differ
		}
		all.results[event.ID] = event.Data
		return nil
	})
	if err != nil {
		return all, err
	}
	return all, p.each(ctx, js, stream.DeadLetterSubjects+">", func(m jetstream.Msg) error {
		if m.Headers().Get("Belfry-App") == app && m.Subject() != replayedSubject {
			all.deadLetters[m.Headers().Get(jetstream.MsgIDHeader)] = true
		}
		return nil
	})
}
