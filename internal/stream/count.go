package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/belfry-bridge/belfry/mapping"
)

// ErrTangled is returned for subjects that overlap in more ways than can be counted.
var ErrTangled = errors.New("the rules' subjects overlap in too many ways")

const mostTerms = 64

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
	sum := uint64(0) // of what is added and taken away: it may go below zero in between, and comes back
	left := mostTerms
	terms := union(subjects, &left)
	if left < 0 {
		return Counted{}, fmt.Errorf("cannot count stream %s: %w", name, ErrTangled)
	}
	for _, t := range terms {
		n, err := countFilters(ctx, js, name, t.filters, first, last)
		if err != nil {
			return Counted{}, err
		}
		if t.less {
			n = -n
		}
		sum += n
	}
	return Counted{Events: sum, Oldest: info.State.FirstSeq}, nil
}

// countFilters counts what a consumer with these filters gets.
func countFilters(ctx context.Context, js jetstream.JetStream, name string, filters []string, first, last uint64) (uint64, error) {
	const tries = 20
	for range tries {
		before, err := pendingFrom(ctx, js, name, filters, last+1)
		if err != nil {
			return 0, err
		}
		all, err := pendingFrom(ctx, js, name, filters, first)
		if err != nil {
			return 0, err
		}
		after, err := pendingFrom(ctx, js, name, filters, last+1)
		if err != nil {
			return 0, err
		}
		if before == after {
			return all - after, nil
		}
	}
	return 0, fmt.Errorf("cannot count stream %s: %w", name, errMoving)
}

// term is a set of filters of which none overlap, to be added or taken away.
type term struct {
	filters []string
	less    bool
}

// union says how to count what any of the patterns matches, each message once,
// by consumers, which refuse filters that overlap: what matches two patterns
// is counted with both, and taken away once. No term has no filters: such a
// consumer would get everything.
//
// left is how many terms there may be; below zero, they are not all.
func union(patterns []string, left *int) []term {
	patterns = mapping.WithoutCovered(patterns)
	if *left--; len(patterns) == 0 || *left < 0 {
		return nil
	}
	for i, p := range patterns {
		rest := slices.Delete(slices.Clone(patterns), i, i+1)
		var both []string
		for _, q := range rest {
			if overlap(p, q) {
				both = append(both, intersection(p, q))
			}
		}
		if len(both) == 0 {
			continue
		}
		terms := append(union(rest, left), term{filters: []string{p}})
		for _, t := range union(both, left) {
			terms = append(terms, term{t.filters, !t.less})
		}
		return terms
	}
	return []term{{filters: patterns}}
}

// intersection matches what both of two patterns match that overlap.
func intersection(a, b string) string {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	var out []string
	for i := range as { // the shorter one ends with ">", or they would not overlap
		switch {
		case as[i] == ">":
			return strings.Join(append(out, bs[i:]...), ".")
		case bs[i] == ">":
			return strings.Join(append(out, as[i:]...), ".")
		case as[i] == "*":
			out = append(out, bs[i])
		default:
			out = append(out, as[i])
		}
	}
	return strings.Join(out, ".")
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
	Forget(js.Conn(), stream, cfg.Name)
	return pending, nil
}
