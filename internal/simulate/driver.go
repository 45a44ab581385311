package simulate

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// History is messages in the order in which they were stored. Their times may step
// back, as with another leader of a cluster, and the clock does not. It ends with the first error.
type History = iter.Seq2[mapping.Message, error]

// Observer is told what happens in a drive. Every function may be nil.
type Observer struct {
	// Decided is called before a message's decision is folded, and may change it.
	Decided func(m *mapping.Message, d *mapping.Decision)
	// Sent is called for every broadcast, with the body that would have left.
	Sent func(b *bridge.Broadcast, body []byte)
	// Planned is called with every plan, explanations included; that is slower.
	Planned func(now time.Time, p bridge.Plan)
	// Failed is called when a digest cannot be rendered. It is tried again when it has changed.
	Failed func(now time.Time, d *bridge.Digest, err error)
	// Dropped is called when items end that were not sent: expired, cancelled, …
	Dropped func(now time.Time, d bridge.Drop)
}

// Driver turns the clock of one app. It belongs to one goroutine.
type Driver struct {
	App   *mapping.App
	State *bridge.State

	observer Observer
	memo     *bridge.Memo
	now      time.Time
	wake     time.Time
	pruned   time.Time
	broken   bridge.Broken
}

// NewDriver starts with an empty state at an instant.
func NewDriver(app *mapping.App, start time.Time, o Observer) *Driver {
	return &Driver{
		App: app, State: bridge.NewState(app.Name, "sim"), observer: o, memo: &bridge.Memo{},
		now: start, broken: bridge.Broken{},
	}
}

// AdvanceTo turns the clock to an instant, with every wake-up on the way. It
// never turns it back.
func (d *Driver) AdvanceTo(t time.Time) {
	for {
		next := d.next()
		if next.IsZero() || next.After(t) {
			break
		}
		d.now = next
		d.plan()
	}
	if t.After(d.now) {
		d.now = t
	}
}

// RunOut turns the clock on until nothing waits any more.
func (d *Driver) RunOut() {
	last := d.now
	for _, g := range d.State.Digests {
		if ends := g.Ends(); ends.After(last) {
			last = ends
		}
	}
	d.plan()
	d.AdvanceTo(last)
}

// next is when something happens by itself; zero for never.
func (d *Driver) next() time.Time {
	next := d.State.NextExpiry()
	if next.IsZero() || (!d.wake.IsZero() && d.wake.Before(next)) {
		next = d.wake
	}
	if !next.IsZero() && next.Before(d.now) {
		return d.now
	}
	return next
}

// Fold takes in one message at its own time, without planning: RunOut does that,
// or Drive when all messages of that instant are in.
func (d *Driver) Fold(m *mapping.Message) (changed bool) {
	if m.Time.After(d.now) {
		d.AdvanceTo(m.Time.Add(-1))
		d.now = m.Time
	}
	d.State.Expire(d.now)
	decision := d.App.Map(m)
	if d.observer.Decided != nil {
		d.observer.Decided(m, &decision)
	}
	return d.State.FoldDecision(d.App, m, decision)
}

// plan asks the planner, and sends what it names, until it names nothing.
func (d *Driver) plan() {
	d.State.Expire(d.now)
	d.tidy()
	for range 1000 {
		p := d.decide()
		if d.wake = p.WakeAt; p.Send == nil {
			return
		}
		d.send(p)
	}
	panic(fmt.Sprintf("the planner of %s keeps sending at %s", d.App.Name, d.now))
}

func (d *Driver) decide() bridge.Plan {
	s := bridge.Situation{
		Now: d.now, App: d.App, Digests: d.whole(), Ledger: &d.State.Ledger,
		Paused:   d.State.Paused != nil,
		Doubts:   len(d.State.Held),
		Backoff:  d.State.Backoff,
		Muted:    func(g *bridge.Digest) (time.Time, bool) { return d.State.MutedUntil(g, d.now) },
		Forecast: &d.State.Forecast, Memo: d.memo,
	}
	if d.observer.Planned == nil {
		return bridge.Choose(s)
	}
	p := bridge.Decide(s)
	d.observer.Planned(d.now, p)
	return p
}

// whole is the digests without those that cannot be rendered.
func (d *Driver) whole() []*bridge.Digest {
	if len(d.broken) == 0 {
		return d.State.Digests
	}
	return slices.DeleteFunc(slices.Clone(d.State.Digests), d.broken.Has)
}

func (d *Driver) send(p bridge.Plan) {
	b, body, err := d.State.Begin(d.App, p.Send, p.Reason, d.now)
	if err != nil {
		if d.broken.Note(p.Send, err) && d.observer.Failed != nil {
			d.observer.Failed(d.now, p.Send, err)
		}
		return
	}
	if d.observer.Sent != nil {
		d.observer.Sent(b, body)
	}
	d.State.Settle(d.App, bridge.Outcome{Kind: bridge.Accepted, At: d.now}, d.now)
}

// tidy forgets what a live bridge would have published.
func (d *Driver) tidy() {
	for _, drop := range d.State.Drops {
		if d.observer.Dropped != nil {
			d.observer.Dropped(d.now, drop)
		}
	}
	d.State.Outbox, d.State.Drops = nil, nil
	if d.now.Sub(d.pruned) >= time.Hour {
		d.State.Ledger.Prune(d.now, bridge.LimitsFor(d.App.Quota))
		d.pruned = d.now
	}
}

// Drive runs a whole history, and on until an instant (zero: until its last
// message). It returns the driver as it then stands.
func Drive(ctx context.Context, app *mapping.App, messages History, until time.Time, o Observer) (*Driver, error) {
	var d *Driver
	changed := false
	for m, err := range messages {
		if err != nil {
			return d, err
		}
		if err := ctx.Err(); err != nil {
			return d, err
		}
		if d == nil {
			d = NewDriver(app, m.Time, o)
		}
		if changed && m.Time.After(d.now) {
			d.plan()
			changed = false
		}
		changed = d.Fold(&m) || changed
	}
	if d == nil {
		d = NewDriver(app, until, o)
	}
	d.plan()
	d.AdvanceTo(until)
	return d, nil
}
