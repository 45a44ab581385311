package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/control"
	"github.com/belfry-bridge/belfry/internal/simulate"
	"github.com/belfry-bridge/belfry/internal/stream"
	"github.com/belfry-bridge/belfry/internal/unnamed"
	"github.com/belfry-bridge/belfry/mapping"
)

// What a reload makes of a digest.
const (
	digestKept     = "kept"
	digestOrphaned = "orphaned" // never sent until its audience and template are there again
	digestReturns  = "returns"  // it was orphaned, and no longer is
	digestReKeyed  = "re-keyed" // it is sent, and new events open others beside it
)

// When a digest would go after a reload, compared with before.
const (
	goesEarlier = "earlier"
	goesLater   = "later"
	goesSame    = "the same"
	goesNever   = "never"
	goesUnknown = "not known"
)

// digestImpact is what a reload would do to one digest.
type digestImpact struct {
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

// impact is what a reload would do to one app.
type impact struct {
	App     string         `json:"app"`
	Change  string         `json:"change"` // added, removed, reloaded, unnamed
	Digests []digestImpact `json:"digests"`
	Changes []string       `json:"changes,omitempty"`
	Unknown []string       `json:"unknown,omitempty"` // what cannot be known
	unseen  bool           // its digests are part of that
}

// live is one app as the daemon has it.
type live struct {
	status bridge.Status
	state  func() *bridge.State // a copy; nil where none could be read
	unread error                // why
	idle   bool                 // nobody runs it, and there is a state of it
}

// compare says what a reload would do to the running daemon.
func (o *checkOptions) compare(ctx context.Context, std stdio, c checked, env func(string) (string, bool)) error {
	if c.rules == nil && !c.problems.HasErrors() {
		return usageError{fmt.Errorf("cannot compare %s with a daemon: it holds tests, not rules", c.file)}
	}
	if c.problems.HasErrors() {
		printChecks(std, o.format, []checked{c})
		if o.format == "text" {
			fmt.Fprintln(std.out, "A reload would refuse this file and change nothing.")
		}
		return failure(exitFailed)
	}
	var was *mapping.RuleSet
	if o.was != "" {
		old, err := checkFiles([]string{o.was}, env)
		if err != nil {
			return usageError{err}
		}
		if was = old[0].rules; was == nil {
			fmt.Fprint(std.err, old[0].problems.Text())
			return fmt.Errorf("cannot compare with %s: it has errors", o.was)
		}
	}
	apps, left, err := o.liveApps(ctx, std, c.rules)
	if err != nil {
		return err
	}
	impacts := withUnnamed(impactsOf(was, c.rules, apps, time.Now()), apps, left)
	if o.format == "json" {
		return printJSON(std.out, map[string]any{"problems": append(mapping.Problems{}, c.problems...), "reload": impacts})
	}
	printChecks(std, o.format, []checked{c})
	printImpacts(std.out, impacts)
	return nil
}

// liveApps asks the daemon: who owns what over the control service, and the
// committed states from their stream, with those of apps that the rules do not name.
func (o *checkOptions) liveApps(ctx context.Context, std stdio, rules *mapping.RuleSet) (map[string]live, []unnamed.App, error) {
	o.ask.nats.url = o.against
	nc, err := o.ask.connect()
	if err != nil {
		return nil, nil, err
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	all, err := control.Overviews(ctx, nc)
	if err != nil {
		return nil, nil, err
	}
	js, err := clientOf(nc, o.stateStream)
	if err != nil {
		return nil, nil, err
	}
	apps := map[string]live{}
	for _, s := range owned(all) {
		l := live{status: s}
		l.state, l.unread = stateOf(ctx, js, s.App)
		l.unread = denied(nc, l.unread)
		apps[s.App] = l
	}
	for name := range rules.Apps {
		if _, runs := apps[name]; runs {
			continue
		}
		if state, err := stateOf(ctx, js, name); err == nil {
			apps[name] = live{idle: true, state: state}
		}
	}
	leaving := func(app string) bool { _, runs := apps[app]; return runs }
	left, err := findUnnamed(ctx, js, rules, leaving, time.Now())
	if err != nil {
		fmt.Fprintln(std.err, "belfry: cannot tell whether an app is renamed:", denied(nc, err))
	}
	return apps, left, nil
}

// stateOf gives copies of a state, since planning uses one up.
func stateOf(ctx context.Context, js *stream.JetStream, app string) (func() *bridge.State, error) {
	record, err := committed(ctx, js, app)
	if err == nil && record.Sequence == 0 {
		err = errors.New("none is committed")
	}
	if err == nil {
		_, err = bridge.Decode(app, record.Data)
	}
	if err != nil {
		return func() *bridge.State { return nil }, err
	}
	return func() *bridge.State {
		s, _ := bridge.Decode(app, record.Data) // it was decoded before
		return s
	}, nil
}

// impactsOf compares app by app. was may be nil: nobody said what is in force.
func impactsOf(was, rules *mapping.RuleSet, apps map[string]live, now time.Time) []impact {
	out := []impact{}
	for _, name := range sortedKeys(rules.Apps) {
		l, runs := apps[name]
		if !runs || l.idle {
			i := impact{App: name, Change: "added", Digests: []digestImpact{}}
			if l.idle {
				i.Changes = append([]string{"the stream has a state of it, and it goes on from there"}, stateChanges(rules.Apps[name], l.state(), now)...)
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
			i.Changes = append(i.Changes, sourceChanges(was.Sources, rules.Sources, l.state())...)
		}
		out = append(out, i)
	}
	for _, name := range sortedKeys(apps) {
		if rules.Apps[name] == nil {
			out = append(out, removed(apps[name]))
		}
	}
	return out
}

// withUnnamed says what is lost if an app that the rules do not name goes on
// under one of their names: one that they add, or, where nobody runs it any
// more, any of them.
func withUnnamed(impacts []impact, apps map[string]live, left []unnamed.App) []impact {
	var added, back []string
	at := map[string]int{}
	for n, i := range impacts {
		at[i.App] = n
		switch {
		case i.Change != "added":
		case apps[i.App].idle:
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
			impacts = append(impacts, impact{App: u.Name, Change: "unnamed", Digests: []digestImpact{}, Changes: []string{
				fmt.Sprintf("the stream has its state, with %s, and nobody runs it: %s", u.Holds(), u.Outlook()),
			}})
		}
	}
	return impacts
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}

func removed(l live) impact {
	i := impact{App: l.status.App, Change: "removed", Digests: []digestImpact{}, Changes: []string{
		"the app is gone from the rules: nothing more is read or sent for it; its state is kept for when it is named again",
	}}
	for _, b := range l.status.InDoubt {
		i.Changes = append(i.Changes, fmt.Sprintf("in doubt, %s (%s): it can be resolved only once the app is named again", b.ID, b.Name()))
	}
	for _, d := range l.status.Digests {
		i.Digests = append(i.Digests, digestImpact{
			Digest: d.Digest, Audience: d.Audience, Template: d.Template, Group: d.Group, Items: d.Count, Becomes: digestOrphaned, Goes: goesNever,
		})
	}
	return i
}

func reloaded(old, app *mapping.App, l live, now time.Time) impact {
	i := impact{App: app.Name, Change: "reloaded", Digests: []digestImpact{}}
	if l.status.Role != bridge.RoleOwner {
		i.Unknown, i.unseen = append(i.Unknown, "nobody owns the app at this moment: what waits in it"), true
		return i
	}
	var before, after *simulate.Foresight
	users := map[string]int{} // a daemon of an earlier build does not tell
	waits := l.state()        // to be read; Foresee uses its copies up
	if waits != nil {
		will := l.state()
		if will.OtherKey(app) {
			will.Paused = &bridge.Pause{Since: now} // stateChanges says why
		}
		after = simulate.Foresee(app, will, now)
		for _, d := range waits.Digests {
			users[d.ID] = len(d.Users)
		}
	} else {
		i.Unknown = append(i.Unknown, fmt.Sprintf("when its digests would go: its state could not be read (%v)", l.unread))
	}
	if waits != nil && old != nil {
		before = simulate.Foresee(old, l.state(), now)
	}
	for _, d := range l.status.Digests {
		d.Users = max(d.Users, users[d.Digest])
		i.Digests = append(i.Digests, impactOn(d, old, app, before, after))
	}
	for _, b := range l.status.InDoubt {
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
	i.Changes = slices.Concat(i.Changes, quotaChanges(app, l.status, waits), ruleChanges(old, app, waits))
	if old == nil && len(l.status.Digests) > 0 {
		i.Unknown = append(i.Unknown, "when the digests would go with the rules in force, and how windows, expiry and quiet hours differ: the daemon does not tell its rules; name their file with --was")
	}
	if len(l.status.Digests) > 0 {
		i.Unknown = append(i.Unknown, "what other events will do: the times hold if none arrives")
	}
	return i
}

// impactOn is one digest under the new rules. before and after may be nil.
func impactOn(d bridge.DigestStatus, old, app *mapping.App, before, after *simulate.Foresight) digestImpact {
	x := digestImpact{
		Digest: d.Digest, Audience: d.Audience, Template: d.Template, Group: d.Group, Items: d.Count,
		Becomes: digestKept, Goes: goesUnknown,
	}
	if x.Why = lost(d.Audience, d.Template, d.Users, app); len(x.Why) > 0 {
		x.Becomes, x.Goes = digestOrphaned, goesNever
	} else if x.Why = reKeyed(d, old, app); len(x.Why) > 0 {
		x.Becomes = digestReKeyed
	} else if d.State == bridge.StateOrphaned {
		x.Becomes = digestReturns
	}
	if x.Becomes != digestOrphaned {
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
		x.Goes = goesNever
		if said != "" && failed == nil && x.Becomes != digestOrphaned { // of what failed the planner's last word is that it goes
			x.Why = append(x.Why, said)
		}
	}
	if before == nil || x.Becomes == digestOrphaned {
		return x
	}
	x.Was = before.Sends[d.Digest].At
	x.Goes = compared(x.Was, x.Will)
	return x
}

func compared(was, will time.Time) string {
	switch {
	case will.IsZero():
		return goesNever
	case was.IsZero() || will.Before(was):
		return goesEarlier
	case will.After(was):
		return goesLater
	}
	return goesSame
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
