package stream

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/mapping"
)

// plan is what to read: per stream, its filters and where to begin without a
// checkpoint.
type plan map[string]streamPlan

type streamPlan struct {
	subjects []string // as the rules have them
	filters  []string // what the consumer gets: the same without overlaps
	start    mapping.Start
	named    bool // by the rules file: waited for while it is missing
}

func (p plan) equal(other plan) bool {
	return maps.EqualFunc(p, other, func(a, b streamPlan) bool { return slices.Equal(a.filters, b.filters) })
}

// awaited makes the plan read streams from when we began to wait for them.
func (p plan) awaited(since map[string]time.Time) {
	for name, sp := range p {
		for _, subject := range sp.subjects {
			if t, ok := since[subject]; ok {
				sp.start = startAwaited(sp.start, t)
			}
		}
		p[name] = sp
	}
}

// clockMargin covers how far our clock may be ahead of the server's.
const clockMargin = time.Minute

// startAwaited replaces "what is new" for a stream that was not there when we
// began: what it stored before we found it is new as well.
func startAwaited(start mapping.Start, since time.Time) mapping.Start {
	if start.Mode == mapping.StartNew {
		start = mapping.Start{Mode: mapping.StartAtTime, Time: since.Add(-clockMargin).UTC()}
	}
	return start
}

// resolve finds the streams to read. Subjects that no stream has at the
// moment are returned as missing. Streams that cannot be read in place are
// refused here, before anything is consumed.
func (s *source) resolve(ctx context.Context, subjects []string, sources []mapping.Source) (p plan, missing []string, err error) {
	if len(sources) > 0 {
		p = planSources(subjects, sources)
	} else if p, missing, err = s.planSubjects(ctx, subjects); err != nil {
		return nil, nil, err
	}
	for name := range p {
		info, err := s.js.streamInfo(ctx, name)
		if isMissing(err) {
			continue // its reader waits for it
		}
		if err != nil {
			return nil, nil, fmt.Errorf("cannot look at stream %s: %w", name, err)
		}
		if err := readable(name, info.Config); err != nil {
			return nil, nil, err
		}
	}
	return p, missing, nil
}

func planSources(subjects []string, sources []mapping.Source) plan {
	p := plan{}
	for _, source := range sources {
		p[source.Stream] = streamPlan{subjects: subjects, filters: few(subjects, maxFilters), start: source.Start, named: true}
	}
	return p
}

// planSubjects asks the server which stream stores each subject.
func (s *source) planSubjects(ctx context.Context, subjects []string) (plan, []string, error) {
	wanted, missing := map[string][]string{}, []string(nil)
	for _, subject := range subjects {
		names, err := s.streamsOf(ctx, subject)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("cannot look for the stream of %s: %w", subject, err)
		case len(names) == 0:
			missing = append(missing, subject)
			continue
		case len(names) > 1:
			return nil, nil, fmt.Errorf("cannot choose a stream for %s: %s all have it; name the ones to read under sources: in the rules file: %w",
				subject, strings.Join(names, ", "), ErrPermanent)
		}
		wanted[names[0]] = append(wanted[names[0]], subject)
	}
	p := plan{}
	for name, list := range wanted {
		p[name] = streamPlan{subjects: list, filters: few(list, maxFilters)}
	}
	return p, missing, nil
}

// streamsOf lists the streams that store something of subject, without our own.
func (s *source) streamsOf(ctx context.Context, subject string) ([]string, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	lister := s.js.js.StreamNames(ctx, jetstream.WithStreamListSubject(subject))
	var names []string
	for name := range lister.Name() {
		if name != s.js.cfg.StateStream && name != s.js.cfg.ResultStream {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, lister.Err()
}

// readable refuses streams in which reading without acknowledgements is not
// harmless: there a message lives until each consumer has acknowledged it.
func readable(name string, cfg jetstream.StreamConfig) error {
	if cfg.Retention == jetstream.LimitsPolicy {
		return nil
	}
	kind := "Interest"
	if cfg.Retention == jetstream.WorkQueuePolicy {
		kind = "WorkQueue"
	}
	return fmt.Errorf("cannot read stream %s: it has %s retention, where messages exist only until they are acknowledged, and Belfry reads without acknowledging; "+
		"create a stream with limits retention that has %s as its source (nats stream add %s_EVENTS --source %s --retention limits) and name that one under sources: in the rules file: %w",
		name, kind, name, name, name, ErrPermanent)
}
