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
	look    time.Duration // between two looks whether other streams are to be read

	// idle is how often at most a stream in which nothing of ours arrives has
	// its checkpoint moved on, so that its retention of foreign events is not
	// taken for a gap.
	idle time.Duration

	// rewind is how long the end of a replicated stream may lie before our
	// checkpoint: a new leader may still be catching up.
	rewind time.Duration

	// copying is the same for a mirror that says that it lags behind.
	copying time.Duration

	// turn is how long other streams wait for the next event of one that is behind.
	turn time.Duration
}

// lookEvery is how long a stream that stores more of an app's subjects may
// stay unnoticed. A look is one small request for each subject or stream.
const lookEvery = time.Minute

func (j *JetStream) source(app string) *source {
	return &source{js: j, app: app, times: readerTimes{
		resolve: 5 * time.Second, look: lookEvery, idle: 10 * time.Second, rewind: 10 * time.Second, copying: 10 * time.Minute, turn: 5 * time.Second,
	}}
}

// errReplan ends the readers because other streams are to be read now.
var errReplan = errors.New("the streams to read have changed")

// Read reads until ctx ends, or until it finds a configuration that can never
// work, which errors.Is(err, ErrPermanent). It writes nothing anywhere, so
// dying in it needs no recovery: the next owner reads from the checkpoint.
//
// The condition SourceRefused outlives such an end, for the caller to go on
// with: it is left when reading has begun.
func (s *source) Read(ctx context.Context, subjects []string, sources []mapping.Source, from map[string]bridge.Checkpoint, out chan<- bridge.Batch) (err error) {
	for _, name := range []ConditionName{SourceNone, SourceInterrupted} {
		defer s.js.cfg.Conditions.Clear(name, s.app)
	}
	defer func() {
		if !errors.Is(err, ErrPermanent) {
			s.js.cfg.Conditions.Clear(SourceRefused, s.app)
		}
	}()
	positions := maps.Clone(from)
	if positions == nil {
		positions = map[string]bridge.Checkpoint{}
	}
	look := newSearch(s, subjects, sources, from)
	pause, told := newPause(), map[string]bool{}
	for {
		found, err := look.resolve(ctx)
		if errors.Is(err, ErrPermanent) {
			return err
		}
		if ctx.Err() == nil { // else the end of the reading is all that is the matter
			s.reportResolved(found, err)
		}
		if err == nil {
			s.warnLossy(found.lossy, told)
			look.take(found)
			if err := look.dismiss(ctx, found, positions, out); err != nil {
				return err
			}
		}
		if err == nil && len(found.plan) > 0 {
			if err := s.readAll(ctx, look, found, positions, out); !errors.Is(err, errReplan) {
				return err
			}
			pause.reset()
		}
		if err := pause.wait(ctx); err != nil {
			return fmt.Errorf("cannot go on reading for %s: %w", s.app, err)
		}
	}
}

func (s *source) warnLossy(streams []string, told map[string]bool) {
	for _, name := range streams {
		if !told[name] {
			told[name] = true
			s.js.cfg.Logger.Warn("a stream keeps only the latest events of each subject: those that are displaced before they are read are lost, and no result tells", "app", s.app, "stream", name)
		}
	}
}

func (s *source) reportResolved(found resolved, err error) {
	conditions := s.js.cfg.Conditions
	if err != nil {
		conditions.Set(SourceInterrupted, s.app, err.Error())
		return
	}
	conditions.Clear(SourceInterrupted, s.app)
	conditions.hold(SourceNone, s.app, found.none)
	conditions.hold(SourceRefused, s.app, strings.Join(found.refused, "; "))
}

// readAll runs one reader per stream and returns, when all have ended, the
// reason of the first that did. positions is where they begin, and then where
// they got to.
func (s *source) readAll(ctx context.Context, look *search, found resolved, positions map[string]bridge.Checkpoint, out chan<- bridge.Batch) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var readers sync.WaitGroup
	var mu sync.Mutex // guards positions
	order := newTurns(s.times.turn)
	for name := range found.plan {
		order.behind(name)
	}
	for name, sp := range found.plan {
		mu.Lock()
		position, known := positions[name]
		mu.Unlock()
		r := newReader(s, name, sp, position, known, order, out)
		readers.Go(func() {
			cancel(r.run(ctx))
			mu.Lock()
			defer mu.Unlock()
			if r.known {
				positions[name] = r.position
			}
		})
	}
	readers.Go(func() { look.watch(ctx, found, cancel) })
	readers.Wait()
	return context.Cause(ctx)
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
