package bridge

import (
	"cmp"
	"fmt"
	"maps"
	"time"

	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

// Role is what this replica is to an app.
type Role string

// The roles. A replica stands by until it holds the lease, claims the state,
// then owns the app until it drains or loses it.
const (
	RoleStandby  Role = "standby"
	RoleClaiming Role = "claiming"
	RoleOwner    Role = "owner"
	RoleDraining Role = "draining"
)

// Status is what operators see of one app: a copy that nothing changes any more.
type Status struct {
	App       string                  `json:"app"`
	Replica   string                  `json:"replica"`
	Role      Role                    `json:"role"`
	Owner     string                  `json:"owner,omitempty"`   // the name of the replica that owns it, as far as this one knows
	Since     time.Time               `json:"since"`             // of the role
	At        time.Time               `json:"at"`                // of this copy; the rest is empty unless the role is owner
	Born      string                  `json:"born,omitempty"`    // how ids begin that the state has given
	Began     time.Time               `json:"began,omitzero"`    // when the state did; zero: before it was noted
	Restored  time.Time               `json:"restored,omitzero"` // when an older state was noticed last; zero: never
	Epoch     uint64                  `json:"epoch,omitempty"`
	Commit    uint64                  `json:"commit,omitempty"`
	Committed time.Time               `json:"committed,omitzero"`
	StateSize int                     `json:"state_bytes,omitempty"` // how large the stored state is, compressed
	Commits   CommitTimes             `json:"-"`                     // since this replica owns the app
	CaughtUp  bool                    `json:"caught_up"`
	Sources   map[string]SourceStatus `json:"sources,omitempty"`
	Digests   []DigestStatus          `json:"digests"`
	GapAt     time.Time               `json:"gap_at,omitzero"` // when events were last found missing
	Sending   *BroadcastStatus        `json:"sending,omitempty"`
	InDoubt   []BroadcastStatus       `json:"in_doubt,omitempty"`
	Quota     []quota.Usage           `json:"quota,omitempty"`
	Left      int                     `json:"left"`               // sends left now
	NextSend  time.Time               `json:"next_send,omitzero"` // when a send is left again
	External  []quota.Spend           `json:"external,omitempty"` // sends of others that count
	Throttled time.Time               `json:"throttled,omitzero"` // no send before
	Paused    *Pause                  `json:"paused,omitempty"`
	Backoff   *Backoff                `json:"backoff,omitempty"`
	Mutes     []Mute                  `json:"mutes,omitempty"`
	Counts    Counts                  `json:"counts"`
	Waiting   int                     `json:"waiting"`             // items that are not yet at an end
	Folded    map[string]Span         `json:"folded,omitempty"`    // what was counted of each stream, for reconciling
	Subjects  []string                `json:"subjects,omitempty"`  // that the rules read
	Rules     []string                `json:"-"`                   // their names, for counters that begin at 0
	Failed    map[string]int          `json:"failed,omitempty"`    // events on which a rule's expression failed, by rule
	FailedOn  map[string]FailedEvent  `json:"failed_on,omitempty"` // the latest of them, for some of the rules
	Outbox    int                     `json:"outbox"`
	Host      string                  `json:"host,omitempty"`
	Skew      time.Duration           `json:"skew,omitempty"`     // the provider's clock minus ours, at the last answer
	LeftOut   string                  `json:"left_out,omitempty"` // see Overview
}

// SourceStatus is how far one stream was read.
type SourceStatus struct {
	Sequence uint64    `json:"sequence"`
	Pending  uint64    `json:"pending"`
	Last     time.Time `json:"last,omitzero"` // arrival of the last event
}

// DigestStatus is a digest and the planner's word on it.
type DigestStatus struct {
	Explanation
	Count       int       `json:"count"`
	Approximate bool      `json:"approximate,omitempty"`
	Events      int       `json:"events"`
	Users       int       `json:"users,omitempty"` // of a user audience
	Priority    string    `json:"priority"`
	Opened      time.Time `json:"opened"`
	Ready       time.Time `json:"ready"`
	Expires     time.Time `json:"expires"`
	WillMiss    bool      `json:"will_miss,omitempty"` // as things are now, it does not leave before its first item expires
	Texts       []string  `json:"texts,omitempty"`     // of the kept items
}

// Misses reports whether the digest waits for a send that does not come in time:
// nobody waits for one that is muted.
func (d DigestStatus) Misses() bool { return d.WillMiss && d.State != StateMuted }

// BroadcastStatus is a broadcast under way or in doubt.
type BroadcastStatus struct {
	ID       string         `json:"id"`
	State    BroadcastState `json:"state"`
	Audience string         `json:"audience"`
	Template string         `json:"template"`
	Group    string         `json:"group,omitempty"`
	Count    int            `json:"count"`
	Events   int            `json:"events"`
	Users    int            `json:"users,omitempty"` // of a user audience
	Started  time.Time      `json:"started"`
	Message  string         `json:"message,omitempty"`
	Fates    Fates          `json:"fates"`            // of its items, if it was not sent
	Arrived  time.Time      `json:"arrived,omitzero"` // in doubt: before, its request may still be on its way
	Texts    []string       `json:"texts,omitempty"`
}

// Name is that of the digest that is, or was, sent; see DigestName.
func (b BroadcastStatus) Name() string { return DigestName(b.Audience, b.Template, b.Group) }

// Name is that of the digest; see DigestName.
func (e Explanation) Name() string { return DigestName(e.Audience, e.Template, e.Group) }

// Name is for people; see DigestName.
func (d *Digest) Name() string { return DigestName(d.Audience, d.Template, d.Group) }

// DigestName is what people call a digest: its audience, template and group.
func DigestName(audience, template, group string) string {
	name := audience + " / " + template
	if group != "" {
		name += " / " + group
	}
	return name
}

// StateBroken is the state of a digest that can't be rendered.
const StateBroken = "broken"

// TooManyInDoubt reports whether nothing more is sent until a doubt is resolved.
func (s *Status) TooManyInDoubt() bool { return len(s.InDoubt) >= MaxInDoubt }

// Status returns the latest copy. It never waits, whatever the app is doing.
func (b *Bridge) Status() Status { return *b.status.Load() }

const statusEvery = 100 * time.Millisecond // under a flood of matches

// showStatus makes a new copy when something may have changed.
func (t *tenure) showStatus(now time.Time) {
	if now.Sub(t.lastStatus) < statusEvery && !now.Before(t.lastStatus) && t.status.Load().Role == RoleOwner {
		return // wakeAt asks for another turn
	}
	t.lastStatus, t.statusStale = now, false
	old := t.status.Load()
	s := t.snapshot(now)
	s.Since = old.Since
	if old.Role != RoleOwner {
		s.Since = now
	}
	t.status.Store(&s)
}

func (t *tenure) snapshot(now time.Time) Status {
	st, limits := t.state, LimitsFor(t.rules.App.Quota)
	s := Status{
		App: t.name, Replica: t.cfg.Replica, Role: RoleOwner, At: now,
		Born: st.Born, Began: st.Began, Restored: st.Restored, GapAt: st.GapAt, Epoch: st.Epoch, Commit: st.Commit, Committed: t.writer.last, StateSize: len(t.kept.Data), Commits: t.writer.times, CaughtUp: t.reader.wasCaughtUp,
		Sources: map[string]SourceStatus{}, Digests: t.digestStatus(now),
		Quota: limits.Usage(&st.Ledger, now), Left: limits.Left(&st.Ledger, now), NextSend: limits.Next(&st.Ledger, now),
		Paused: clonePtr(st.Paused), Backoff: clonePtr(st.Backoff), Mutes: st.mutes(t.rules.App, now),
		Counts: st.Counts, Waiting: st.Waiting(), Failed: maps.Clone(st.Failed), FailedOn: maps.Clone(st.FailedOn), Outbox: len(st.Outbox),
		Folded: maps.Clone(st.Folded), Subjects: t.reader.subjects, Host: st.Host, Skew: t.skew,
	}
	for _, r := range t.rules.App.Rules {
		s.Rules = append(s.Rules, r.Name)
	}
	for _, sp := range st.Ledger.Spends {
		if sp.Origin == quota.External && limits.Frees(&st.Ledger, sp.At).After(now) {
			s.External = append(s.External, sp)
		}
	}
	if st.Ledger.ThrottledUntil.After(now) {
		s.Throttled = st.Ledger.ThrottledUntil
	}
	for stream, c := range st.Sources {
		s.Sources[stream] = SourceStatus{Sequence: c.Sequence}
		if p := t.reader.streams[stream]; p != nil {
			s.Sources[stream] = SourceStatus{Sequence: c.Sequence, Pending: p.pending, Last: p.last}
		}
	}
	if st.Sending != nil {
		b := broadcastStatus(st.Sending, now)
		s.Sending = &b
	}
	for _, b := range st.Held {
		s.InDoubt = append(s.InDoubt, broadcastStatus(b, now))
	}
	return s
}

func (t *tenure) digestStatus(now time.Time) []DigestStatus {
	said := map[string]Explanation{}
	for _, e := range t.planner.plan.Explanations {
		said[e.Digest] = e
	}
	out := make([]DigestStatus, 0, len(t.state.Digests))
	for _, d := range t.state.Digests {
		e, ok := said[d.ID]
		if !ok {
			e = Explanation{
				Digest: d.ID, Audience: d.Audience, Template: d.Template, Group: d.Group,
				State: StateGathering, Until: d.Ready(), Why: "has just begun",
			}
		}
		if t.planner.broken.Has(d) {
			e.State, e.Until = StateBroken, time.Time{}
			e.Why = fmt.Sprintf("%s. Mend the template, or have the event corrected, replaced or cancelled: it is tried again then.%s The first item expires at %s.",
				t.planner.broken[d.ID].why, d.wantedBy(), d.expires().UTC().Format("15:04 MST on 2 Jan"))
		}
		miss := false
		if t.reader.wasCaughtUp { // what was reported once may be over, or begin later: others take a send, or urgent items join
			_, miss = WillMiss(t.rules.App, d, &t.state.Ledger, now)
		}
		out = append(out, DigestStatus{
			Explanation: e, Count: d.Count(), Approximate: d.Approximate(), Events: d.Events, Users: len(d.Users),
			Priority: d.Priority().String(), Opened: d.Opened, Ready: d.Ready(), Expires: d.expires(), WillMiss: miss, Texts: texts(d.Items),
		})
	}
	return out
}

func broadcastStatus(b *Broadcast, now time.Time) BroadcastStatus {
	d := b.Digest
	s := BroadcastStatus{
		ID: b.ID, State: b.State, Audience: d.Audience, Template: d.Template, Group: d.Group,
		Count: d.Count(), Events: d.Events, Users: len(d.Users), Started: b.Started, Texts: texts(d.Items), Fates: b.Fates(now), Arrived: b.Arrived(),
	}
	if b.Outcome != nil {
		s.Message = b.Outcome.Message
	}
	return s
}

func texts(items []mapping.Item) []string {
	var out []string
	for i := range items {
		out = append(out, cmp.Or(items[i].Text, items[i].Key))
	}
	return out
}

func clonePtr[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
