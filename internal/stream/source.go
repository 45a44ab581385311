package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// source reads the events of one app. See bridge.Source.
type source struct {
	js    *JetStream
	app   string
	times readerTimes
}

// readerTimes are the patience of readers.
type readerTimes struct {
	resolve time.Duration // between two looks for a stream that was not there

	// idle is how often at most a stream in which nothing of ours arrives has
	// its checkpoint moved on, so that its retention of foreign events is not
	// taken for a gap.
	idle time.Duration

	// rewind is how long the end of a replicated stream may lie before our
	// checkpoint: a new leader may still be catching up.
	rewind time.Duration
}

func (j *JetStream) source(app string) *source {
	return &source{js: j, app: app, times: readerTimes{
		resolve: 5 * time.Second, idle: 10 * time.Second, rewind: 10 * time.Second,
	}}
}

// errReplan ends the readers because other streams are to be read now.
var errReplan = errors.New("the streams to read have changed")

// Read reads until ctx ends, or until it finds a configuration that can never
// work, which errors.Is(err, ErrPermanent). It writes nothing anywhere, so
// dying in it needs no recovery: the next owner reads from the checkpoint.
func (s *source) Read(ctx context.Context, subjects []string, sources []mapping.Source, from map[string]bridge.Checkpoint, out chan<- bridge.Batch) error {
	defer s.js.cfg.Conditions.Clear(SourceNone, s.app)
	defer s.js.cfg.Conditions.Clear(SourceInterrupted, s.app)
	positions := maps.Clone(from)
	if positions == nil {
		positions = map[string]bridge.Checkpoint{}
	}
	awaited := map[string]time.Time{}
	pause := newPause()
	for {
		p, missing, err := s.resolve(ctx, subjects, sources)
		if errors.Is(err, ErrPermanent) {
			return err
		}
		s.reportResolved(missing, err)
		p.awaited(awaited)
		for _, subject := range missing {
			if awaited[subject].IsZero() {
				awaited[subject] = time.Now()
			}
		}
		if err == nil && len(p) > 0 {
			again := func(ctx context.Context) bool { return s.changed(ctx, p, subjects, sources) }
			if len(missing) == 0 {
				again = nil
			}
			if err := s.readAll(ctx, p, positions, out, again); !errors.Is(err, errReplan) {
				return err
			}
			pause.reset()
		}
		if err := pause.wait(ctx); err != nil {
			return fmt.Errorf("cannot go on reading for %s: %w", s.app, err)
		}
	}
}

func (s *source) reportResolved(missing []string, err error) {
	conditions := s.js.cfg.Conditions
	if err != nil {
		conditions.Set(SourceInterrupted, s.app, err.Error())
		return
	}
	conditions.Clear(SourceInterrupted, s.app)
	if len(missing) == 0 {
		conditions.Clear(SourceNone, s.app)
		return
	}
	conditions.Set(SourceNone, s.app, "no stream stores "+strings.Join(missing, ", ")+
		"; create one, or name one under sources: in the rules file")
}

// changed reports whether resolving now gives another plan than p.
func (s *source) changed(ctx context.Context, p plan, subjects []string, sources []mapping.Source) bool {
	now, _, err := s.resolve(ctx, subjects, sources)
	return errors.Is(err, ErrPermanent) || err == nil && !now.equal(p)
}

// readAll runs one reader per stream and returns, when all have ended, the
// reason of the first that did. positions is where they begin, and then where
// they got to.
func (s *source) readAll(ctx context.Context, p plan, positions map[string]bridge.Checkpoint, out chan<- bridge.Batch, again func(context.Context) bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var readers sync.WaitGroup
	var mu sync.Mutex // guards positions
	for name, sp := range p {
		mu.Lock()
		position, known := positions[name]
		mu.Unlock()
		r := newReader(s, name, sp, position, known, out)
		readers.Go(func() {
			cancel(r.run(ctx))
			mu.Lock()
			defer mu.Unlock()
			if r.known {
				positions[name] = r.position
			}
		})
	}
	if again != nil {
		readers.Go(func() { s.watchPlan(ctx, again, cancel) })
	}
	readers.Wait()
	return context.Cause(ctx)
}

func (s *source) watchPlan(ctx context.Context, again func(context.Context) bool, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(s.times.resolve)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if again(ctx) {
			cancel(errReplan)
			return
		}
	}
}

// Get fetches one message from the stream's leader. A stream that was deleted
// has lost all its messages; one that was recreated may have another message
// under the same sequence, which its Time tells.
func (s *source) Get(ctx context.Context, stream string, sequence uint64) (mapping.Message, error) {
	msg, err := s.js.readStored(ctx, stream, storedRequest{Sequence: sequence})
	if apiCode(err) == codeNoMessage || isMissing(err) {
		return mapping.Message{}, fmt.Errorf("cannot fetch message %d of %s: %w", sequence, stream, bridge.ErrMessageGone)
	}
	if err != nil {
		return mapping.Message{}, fmt.Errorf("cannot fetch message %d of %s: %w", sequence, stream, err)
	}
	return mapping.Message{
		Subject: msg.Subject, Stream: stream, Sequence: msg.Sequence,
		Time: msg.Time.UTC(), Header: msg.Header, Data: msg.Data,
	}, nil
}
