package bridge

import (
	"cmp"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// Fold takes in one event that the stream has stored after all those before
// it. It reports whether anything changed that the planner should look at.
// The same events, folded one by one or in batches, give the same state.
func (s *State) Fold(app *mapping.App, m *mapping.Message) (changed bool) {
	return s.FoldDecision(app, m, app.Map(m))
}

// FoldDecision is Fold with what the app's rules make of the message.
func (s *State) FoldDecision(app *mapping.App, m *mapping.Message, decision mapping.Decision) (changed bool) {
	if decision.Foreign { // the filters may let more through than was asked for
		return false
	}
	s.countRead(m)
	items, cancels := s.Counts.Items, false
	for i := range decision.Failures {
		s.countFailure(decision.Failures[i], m)
	}
	for i := range decision.Dead {
		s.deadLetter(m, &decision.Dead[i])
	}
	for i := range decision.Matches {
		s.match(app, &decision.Matches[i], m)
		cancels = cancels || len(decision.Matches[i].Cancels) > 0
	}
	s.Counts.file(s.Counts.Items-items, cancels, len(decision.Dead) > 0)
	return len(decision.Matches) > 0 || len(decision.Dead) > 0
}

// advance moves the checkpoint of a stream. It and what was folded up to it
// are committed together, which is what makes folding exactly-once.
func (s *State) advance(stream string, c Checkpoint) { s.Sources[stream] = c }

// FailedEvent is an event on which a rule's expression failed, for
// belfry explain.
type FailedEvent struct {
	Stream   string    `json:"stream"`
	Sequence uint64    `json:"sequence"`
	At       time.Time `json:"at"`            // when the stream stored it
	Read     time.Time `json:"read,omitzero"` // when the rule failed on it; zero: not known
	Part     string    `json:"part"`          // of the rule: "when", "key" …
	Error    string    `json:"error"`
}

// Past reports whether it failed before the rules were loaded, which may be mended.
func (f FailedEvent) Past(loaded time.Time) bool {
	return !f.Read.IsZero() && f.Read.Before(loaded)
}

const (
	maxFailedOn = 50  // rules of which the latest failure is known
	maxFailure  = 200 // bytes of an error that are kept
)

// beginning is what a text has in its first few bytes.
func beginning(text string, most int) string {
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

func (s *State) countFailure(f mapping.Failure, m *mapping.Message) {
	if s.Failed == nil {
		s.Failed = map[string]int{}
	}
	if s.FailedOn == nil {
		s.FailedOn = map[string]FailedEvent{}
	}
	if s.failing == nil {
		s.failing = map[string]bool{}
	}
	s.Failed[f.Rule]++
	s.failing[f.Rule] = true
	s.FailedOn[f.Rule] = FailedEvent{Stream: m.Stream, Sequence: m.Sequence, At: m.Time, Part: f.Part, Error: beginning(f.Err.Error(), maxFailure)}
	if len(s.FailedOn) > maxFailedOn {
		delete(s.FailedOn, slices.MinFunc(slices.Collect(maps.Keys(s.FailedOn)), func(a, b string) int {
			return cmp.Or(s.FailedOn[a].At.Compare(s.FailedOn[b].At), cmp.Compare(a, b))
		}))
	}
}

// failedSince names, once, the rules that failed since the last call.
func (s *State) failedSince() []string {
	rules := slices.Sorted(maps.Keys(s.failing))
	s.failing = nil
	return rules
}

// errNobody: without ids the request would address the whole package.
var errNobody = errors.New("the event names no users")

func (s *State) match(app *mapping.App, match *mapping.Match, m *mapping.Message) {
	if len(match.Cancels) > 0 {
		s.cancel(app, match, m)
		return
	}
	k := digestKey{audience: match.Audience, template: match.Template, group: match.Group, personal: len(match.Users) > 0}
	if a := app.Audiences[match.Audience]; len(match.Users) == 0 && a != nil && a.HasUsers {
		s.countFailure(mapping.Failure{Rule: match.Rule, Part: "users", Err: errNobody}, m)
		return
	}
	if len(match.Users) == 0 {
		s.Counts.Items++
		k = s.roomForGroup(k)
		s.join(app, k, match, nil, m)
		s.replaceUnderWay(k, match.Item.Key, nil)
		return
	}
	s.joinUsers(app, k, match, m)
}

// roomForGroup sends the groups beyond the bound to the ungrouped digest:
// counted and visible, and three sends a day could not tell them apart anyway.
func (s *State) roomForGroup(k digestKey) digestKey {
	if _, ok := s.find(k); !ok && len(s.Digests) >= maxDigests {
		k.group = ""
	}
	return k
}

// joinUsers spreads the item over as many parts as its user ids need. Users for
// whom older news of the item wait read the newer in their place, not before them.
func (s *State) joinUsers(app *mapping.App, k digestKey, match *mapping.Match, m *mapping.Message) {
	waiting, users, joined := s.waitingFor(k, match)
	var reached []string
	for ; len(users) > 0 || len(waiting) > 0; k.part++ {
		i, ok := s.find(k)
		var d *Digest
		if ok {
			d = s.Digests[i]
		}
		n := min(len(users), d.room()) // none of them has a place here, or it shares a user with what is joined
		fits, rest := users[:n], users[n:]
		mine, waits := waiting[k.part]
		fits = append(mine, fits...)
		if !waits && (len(fits) == 0 || joined.shares(d)) {
			continue
		}
		s.Counts.Items++
		if !ok && len(s.Digests) >= maxDigests || !s.roomForUsers(d, fits) {
			s.overflow(k, match)
			break
		}
		s.join(app, k, match, fits, m)
		if ok {
			joined.parts = append(joined.parts, d)
		}
		delete(waiting, k.part)
		users, reached = rest, append(reached, fits...)
	}
	s.replaceUnderWay(k, match.Item.Key, reached)
}

// waitingFor sorts out those users who have a place in a part already, by part:
// first those for whom an item with the same key waits there, then the others. No
// two of the parts have a user in common, who would read the item in both: a
// digest that came back may be one that has. Where the older news wait in both, the
// newer take their place in both: else they could be read after the newer.
func (s *State) waitingFor(k digestKey, match *mapping.Match) (waiting map[int][]string, others []string, joined *joining) {
	waiting, others, joined = map[int][]string{}, match.Users, &joining{apart: s.partsAreApart()}
	for _, same := range []bool{true, false} {
		for _, d := range s.Digests {
			part := d.key()
			if k.part = part.part; part != k || same && !d.has(match.Item.Key) {
				continue
			}
			var mine, rest []string
			have := d.userSet()
			older := same && slices.ContainsFunc(match.Users, func(u string) bool { return have[u] })
			for _, u := range others {
				if have[u] {
					mine = append(mine, u)
				} else {
					rest = append(rest, u)
				}
			}
			if !older && (len(mine) == 0 || joined.shares(d)) {
				continue
			}
			waiting[k.part], others = append(waiting[k.part], mine...), rest
			joined.parts = append(joined.parts, d)
		}
	}
	return waiting, others, joined
}

// overflow counts an item out that found no room, with the users that are left.
func (s *State) overflow(k digestKey, match *mapping.Match) {
	s.Counts.Overflowed++
	s.drop(ResultOverflowed, &Digest{ID: s.Born + "-overflow-" + forecastKey(k.audience, k.template), Audience: k.audience, Template: k.template}, 1, []string{match.Item.EventID})
}

func (s *State) join(app *mapping.App, k digestKey, match *mapping.Match, users []string, m *mapping.Message) {
	d := s.digest(k)
	it := match.Item
	keep := s.fit(app, d, &it, keepOf(app, k.template))
	s.change(d, func() {
		if d.put(it, keep) {
			s.Counts.Replaced++
		} else {
			s.Forecast.Observe(it.Arrived.In(ForecastZone(app)), forecastKey(match.Audience, match.Template), int(it.Priority))
		}
		d.countRule(it.Rule, 1)
		d.gather(&it, match.Gather)
		d.addUsers(users)
		if d.Trace == "" {
			d.Trace = traceParent(m.Header)
		}
	})
}

func (s *State) cancel(app *mapping.App, match *mapping.Match, m *mapping.Message) {
	for _, d := range slices.Clone(s.Digests) {
		s.change(d, func() {
			for _, it := range d.cancel(match.Item.Key, match.Cancels) {
				s.Counts.Cancelled++
				if m.Time.Sub(it.ReadyBy) < it.Expires.Sub(m.Time) { // what could be sent for longer is worth a send next time
					s.Forecast.Forget(it.Arrived.In(ForecastZone(app)), forecastKey(d.Audience, d.Template), int(it.Priority))
				}
				s.drop(ResultCancelled, d, 1, []string{it.EventID})
			}
		})
	}
	s.cancelUnderWay(match)
}

// underWay are the broadcasts that may be leaving, or may have left.
func (s *State) underWay() []*Broadcast {
	if s.Sending == nil {
		return s.Held
	}
	return append(slices.Clip(s.Held), s.Sending)
}

// replaceUnderWay marks, like cancelUnderWay, what newer news replace: those to
// the same people, in whichever part of their audience they are.
func (s *State) replaceUnderWay(k digestKey, key string, users []string) {
	for _, b := range s.underWay() {
		old := b.Digest.key()
		old.part = k.part
		if old == k && reachAll(users, b.Digest.Users) {
			b.Digest.goes(key, nil)
		}
	}
}

// cancelUnderWay marks what may be leaving at this moment, or may have left.
// If it turns out that it did not, restore takes it out.
func (s *State) cancelUnderWay(match *mapping.Match) {
	for _, b := range s.underWay() {
		b.Digest.goes(match.Item.Key, match.Cancels)
	}
}

// Expire removes the items that are worth nothing any more, and reports
// whether there were any. What has to be said about them is said by the next commit.
func (s *State) Expire(now time.Time) (changed bool) {
	for _, d := range slices.Clone(s.Digests) {
		if first := d.expires(); first.After(now) {
			continue
		}
		_, muted := s.MutedUntil(d, now)
		s.change(d, func() {
			n, ids := d.expire(now)
			if muted {
				s.Counts.Muted += uint64(n)
				s.drop(ResultMuted, d, n, ids)
			} else {
				s.Counts.Expired += uint64(n)
				s.drop(ResultExpired, d, n, ids)
			}
		})
		changed = true
	}
	s.Mutes = slices.DeleteFunc(s.Mutes, func(m Mute) bool { return !m.Until.After(now) })
	return changed
}

// NextExpiry is when Expire has something to do; zero for never.
func (s *State) NextExpiry() time.Time {
	var first time.Time
	for _, d := range s.Digests {
		first = earlier(first, d.expires())
	}
	return first
}

// traceParent is the header if it has the form of W3C Trace Context (version,
// trace, span and flags, in hexadecimal digits), of which later versions may be
// longer. Anything else, of any length, is nobody's trace.
func traceParent(h map[string][]string) string {
	v := h["traceparent"]
	if len(v) == 0 || len(v[0]) > 128 || !traceForm.MatchString(v[0]) {
		return ""
	}
	return v[0]
}

var traceForm = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[[:graph:]]*)?$`)
