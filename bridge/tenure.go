package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	commitEvery  = time.Second            // how much reading a crash repeats
	commitSeldom = 5 * time.Second        // the same where a commit takes long
	commitShare  = 50                     // of its time an app spends a 50th on commits, unless they are seldom
	planEvery    = 20 * time.Millisecond  // planning under a flood of matches
	statusEvery  = 100 * time.Millisecond // the same for the status
	drainCommit  = 5 * time.Second
	drainPublish = 2 * time.Second
)

// tenure is one stretch of owning an app. Its fields belong to the goroutine
// of run; the others are reached over channels only.
type tenure struct {
	*Bridge
	state    *State
	rules    *Rules
	provider Provider
	commits  committer
	codec    *Codec

	dirty       bool // the state differs from the stored one
	changed     bool // the planner has to be asked
	lastCommit  time.Time
	commitTook  time.Duration
	lastPlan    time.Time
	lastStatus  time.Time
	statusStale bool
	plan        Plan
	memo        *Memo
	broken      Broken

	reader reader

	clockBehind bool

	skew     time.Duration // of the provider's clock, from its last answer
	sent     chan Outcome
	stopSend context.CancelFunc // keeps a send that has not begun from beginning; nil: none is under way, whatever the state says

	publishing publishing
	toldOf     map[string]time.Time // by rule: when the log was told of a failure
	latest     chan LatestResult    // capacity 1
	askUntil   time.Time            // for it
	workers    sync.WaitGroup
}

// newTenure claims the app.
func newTenure(ctx context.Context, b *Bridge) (*tenure, error) {
	codec, err := NewCodec()
	if err != nil {
		return nil, err
	}
	t := &tenure{
		Bridge: b, codec: codec, rules: b.rules.Load(), changed: true, memo: &Memo{}, broken: Broken{},
		sent: make(chan Outcome, 1), publishing: newPublishing(), latest: make(chan LatestResult, 1), toldOf: map[string]time.Time{},
	}
	t.commits = committer{store: b.cfg.Store, trouble: func(err error) { b.cfg.Note("state.unreachable", err) }}
	if t.provider, err = b.cfg.Provider(t.rules.App); err != nil {
		return nil, fmt.Errorf("%w of %s: %w", errProvider, b.name, err)
	}
	b.cfg.Note("provider.unusable", nil)
	if t.state, err = t.claim(ctx); err != nil {
		return nil, err
	}
	t.lastCommit = time.Now()
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
		t.reader.wasCaughtUp, t.changed = c, true
	}
	if t.planDue(now) {
		t.statusStale = true
		if err := t.decide(ctx, now); err != nil {
			return err
		}
	}
	if t.commitDue(now) {
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
		t.state.explainDrops(t.lastWord)
		t.touch()
	}
}

// touch notes a change that has to be committed and planned for.
func (t *tenure) touch() { t.dirty, t.changed = true, true }

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
	case batch := <-t.reader.next():
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
		t.dirty = true
		return t.commit(ctx)
	}
	return nil
}

func (t *tenure) wakeAt(now time.Time) time.Time {
	asking, commit, plan, status := time.Time{}, time.Time{}, t.plan.WakeAt, time.Time{}
	if t.state.Unasked != "" {
		asking = t.askUntil
	}
	if t.dirty {
		commit = t.lastCommit.Add(t.commitPause())
	}
	if t.changed {
		plan = t.lastPlan.Add(planEvery)
	}
	if t.statusStale {
		status = t.lastStatus.Add(statusEvery)
	}
	return earliest(now.Add(time.Minute), t.reader.wakeAt(now), asking, t.state.NextExpiry(), commit, plan, status)
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

func (t *tenure) planDue(now time.Time) bool {
	if t.changed {
		return now.Sub(t.lastPlan) >= planEvery || now.Before(t.lastPlan)
	}
	return !t.plan.WakeAt.IsZero() && !t.plan.WakeAt.After(now)
}

func (t *tenure) situation(now time.Time) Situation {
	first := t.first(now)
	return Situation{
		Now: now, App: t.rules.App, Ledger: &t.state.Ledger,
		Digests: slices.DeleteFunc(slices.Clone(t.state.Digests), t.broken.Has),
		Paused:  t.state.Paused != nil,
		Backoff: t.state.Backoff,
		Doubts:  len(t.state.Held),
		Busy:    t.state.Sending != nil || first != "",
		First:   first,
		Muted:   func(d *Digest) (time.Time, bool) { return t.state.MutedUntil(d, now) },
		Memo:    t.memo, Forecast: &t.state.Forecast,
	}
}

// mustPublish reports whether nothing is read and sent until the publishers have less to do.
func (t *tenure) mustPublish() bool { return t.reader.backlog != nil || t.state.Crowded() }

// first says what must be done before anything is sent; empty: nothing.
func (t *tenure) first(now time.Time) string {
	switch {
	case t.mustPublish():
		return "results that wait must be published"
	case t.state.Unasked != "":
		return "the app's latest result must be looked at"
	case !t.reader.caughtUp(now):
		return "the events that have piled up must be read"
	}
	return ""
}

// decide asks the planner and starts what it names.
func (t *tenure) decide(ctx context.Context, now time.Time) error {
	t.changed, t.lastPlan = false, now
	t.noteBroken()
	t.plan = Decide(t.situation(now))
	if t.reader.wasCaughtUp && t.state.Foresee(t.rules.App, now) {
		t.dirty = true
	}
	if t.plan.Send == nil {
		return nil
	}
	return t.start(ctx, t.plan.Send, t.plan.Reason, now)
}

// lastWord says why a digest was not sent: the planner's latest explanation, if it was asked.
func (t *tenure) lastWord(digest string) string {
	if b, ok := t.broken[digest]; ok {
		return "it could not be sent as it was: " + beginning(b.why, 500)
	}
	for _, e := range t.plan.Explanations {
		if e.Digest == digest {
			return e.Why
		}
	}
	return "it had expired before it could be planned for: nobody owned the app, its event was read late, or nobody knew whether it was sent"
}

func (t *tenure) commitDue(now time.Time) bool {
	if !t.dirty {
		return false
	}
	return now.Sub(t.lastCommit) >= t.commitPause() || now.Before(t.lastCommit) || t.reader.backlog != nil && t.unsealed() > 0
}

// commitPause is how long to wait between two commits for which nothing else
// waits: many apps with large states would else do nothing but commit. What ended
// is counted at once, and belfry reconcile looks for its results.
func (t *tenure) commitPause() time.Duration {
	if t.unsealed() > 0 {
		return commitEvery
	}
	return min(max(commitEvery, commitShare*t.commitTook), commitSeldom)
}

// unsealed is how many results wait for a commit before they may be published:
// of those of drops, the commit makes them.
func (t *tenure) unsealed() int {
	return len(t.state.Outbox) + len(t.state.Drops) - len(t.publishing.handed)
}

// commit stores the state, and lets go what had to wait for that.
func (t *tenure) commit(ctx context.Context) error {
	now := time.Now()
	t.state.Seal(t.rules.App, t.cfg.Replica, now)
	data, err := t.codec.Encode(t.state)
	if err != nil {
		return err
	}
	commitCtx, cancel := outlive(ctx, drainCommit)
	defer cancel()
	if err := t.commits.commit(commitCtx, data, t.state.token()); err != nil {
		return err
	}
	t.kept = Record{Data: data, Token: t.state.token(), Sequence: t.commits.sequence}
	t.cfg.Note("state.unstorable", nil)
	t.dirty, t.lastCommit = false, time.Now()
	t.commitTook = t.lastCommit.Sub(now)
	t.queueUnpublished()
	return nil
}

// reload takes the newest rules: the same digests, windows, mutes and ledger
// go on under them.
func (t *tenure) reload(ctx context.Context) error {
	rules := t.Bridge.rules.Load()
	provider, err := t.cfg.Provider(rules.App)
	if err != nil {
		t.log.Error("cannot use the new rules, keeping the old ones", "err", err)
		t.cfg.Note("provider.unusable", fmt.Errorf("the new rules are not in force, the old ones go on until this replica leaves the app: %w of %s: %w", errProvider, t.name, err))
		return nil
	}
	t.cfg.Note("provider.unusable", nil)
	t.reader.stop()
	was := t.rules.App
	t.rules, t.provider, t.memo = rules, provider, &Memo{}
	t.warnOfUncancelled(was)
	t.warnOfVoidMutes(time.Now())
	t.adopt(t.state, time.Now())
	clear(t.broken)
	t.cfg.Note("digest.unsendable", nil)
	t.touch()
	t.startReading(ctx)
	return nil
}
