package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// errMoving: events arrive faster than they can be counted.
var errMoving = errors.New("the stream grows while it is counted")

// Counted is what a stream has of a stretch of sequences.
type Counted struct {
	Events uint64 // in the stretch, under the subjects
	Oldest uint64 // first sequence that the stream still has
}

// Count counts the events from first to last that a reader of the subjects
// gets of a stream. It reads none of them: the server says how many a consumer
// from here on would get, and how many one from there on.
func Count(ctx context.Context, js jetstream.JetStream, name string, subjects []string, first, last uint64) (Counted, error) {
	info, err := lookAt(ctx, js, name)
	if err != nil {
		return Counted{}, fmt.Errorf("cannot look at stream %s: %w", name, err)
	}
	filters := disjoint(storedBy(subjects, storedSubjects(info.Config)))
	if len(filters) == 0 { // a consumer without filters would get everything
		return Counted{Oldest: info.State.FirstSeq}, nil
	}
	const tries = 20
	for range tries {
		before, err := pendingFrom(ctx, js, name, filters, last+1)
		if err != nil {
			return Counted{}, err
		}
		all, err := pendingFrom(ctx, js, name, filters, first)
		if err != nil {
			return Counted{}, err
		}
		after, err := pendingFrom(ctx, js, name, filters, last+1)
		if err != nil {
			return Counted{}, err
		}
		if before == after {
			return Counted{Events: all - after, Oldest: info.State.FirstSeq}, nil
		}
	}
	return Counted{}, fmt.Errorf("cannot count stream %s: %w", name, errMoving)
}

func lookAt(ctx context.Context, js jetstream.JetStream, name string) (*jetstream.StreamInfo, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	s, err := js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.CachedInfo(), nil
}

// storedBy leaves out what a stream can't have. One without subjects of its
// own gets its messages from other streams: it may have any.
func storedBy(subjects, stream []string) []string {
	if len(stream) == 0 {
		return subjects
	}
	var some []string
	for _, subject := range subjects {
		for _, s := range stream {
			if overlap(subject, s) {
				some = append(some, subject)
				break
			}
		}
	}
	return some
}

func pendingFrom(ctx context.Context, js jetstream.JetStream, stream string, filters []string, first uint64) (uint64, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	cfg := consumerConfig("belfry-count-"+nuid.Next(), filters)
	cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, first
	c, err := js.CreateConsumer(ctx, stream, cfg)
	if err != nil {
		return 0, fmt.Errorf("cannot count the events of %s: %w", stream, err)
	}
	pending := c.CachedInfo().NumPending
	forget(js.Conn(), stream, cfg.Name)
	return pending, nil
}
