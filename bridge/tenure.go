package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

const (
	commitEvery  = time.Second            // how much reading a crash repeats
	planEvery    = 20 * time.Millisecond  // planning under a flood of matches
	statusEvery  = 100 * time.Millisecond // the same for the status
	catchUpAtMos = 30 * time.Second       // a stream that says nothing for so long is not waited for
	fresh        = 10 * time.Second       // an event this young is no backlog
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

	dirty      bool // the state differs from the stored one
	changed    bool // the planner has to be asked
	lastCommit time.Time
	lastPlan   time.Time
	lastStatus time.Time
	plan       Plan
	memo       *Memo
	broken     map[string]string // digests that can't be rendered, and why, until the next reload

	batches     chan Batch
	backlog     *Batch // what was not folded yet, because the outbox was full
	stopRead    context.CancelFunc
	reading     map[string]*reading
	readFrom    time.Time
	wasCaughtUp bool

	skew     time.Duration // of the provider's clock, from its last answer
	sent     chan Outcome
	stopSend context.CancelFunc // keeps a send that has not begun from beginning

	publish  chan OutboxEntry
	acks     chan string
	handed   map[string]bool // entries that the publisher has
	unhanded []OutboxEntry   // committed, and waiting for the publisher to take them
	workers  sync.WaitGroup
}

// reading is how far one stream has come in this tenure.
type reading struct {
	pending  uint64
	last     time.Time // arrival of the last event
	caughtUp bool
}

// newTenure claims the app.
func newTenure(ctx context.Context, b *Bridge) (*tenure, error) {
	codec, err := NewCodec()
	if err != nil {
		return nil, err
	}
	t := &tenure{
		Bridge: b, codec: codec, rules: b.rules.Load(), changed: true, memo: NewMemo(), broken: map[string]string{},
		sent: make(chan Outcome, 1), publish: make(chan OutboxEntry), acks: make(chan string), handed: map[string]bool{},
	}
	t.commits = committer{store: b.cfg.Store, trouble: func(err error) { b.cfg.Note("state.unreachable", err) }}
	if t.provider, err = b.cfg.Provider(t.rules.App); err != nil {
		return nil, fmt.Errorf("cannot set up the provider of %s: %w", b.name, err)
	}
	if t.state, err = b.claim(ctx, &t.commits, codec, t.rules.App); err != nil {
		return nil, err
	}
	t.lastCommit = time.Now()
	t.queueUnpublished()
	return t, nil
}

// run is the one loop: everything that happens to the app passes through it,
// one thing after the other.
func (t *tenure) run(ctx context.Context) (err error) {
	workCtx, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer t.workers.Wait()
	defer stopWork()
	t.workers.Add(1)
	go t.publisher(workCtx)
	t.startReading(ctx)
	defer func() { t.stopRead() }()

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
	if next := t.state.NextExpiry(); !next.IsZero() && !next.After(now) && t.state.Expire(now) {
		t.touch()
	}
	if c := t.caughtUp(now); c != t.wasCaughtUp {
		t.wasCaughtUp, t.changed = c, true
	}
	if t.planDue(now) {
		if err := t.decide(ctx, now); err != nil {
			return err
		}
	}
	if t.commitDue(now) {
		if err := t.commit(ctx); err != nil {
			return err
		}
	}
	t.showStatus(now)
	return nil
}

// touch notes a change that has to be committed and planned for.
func (t *tenure) touch() { t.dirty, t.changed = true, true }

// next waits for whatever happens first, and takes it in.
func (t *tenure) next(ctx context.Context) error {
	timer := time.NewTimer(time.Until(t.wakeAt(time.Now())))
	defer timer.Stop()
	batches, publish := t.batches, t.publish
	if t.backlog != nil {
		batches = nil
	}
	var entry OutboxEntry
	if len(t.unhanded) == 0 {
		publish = nil
	} else {
		entry = t.unhanded[0]
	}
	select {
	case <-ctx.Done():
	case <-timer.C:
	case batch := <-batches:
		t.take(&batch)
	case o := <-t.sent:
		return t.settle(ctx, o)
	case publish <- entry:
		t.unhanded = t.unhanded[1:]
	case id := <-t.acks:
		t.acknowledged(id)
	case o := <-t.orders:
		return t.obey(ctx, o)
	case <-t.reloaded:
		return t.reload(ctx)
	}
	return nil
}

func (t *tenure) wakeAt(now time.Time) time.Time {
	wake := now.Add(time.Minute)
	soonest := func(at time.Time) {
		if !at.IsZero() && at.Before(wake) {
			wake = at
		}
	}
	soonest(t.plan.WakeAt)
	soonest(t.state.NextExpiry())
	if t.dirty {
		soonest(t.lastCommit.Add(commitEvery))
	}
	if t.changed {
		soonest(t.lastPlan.Add(planEvery))
	}
	if !t.caughtUp(now) {
		soonest(t.readFrom.Add(catchUpAtMos))
	}
	return wake
}

// startReading reads on from the checkpoints that were folded.
func (t *tenure) startReading(ctx context.Context) {
	readCtx, stop := context.WithCancel(ctx)
	out := make(chan Batch)
	t.batches, t.readFrom, t.reading = out, time.Now(), map[string]*reading{}
	for stream := range t.state.Sources {
		t.reading[stream] = &reading{}
	}
	from := make(map[string]Checkpoint, len(t.state.Sources))
	for stream, c := range t.state.Sources {
		from[stream] = c
	}
	subjects, sources := t.rules.App.Subjects(), t.rules.Sources
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := t.cfg.Source.Read(readCtx, subjects, sources, from, out)
		if err != nil && readCtx.Err() == nil {
			t.log.Error("cannot read events", "err", err)
			t.cfg.Note("source.refused", err)
		}
	}()
	t.stopRead = func() { stop(); <-done }
}

// take folds a batch, as far as the outbox has room for what it brings up.
func (t *tenure) take(b *Batch) {
	r := t.reading[b.Stream]
	if r == nil {
		r = &reading{}
		t.reading[b.Stream] = r
	}
	t.dirty = true
	if b.Gap != nil {
		t.state.ReportGap(*b.Gap, time.Now())
		t.log.Warn("events are missing from the stream", "stream", b.Gap.Stream, "from", b.Gap.From, "to", b.Gap.To, "why", b.Gap.Why)
	}
	b.Gap = nil
	for i := range b.Messages {
		if t.state.Fold(t.rules.App, &b.Messages[i]) {
			t.changed = true
			if t.state.Crowded() {
				t.setBacklog(b, i+1)
				return
			}
		}
	}
	t.backlog = nil
	t.state.Advance(b.Stream, b.Checkpoint)
	r.pending = b.Pending
	if n := len(b.Messages); n > 0 {
		r.last = b.Messages[n-1].Time
	}
	if !r.caughtUp && (r.pending == 0 || time.Since(r.last) < fresh) {
		r.caughtUp, t.changed = true, true
	}
	t.logSamples()
}

// setBacklog keeps the unfolded rest of a batch. Its checkpoint is that of
// the last folded event: a commit in between is right.
func (t *tenure) setBacklog(b *Batch, folded int) {
	t.state.Advance(b.Stream, Checkpoint{Created: b.Checkpoint.Created, Sequence: b.Messages[folded-1].Sequence})
	rest := *b
	rest.Messages = b.Messages[folded:]
	t.backlog = &rest
}

// caughtUp reports whether every stream was read to its end once. Until then
// nothing is sent: an event further on may cancel what an earlier one asked for.
func (t *tenure) caughtUp(now time.Time) bool {
	late := now.Sub(t.readFrom) >= catchUpAtMos
	for _, r := range t.reading {
		if !r.caughtUp && (!late || r.pending > 0) {
			return false
		}
	}
	return len(t.reading) > 0 || late
}

func (t *tenure) planDue(now time.Time) bool {
	if t.changed {
		return now.Sub(t.lastPlan) >= planEvery || now.Before(t.lastPlan)
	}
	return !t.plan.WakeAt.IsZero() && !t.plan.WakeAt.After(now)
}

func (t *tenure) situation(now time.Time) Situation {
	return Situation{
		Now: now, App: t.rules.App, Ledger: &t.state.Ledger,
		Digests: slices.DeleteFunc(slices.Clone(t.state.Digests), func(d *Digest) bool { return t.broken[d.ID] != "" }),
		Paused:  t.state.Paused != nil || len(t.state.Held) >= maxHeld,
		Busy:    t.state.Sending != nil || !t.caughtUp(now) || t.backlog != nil,
		Muted:   func(d *Digest) (time.Time, bool) { return t.state.MutedUntil(d, now) },
		Memo:    t.memo,
	}
}

// decide asks the planner and starts what it names.
func (t *tenure) decide(ctx context.Context, now time.Time) error {
	t.changed, t.lastPlan = false, now
	t.plan = Decide(t.situation(now))
	if t.plan.Send == nil {
		return nil
	}
	return t.start(ctx, t.plan.Send, t.plan.Reason, now)
}

// start sends a digest. If the process dies
//   - before the commit has landed: nothing has left, and the stored state
//     still has the digest;
//   - after it: the next owner finds the broadcast as sending and holds it in
//     doubt, for it can't tell whether this line was reached.
func (t *tenure) start(ctx context.Context, d *Digest, reason string, now time.Time) error {
	b, body, err := t.state.Begin(t.rules.App, d, reason, now)
	t.touch()
	if err != nil {
		t.broken[d.ID] = err.Error()
		t.log.Error("cannot send a digest; it waits for better rules until its items expire", "digest", d.ID, "err", err)
		return nil
	}
	if err := t.commit(ctx); err != nil {
		return err
	}
	t.log.Info("sends a broadcast", "broadcast", b.ID, "audience", d.Audience, "template", d.Template, "items", d.Count(), "why", reason)
	sendCtx, stop := context.WithCancel(ctx)
	t.stopSend = stop
	send := Send{ID: b.ID, Body: body, Deadline: b.Deadline, Host: t.state.Host}
	provider := t.provider
	t.workers.Add(1)
	go func() {
		defer t.workers.Done()
		defer stop()
		t.sent <- provider.Send(sendCtx, send)
	}()
	return nil
}

// settle commits an outcome at once: until then, a crash makes it in doubt.
func (t *tenure) settle(ctx context.Context, o Outcome) error {
	b := t.state.Sending
	if o.SkewKnown {
		t.skew = o.Skew
	}
	t.state.Settle(t.rules.App, o, time.Now())
	t.touch()
	level := slog.LevelInfo
	if o.Kind != Accepted {
		level = slog.LevelWarn
	}
	t.log.Log(ctx, level, "broadcast "+string(o.Kind), "broadcast", b.ID, "audience", b.Digest.Audience,
		"http", o.HTTPStatus, "code", o.Code, "message", o.Message, "provider_id", o.ProviderID)
	err := t.commit(ctx)
	if err != nil {
		t.log.Error("the outcome of a broadcast could not be stored; its next owner will hold it in doubt",
			"broadcast", b.ID, "outcome", o.Kind, "message", o.Message, "provider_id", o.ProviderID)
	}
	return err
}

func (t *tenure) commitDue(now time.Time) bool {
	if !t.dirty {
		return false
	}
	return now.Sub(t.lastCommit) >= commitEvery || now.Before(t.lastCommit) || t.backlog != nil && t.unsealed() > 0
}

// unsealed is how many results wait for a commit before they may be published.
func (t *tenure) unsealed() int { return len(t.state.Outbox) - len(t.handed) }

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
	t.dirty, t.lastCommit = false, time.Now()
	t.queueUnpublished()
	return nil
}

// outlive returns a context that ends a grace after its parent: what has
// begun when the app is given up gets the time to come to a known end.
func outlive(parent context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		timer := time.AfterFunc(grace, cancel)
		context.AfterFunc(ctx, func() { timer.Stop() })
	})
	return ctx, func() { stop(); cancel() }
}

// leave ends a tenure that can't go on: a send that has not begun is kept
// from beginning, and one that has is waited for, only to be logged.
func (t *tenure) leave(err error) error {
	if t.state.Sending == nil || t.stopSend == nil {
		return err
	}
	t.stopSend()
	o := <-t.sent
	t.log.Error("left the app while a broadcast was under way; its next owner will hold it in doubt",
		"broadcast", t.state.Sending.ID, "outcome", o.Kind, "message", o.Message, "provider_id", o.ProviderID)
	return err
}

// drain leaves in good order: no more reading, the send under way to its end,
// a last commit, and what can be published in a moment.
func (t *tenure) drain(ctx context.Context) error {
	t.setRole(RoleDraining)
	t.stopRead()
	if t.state.Sending != nil && t.stopSend != nil {
		t.log.Info("waits for the broadcast under way", "broadcast", t.state.Sending.ID)
		o := <-t.sent
		t.state.Settle(t.rules.App, o, time.Now())
		t.log.Info("broadcast "+string(o.Kind), "message", o.Message, "provider_id", o.ProviderID)
		t.dirty = true
	}
	if t.dirty {
		if err := t.commit(ctx); err != nil {
			return err
		}
	}
	return t.drainOutbox(ctx)
}

func (t *tenure) drainOutbox(ctx context.Context) error {
	deadline := time.NewTimer(drainPublish)
	defer deadline.Stop()
	for len(t.handed) > 0 {
		publish, entry := t.publish, OutboxEntry{}
		if len(t.unhanded) > 0 {
			entry = t.unhanded[0]
		} else {
			publish = nil
		}
		select {
		case publish <- entry:
			t.unhanded = t.unhanded[1:]
		case id := <-t.acks:
			t.acknowledged(id)
		case <-deadline.C:
			t.log.Info("leaves results for the next owner to publish", "results", len(t.handed))
			return nil
		}
	}
	if !t.dirty {
		return nil
	}
	return t.commit(ctx)
}

// reload takes the newest rules: the same digests, windows, mutes and ledger
// go on under them.
func (t *tenure) reload(ctx context.Context) error {
	rules := t.Bridge.rules.Load()
	provider, err := t.cfg.Provider(rules.App)
	if err != nil {
		t.log.Error("cannot use the new rules, keeping the old ones", "err", err)
		return nil
	}
	t.stopRead()
	t.rules, t.provider, t.memo = rules, provider, NewMemo()
	t.backlog = nil // not folded, so it is read again
	clear(t.broken)
	t.touch()
	t.startReading(ctx)
	return nil
}

// order is something that an operator wants done to the state.
type order struct {
	do   func(*State, *mapping.App, time.Time) error
	done chan error // capacity 1
}

// ErrNotOwner is returned by Do on a replica that stands by.
var ErrNotOwner = errors.New("this replica does not own the app")

// Do changes the state on an operator's word. It returns nil when the change
// is committed, and ErrNotOwner where another replica owns the app.
func (b *Bridge) Do(ctx context.Context, do func(*State, *mapping.App, time.Time) error) error {
	if b.status.Load().Role != RoleOwner {
		return ErrNotOwner
	}
	o := order{do: do, done: make(chan error, 1)}
	select {
	case b.orders <- o:
	case <-ctx.Done():
		return fmt.Errorf("cannot reach the app %s: %w", b.name, ctx.Err())
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("cannot tell whether the order to the app %s was carried out: %w", b.name, ctx.Err())
	}
}

func (t *tenure) obey(ctx context.Context, o order) error {
	if err := o.do(t.state, t.rules.App, time.Now()); err != nil {
		o.done <- err
		return nil
	}
	t.touch()
	err := t.commit(ctx)
	o.done <- err
	return err
}
