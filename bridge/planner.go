package bridge

import (
	"context"
	"slices"
	"time"
)

const planEvery = 20 * time.Millisecond // under a flood of matches

// planner is what the loop keeps of its plans: the latest one, and when the next is due.
type planner struct {
	changed bool // since the latest plan, so that another is due
	last    time.Time
	plan    Plan
	memo    *Memo
	broken  Broken
}

func (p *planner) due(now time.Time) bool {
	if p.changed {
		return now.Sub(p.last) >= planEvery || now.Before(p.last)
	}
	return !p.plan.WakeAt.IsZero() && !p.plan.WakeAt.After(now)
}

func (p *planner) wakeAt() time.Time {
	if p.changed {
		return p.last.Add(planEvery)
	}
	return p.plan.WakeAt
}

// forget is for new rules: what was worked out, and what broke, was by the old ones.
func (p *planner) forget() { p.memo, p.broken = &Memo{}, Broken{} }

// lastWord says why a digest was not sent: the planner's latest explanation, if it was asked.
func (p *planner) lastWord(digest string) string {
	if b, ok := p.broken[digest]; ok {
		return "it could not be sent as it was: " + beginning(b.why, 500)
	}
	for _, e := range p.plan.Explanations {
		if e.Digest == digest {
			return e.Why
		}
	}
	return "it had expired before it could be planned for: nobody owned the app, its event was read late, or nobody knew whether it was sent"
}

func (t *tenure) situation(now time.Time) Situation {
	first := t.first(now)
	return Situation{
		Now: now, App: t.rules.App, Ledger: &t.state.Ledger,
		Digests: slices.DeleteFunc(slices.Clone(t.state.Digests), t.planner.broken.Has),
		Paused:  t.state.Paused != nil,
		Backoff: t.state.Backoff,
		Doubts:  len(t.state.Held),
		Busy:    t.state.Sending != nil || first != "",
		First:   first,
		Muted:   func(d *Digest) (time.Time, bool) { return t.state.MutedUntil(d, now) },
		Memo:    t.planner.memo, Forecast: &t.state.Forecast,
	}
}

// mustPublish reports whether nothing is read and sent until the publishers have less to do.
func (t *tenure) mustPublish() bool { return t.reader.backlog != nil || t.state.crowded() }

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
	t.planner.changed, t.planner.last = false, now
	t.noteBroken()
	t.planner.plan = Decide(t.situation(now))
	if t.reader.wasCaughtUp && t.state.Foresee(t.rules.App, now) {
		t.writer.dirty = true
	}
	if t.planner.plan.Send == nil {
		return nil
	}
	return t.start(ctx, t.planner.plan.Send, t.planner.plan.Reason, now)
}
