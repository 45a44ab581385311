package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// tenure is one stretch of owning an app: one loop over what is read, planned,
// stored, sent and published. Its fields belong to the goroutine of run; the others
// are reached over channels only.
type tenure struct {
	*Bridge
	state    *State
	rules    *Rules
	provider Provider

	reader     reader
	writer     writer
	planner    planner
	publishing publishing

	lastStatus  time.Time
	statusStale bool
	clockBehind bool // and told so

	skew     time.Duration // of the provider's clock, from its last answer
	sent     chan Outcome
	stopSend context.CancelFunc // keeps a send that has not begun from beginning; nil: none is under way, whatever the state says

	toldOf   map[string]time.Time // by rule: when the log was told of a failure
	latest   chan LatestResult    // capacity 1
	askUntil time.Time            // for it
	workers  sync.WaitGroup
}

// newTenure claims the app.
func newTenure(ctx context.Context, b *Bridge) (*tenure, error) {
	codec, err := NewCodec()
	if err != nil {
		return nil, err
	}
	t := &tenure{
		Bridge: b, rules: b.rules.Load(),
		writer:  writer{codec: codec, committer: committer{store: b.cfg.Store, holds: b.cfg.Lease.Holds, trouble: func(err error) { b.cfg.Note("state.unreachable", err) }}},
		planner: planner{changed: true, memo: &Memo{}, broken: Broken{}}, publishing: newPublishing(),
		sent: make(chan Outcome, 1), latest: make(chan LatestResult, 1), toldOf: map[string]time.Time{},
	}
	if t.provider, err = b.cfg.Provider(t.rules.App); err != nil {
		return nil, fmt.Errorf("%w of %s: %w", errProvider, b.name, err)
	}
	b.cfg.Note("provider.unusable", nil)
	if t.state, err = t.claim(ctx); err != nil {
		return nil, err
	}
	t.writer.claimed = true
	t.writer.last = time.Now()
	t.queueUnpublished()
	return t, nil
}

// errProvider: rules that compile, and that the provider's client can't use.
var errProvider = errors.New("cannot set up the provider")

// run is the one loop: everything that happens to the app passes through it,
// one thing after the other.
func (t *tenure) run(ctx context.Context) error {
	workCtx, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer t.workers.Wait()
	defer stopWork()
	t.startPublishers(workCtx)
	t.goOnAsking(workCtx)
	t.startReading(ctx)
	defer func() { t.reader.stop() }()

	for ctx.Err() == nil {
		if err := t.turn(ctx); err != nil {
			return t.leave(err)
		}
		if err := t.next(ctx); err != nil {
			return t.leave(err)
		}
	}
	return t.drain(ctx)
}

// turn brings everything up to this moment: what has expired leaves, the
// planner is asked, the state committed when it is time.
func (t *tenure) turn(ctx context.Context) error {
	now := time.Now()
	t.noteClock(now)
	t.expire(now)
	t.tryAgain(ctx, now)
	t.stopAsking(now)
	if c := t.reader.caughtUp(now); c != t.reader.wasCaughtUp {
		t.reader.wasCaughtUp, t.planner.changed = c, true
	}
	if t.planner.due(now) {
		t.statusStale = true
		if err := t.decide(ctx, now); err != nil {
			return err
		}
	}
	if t.writer.due(now, t.commitPause()) {
		t.statusStale = true
		if err := t.commit(ctx); err != nil {
			return err
		}
	}
	t.showStatus(now)
	return nil
}

// expire lets what is worth nothing any more leave, with the planner's last word on it.
func (t *tenure) expire(now time.Time) {
	if next := t.state.NextExpiry(); !next.IsZero() && !next.After(now) && t.state.Expire(now) {
		t.state.explainDrops(t.planner.lastWord)
		t.touch()
	}
}

// touch notes a change that has to be committed and planned for.
func (t *tenure) touch() { t.writer.dirty, t.planner.changed = true, true }

// next waits for whatever happens first, and takes it in.
func (t *tenure) next(ctx context.Context) error {
	timer := time.NewTimer(time.Until(t.wakeAt(time.Now())))
	defer timer.Stop()
	toResults, result := t.mayPublish()
	toDead, dead := t.publishing.deadLetters.offer()
	wasStale := t.statusStale
	t.statusStale = true
	select {
	case <-ctx.Done():
	case <-timer.C:
		t.statusStale = wasStale
	case batch := <-t.reader.incoming():
		t.take(&batch)
	case err := <-t.reader.failed:
		return t.readingFailed(err)
	case o := <-t.sent:
		return t.settle(ctx, o)
	case toResults <- result:
		t.publishing.results.taken()
	case toDead <- dead:
		t.publishing.deadLetters.taken()
	case id := <-t.publishing.acks:
		t.acknowledged(id)
	case latest := <-t.latest:
		return t.answered(ctx, latest)
	case o := <-t.orders:
		return t.obey(ctx, o)
	case <-t.reloaded:
		return t.reload(ctx)
	case <-t.cfg.Lease.Emptied():
		t.log.Error("the store has lost what it had; the state in memory is stored again")
		t.writer.dirty = true
		return t.commit(ctx)
	}
	return nil
}

func (t *tenure) wakeAt(now time.Time) time.Time {
	var asking, status time.Time
	if t.state.Unasked != "" {
		asking = t.askUntil
	}
	if t.statusStale {
		status = t.lastStatus.Add(statusEvery)
	}
	return earliest(now.Add(time.Minute), t.reader.wakeAt(now), asking, t.state.NextExpiry(),
		t.writer.wakeAt(t.commitPause()), t.planner.wakeAt(), status)
}

// earliest leaves out zero times, which are never.
func earliest(times ...time.Time) (first time.Time) {
	for _, at := range times {
		if !at.IsZero() {
			first = earlier(first, at)
		}
	}
	return first
}
