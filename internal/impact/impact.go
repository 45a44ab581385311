package impact

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/simulate"
	"github.com/belfry-bridge/belfry/internal/unnamed"
	"github.com/belfry-bridge/belfry/mapping"
)

// What a reload makes of a digest.
const (
	Kept     = "kept"
	Orphaned = "orphaned" // never sent until its audience and template are there again
	Returns  = "returns"  // it was orphaned, and no longer is
	ReKeyed  = "re-keyed" // it is sent, and new events open others beside it
)

// When a digest would go after a reload, compared with before.
const (
	Earlier = "earlier"
	Later   = "later"
	Same    = "the same"
	Never   = "never"
	Unknown = "not known"
)

// Digest is what a reload would do to one digest.
type Digest struct {
	Digest   string    `json:"digest"`
	Audience string    `json:"audience"`
	Template string    `json:"template"`
	Group    string    `json:"group,omitempty"`
	Items    int       `json:"items"`
	Becomes  string    `json:"becomes"`
	Goes     string    `json:"goes"`          // compared with now
	Was      time.Time `json:"was,omitzero"`  // with the old rules, if no event arrives; zero: never, or not known
	Will     time.Time `json:"will,omitzero"` // with the new rules; zero: never
	Why      []string  `json:"why,omitempty"`
}

// App is what a reload would do to one app.
type App struct {
	App     string   `json:"app"`
	Change  string   `json:"change"` // added, removed, reloaded, unnamed
	Digests []Digest `json:"digests"`
	Changes []string `json:"changes,omitempty"`
	Unknown []string `json:"unknown,omitempty"` // what cannot be known
	Unseen  bool     `json:"-"`                 // its digests are part of that
}

// Live is one app as the daemon has it.
type Live struct {
	Status bridge.Status
	State  func() *bridge.State // a copy, since planning uses one up; nil where none could be read
	Unread error                // why
	Idle   bool                 // nobody runs it, and there is a state of it
}

// Of says app by app what a reload with rules would do. was may be nil: nobody
// said what is in force. left are the apps that rules do not name.
func Of(was, rules *mapping.RuleSet, apps map[string]Live, left []unnamed.App, now time.Time) []App {
	return withUnnamed(named(was, rules, apps, now), apps, left)
}

// named compares the apps that either of both names.
func named(was, rules *mapping.RuleSet, apps map[string]Live, now time.Time) []App {
	out := []App{}
	for _, name := range slices.Sorted(maps.Keys(rules.Apps)) {
		l, runs := apps[name]
		if !runs || l.Idle {
			i := App{App: name, Change: "added", Digests: []Digest{}}
			if l.Idle {
				i.Changes = append([]string{"the stream has a state of it, and it goes on from there"}, stateChanges(rules.Apps[name], l.State(), now)...)
			}
			out = append(out, i)
			continue
		}
		var old *mapping.App
		if was != nil {
			old = was.Apps[name]
		}
		i := reloaded(old, rules.Apps[name], l, now)
		if old != nil {
			i.Changes = append(i.Changes, sourceChanges(was.Sources, rules.Sources, l.State())...)
		}
		out = append(out, i)
	}
	for _, name := range slices.Sorted(maps.Keys(apps)) {
		if rules.Apps[name] == nil {
			out = append(out, removed(apps[name]))
		}
	}
	return out
}

// withUnnamed says what is lost if an app that the rules do not name goes on
// under one of their names: one that they add, or, where nobody runs it any
// more, any of them.
func withUnnamed(impacts []App, apps map[string]Live, left []unnamed.App) []App {
	var added, back []string
	at := map[string]int{}
	for n, i := range impacts {
		at[i.App] = n
		switch {
		case i.Change != "added":
		case apps[i.App].Idle:
			back = append(back, i.App)
		default:
			added = append(added, i.App)
		}
	}
	for _, u := range left {
		n, runs := at[u.Name]
		switch {
		case runs:
			if same := u.Among(added); len(same) > 0 {
				impacts[n].Changes = append(impacts[n].Changes, u.Renamed(same))
			}
			for _, name := range u.Among(back) {
				impacts[n].Changes = append(impacts[n].Changes, fmt.Sprintf("if %s goes on as %s, %s", u.Name, name, u.Returned(name)))
			}
		case u.Matters() && len(u.Names) > 0:
			impacts = append(impacts, App{App: u.Name, Change: "unnamed", Digests: []Digest{}, Changes: []string{
				fmt.Sprintf("the stream has its state, with %s, and nobody runs it: %s", u.Holds(), u.Outlook()),
			}})
		}
	}
	return impacts
}

func removed(l Live) App {
	i := App{App: l.Status.App, Change: "removed", Digests: []Digest{}, Changes: []string{
		"the app is gone from the rules: nothing more is read or sent for it; its state is kept for when it is named again",
	}}
	for _, b := range l.Status.InDoubt {
		i.Changes = append(i.Changes, fmt.Sprintf("in doubt, %s (%s): it can be resolved only once the app is named again", b.ID, b.Name()))
	}
	for _, d := range l.Status.Digests {
		i.Digests = append(i.Digests, Digest{
			Digest: d.Digest, Audience: d.Audience, Template: d.Template, Group: d.Group, Items: d.Count, Becomes: Orphaned, Goes: Never,
		})
	}
	return i
}

func reloaded(old, app *mapping.App, l Live, now time.Time) App {
	i := App{App: app.Name, Change: "reloaded", Digests: []Digest{}}
	if l.Status.Role != bridge.RoleOwner {
		i.Unknown, i.Unseen = append(i.Unknown, "nobody owns the app at this moment: what waits in it"), true
		return i
	}
	var before, after *simulate.Foresight
	users := map[string]int{} // a daemon of an earlier build does not tell
	waits := l.State()        // to be read; Foresee uses its copies up
	if waits != nil {
		will := l.State()
		if will.OtherKey(app) {
			will.Paused = &bridge.Pause{Since: now} // stateChanges says why
		}
		after = simulate.Foresee(app, will, now)
		for _, d := range waits.Digests {
			users[d.ID] = len(d.Users)
		}
	} else {
		i.Unknown = append(i.Unknown, fmt.Sprintf("when its digests would go: its state could not be read (%v)", l.Unread))
	}
	if waits != nil && old != nil {
		before = simulate.Foresee(old, l.State(), now)
	}
	for _, d := range l.Status.Digests {
		d.Users = max(d.Users, users[d.Digest])
		i.Digests = append(i.Digests, on(d, old, app, before, after))
	}
	for _, b := range l.Status.InDoubt {
		reasons := lost(b.Audience, b.Template, b.Users, app)
		if len(reasons) == 0 {
			reasons = moved(b.Audience, old, app)
		}
		for _, why := range reasons {
			i.Changes = append(i.Changes, fmt.Sprintf("in doubt, %s (%s): if it was not sent, %s", b.ID, b.Name(), why))
		}
	}
	if waits != nil {
		i.Changes = append(i.Changes, stateChanges(app, waits, now)...)
	}
	i.Changes = slices.Concat(i.Changes, quotaChanges(app, l.Status, waits), ruleChanges(old, app, waits))
	if old == nil && len(l.Status.Digests) > 0 {
		i.Unknown = append(i.Unknown, "when the digests would go with the rules in force, and how windows, expiry and quiet hours differ: the daemon does not tell its rules; name their file with --was")
	}
	if len(l.Status.Digests) > 0 {
		i.Unknown = append(i.Unknown, "what other events will do: the times hold if none arrives")
	}
	return i
}

// on is what becomes of one digest under the new rules. before and after may be nil.
func on(d bridge.DigestStatus, old, app *mapping.App, before, after *simulate.Foresight) Digest {
	x := Digest{
		Digest: d.Digest, Audience: d.Audience, Template: d.Template, Group: d.Group, Items: d.Count,
		Becomes: Kept, Goes: Unknown,
	}
	if x.Why = lost(d.Audience, d.Template, d.Users, app); len(x.Why) > 0 {
		x.Becomes, x.Goes = Orphaned, Never
	} else if x.Why = reKeyed(d, old, app); len(x.Why) > 0 {
		x.Becomes = ReKeyed
	} else if d.State == bridge.StateOrphaned {
		x.Becomes = Returns
	}
	if x.Becomes != Orphaned {
		x.Why = append(x.Why, moved(d.Audience, old, app)...)
	}
	if after == nil {
		return x
	}
	failed, said := after.Failed[d.Digest], after.Last[d.Digest]
	if failed != nil {
		x.Why = append(x.Why, fmt.Sprintf("it cannot be rendered: %v", failed))
	}
	x.Will = after.Sends[d.Digest].At
	if x.Will.IsZero() {
		x.Goes = Never
		if said != "" && failed == nil && x.Becomes != Orphaned { // of what failed the planner's last word is that it goes
			x.Why = append(x.Why, said)
		}
	}
	if before == nil || x.Becomes == Orphaned {
		return x
	}
	x.Was = before.Sends[d.Digest].At
	x.Goes = compared(x.Was, x.Will)
	return x
}

func compared(was, will time.Time) string {
	switch {
	case will.IsZero():
		return Never
	case was.IsZero() || will.Before(was):
		return Earlier
	case will.After(was):
		return Later
	}
	return Same
}

// reKeyed says why events that would join the digest now will not any more.
func reKeyed(d bridge.DigestStatus, old, app *mapping.App) (why []string) {
	by := groupings(app, d.Audience, d.Template)
	switch {
	case len(by) == 0:
		return []string{fmt.Sprintf("no rule adds to it any more: none has both %s and %s", d.Audience, d.Template)}
	case d.Group == "" && !slices.Contains(by, ""):
		return []string{fmt.Sprintf("events are grouped by %s now, and open digests of their own", by[0])}
	case d.Group != "" && slices.Equal(by, []string{""}):
		return []string{"events are no longer grouped, and open a digest without a group"}
	}
	if old == nil {
		return nil
	}
	if were := groupings(old, d.Audience, d.Template); len(were) > 0 && !slices.Equal(were, by) {
		return []string{fmt.Sprintf("events are grouped by %v, no longer by %v", shownGroups(by), shownGroups(were))}
	}
	return nil
}

// groupings lists what the rules of a digest group by; empty text for nothing.
func groupings(app *mapping.App, audience, template string) []string {
	var by []string
	for _, r := range app.Rules {
		if r.Audience == audience && r.Template == template && len(r.Cancels) == 0 {
			by = append(by, r.GroupBy)
		}
	}
	slices.Sort(by)
	return slices.Compact(by)
}

func shownGroups(by []string) []string {
	out := slices.Clone(by)
	for i := range out {
		out[i] = cmp.Or(out[i], "nothing")
	}
	return out
}
