package ruletest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/simulate"
	"github.com/belfry-bridge/belfry/mapping"
)

// Outcome is what came of one test.
type Outcome struct {
	Test        mapping.RuleTest
	Differences []Difference // from what it expects; none: it passes
	Besides     []string     // why something may not have happened: expressions that failed, items that ended unsent

	got happened
}

// Outdated reports whether [Rewrite] has anything to write: the test fails, or
// its expect is still empty.
func (o Outcome) Outdated() bool { return len(o.Differences) > 0 || empty(o.Test.Expect) }

func empty(x mapping.Expectation) bool {
	return x.Broadcasts == nil && x.Digests == nil && x.DeadLetters == nil
}

// Story tells, a line each, what was sent and why, what still waits, and what
// became a dead letter.
func (o Outcome) Story() (lines []string) {
	for _, b := range o.got.broadcasts {
		lines = append(lines, fmt.Sprintf("sent %s: %s", b.summary(), b.reason))
	}
	for _, d := range o.got.digests {
		lines = append(lines, "still pending "+d.summary())
	}
	for _, d := range o.got.deadLetters {
		lines = append(lines, "dead letter "+d.summary())
	}
	return lines
}

// happened is what came of a story.
type happened struct {
	broadcasts  []sentBroadcast
	digests     []pendingDigest
	deadLetters []refusedEvent
	failures    []string // digests that could not be rendered
	besides     []string // as in Outcome
}

type sentBroadcast struct {
	at              time.Duration
	audience        string
	template        string
	group           string
	title           string
	alert           string
	content         string // as it leaves
	count           int
	priority        mapping.Priority
	users           []string
	reason          string
	visible, joined string // content for people: its member "content", and all its texts
}

type pendingDigest struct {
	audience, template, group string
	count                     int
	keys                      []string
	ready                     time.Duration
}

type refusedEvent struct{ reason, rule, subject string }

// Play runs a test through every app of the rules, and compares what came of
// it with what it expects. stream is what the rules see as the stream's name.
func Play(ctx context.Context, rules *mapping.RuleSet, stream string, t mapping.RuleTest) (Outcome, error) {
	var h happened
	for _, name := range slices.Sorted(maps.Keys(rules.Apps)) {
		if err := h.play(ctx, rules.Apps[name], t, stream); err != nil {
			return Outcome{}, fmt.Errorf("cannot play %q: %w", t.Name, err)
		}
	}
	slices.SortStableFunc(h.broadcasts, func(a, b sentBroadcast) int { return cmp.Compare(a.at, b.at) })
	return Outcome{Test: t, Differences: differences(t.Expect, h), Besides: h.besides, got: h}, nil
}

func (h *happened) play(ctx context.Context, app *mapping.App, t mapping.RuleTest, stream string) error {
	why := simulate.LastWords{}
	watch := simulate.Observer{
		Sent: func(b *bridge.Broadcast, body []byte) { h.sent(b, body, t.Start) },
		Decided: func(m *mapping.Message, d *mapping.Decision) {
			for _, dead := range d.Dead {
				h.deadLetters = append(h.deadLetters, refusedEvent{dead.Reason, dead.Rule, m.Subject})
			}
			for _, f := range d.Failures {
				h.beside(m.Time.Sub(t.Start), "rule %s does not match %s, for its %s failed: %v", f.Rule, m.Subject, f.Part, f.Err)
			}
		},
		Planned: why.Note,
		Dropped: func(now time.Time, d bridge.Drop) {
			reason := ""
			if d.Kind == "expired" {
				reason = ": " + why[d.Digest.ID]
			}
			h.beside(now.Sub(t.Start), "%s of %s %s, unsent%s", bridge.Plural(d.Events, "item", "items"), d.Digest.Name(), d.Kind, reason)
		},
		Failed: func(_ time.Time, d *bridge.Digest, err error) {
			h.failures = append(h.failures, d.Name()+" cannot be rendered: "+err.Error())
		},
	}
	last := t.Start
	if n := len(t.Events); n > 0 {
		last = t.Start.Add(t.Events[n-1].At)
	}
	d, err := simulate.Drive(ctx, app, history(t, stream), last, watch)
	if err != nil {
		return err
	}
	if t.For != nil {
		d.AdvanceTo(last.Add(*t.For))
	} else {
		d.RunOut()
	}
	for _, g := range d.State.Digests {
		h.pending(g, t.Start)
	}
	return nil
}

func (h *happened) beside(at time.Duration, format string, args ...any) {
	h.besides = append(h.besides, "at "+mapping.FormatSpan(at)+" "+fmt.Sprintf(format, args...))
}

func history(t mapping.RuleTest, stream string) simulate.History {
	return func(yield func(mapping.Message, error) bool) {
		for i := range t.Events {
			if !yield(t.Events[i].Message(stream, uint64(i)+1, t.Start), nil) {
				return
			}
		}
	}
}

func (h *happened) sent(b *bridge.Broadcast, body []byte, start time.Time) {
	d := b.Digest
	s := sentBroadcast{
		at: b.Started.Sub(start), audience: d.Audience, template: d.Template, group: d.Group,
		count: d.Count(), priority: d.Priority(), users: d.Users, reason: b.Reason,
	}
	var r mapping.Request
	if err := json.Unmarshal(body, &r); err == nil {
		s.title, _ = r.Notification["title"].(string)
		s.alert, _ = r.Notification["alert"].(string)
		s.content = r.Message.Content
	}
	s.visible, s.joined = readable(s.content)
	h.broadcasts = append(h.broadcasts, s)
}

// readable is the text of a message's content as people see it. Content that
// is not JSON is its own text.
func readable(content string) (visible, all string) {
	var v any
	if json.Unmarshal([]byte(content), &v) != nil {
		return content, content
	}
	visible = content
	if m, ok := v.(map[string]any); ok {
		if s, ok := m["content"].(string); ok {
			visible = s
		}
	}
	return visible, content + "\n" + textsOf(v)
}

func textsOf(v any) string {
	out := ""
	switch v := v.(type) {
	case string:
		return v + "\n"
	case []any:
		for _, e := range v {
			out += textsOf(e)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out += textsOf(v[k])
		}
	}
	return out
}

func (h *happened) pending(g *bridge.Digest, start time.Time) {
	p := pendingDigest{
		audience: g.Audience, template: g.Template, group: g.Group, count: g.Count(), ready: g.Ready().Sub(start),
	}
	for i := range g.Items {
		p.keys = append(p.keys, g.Items[i].Key)
	}
	h.digests = append(h.digests, p)
}
