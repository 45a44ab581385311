package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/internal/stream"
	"github.com/belfry-bridge/belfry/mapping"
)

// unnamedEvery is how often the stream is searched for such states: one small
// request, unless there is one.
const unnamedEvery = time.Minute

// unnamed is the state of an app that the rules do not name.
type unnamed struct {
	app     string
	names   []string      // apps of the rules that may be it: those of its App Key
	older   []string      // those of them that were there before it: they have their old name again
	sends   []quota.Spend // that count, and that no app of the rules knows of
	until   time.Time     // when the last of them stops counting
	waiting int           // items that have not expired
	doubts  int           // broadcasts that nobody can resolve until the app is named again
}

// holds says what is lost with it.
func (u *unnamed) holds() string {
	text := plural(u.waiting, "item", "items") + " waiting"
	if u.doubts > 0 {
		text += " and " + plural(u.doubts, "broadcast", "broadcasts") + " in doubt, to be resolved once it is named again"
	}
	return text
}

// findUnnamed searches the stream for states of apps that the rules do not
// name. Those that a replica runs are another daemon's, and left out, unless
// leaving says that the rules would take them away.
func findUnnamed(ctx context.Context, js *stream.JetStream, rs *mapping.RuleSet, leaving func(app string) bool, now time.Time) ([]unnamed, error) {
	apps, err := unnamedApps(ctx, js, rs)
	if err != nil {
		return nil, err
	}
	states := map[string]*bridge.State{}
	for _, app := range apps {
		runs, err := js.Runs(ctx, app)
		if err != nil {
			return nil, err
		}
		if runs && !leaving(app) {
			continue
		}
		if states[app], err = readState(ctx, js, app); err != nil {
			return nil, err
		}
	}
	if len(states) == 0 {
		return nil, nil
	}
	named, told, err := namedStates(ctx, js, rs)
	if err != nil {
		return nil, err
	}
	var out []unnamed
	for _, app := range sortedKeys(states) {
		s := states[app]
		if s == nil {
			continue
		}
		u := unnamedOf(app, s, rs, told, now)
		u.older = slices.DeleteFunc(slices.Clone(u.names), func(name string) bool {
			return named[name] == nil || !named[name].Began.Before(s.Began)
		})
		out = append(out, u)
	}
	return out, nil
}

// unnamedApps are the apps of the stream that the rules do not name. A dry run
// is nobody's.
func unnamedApps(ctx context.Context, js *stream.JetStream, rs *mapping.RuleSet) ([]string, error) {
	apps, err := js.Apps(ctx)
	return slices.DeleteFunc(apps, func(app string) bool { return rs.Apps[app] != nil || isDryRun(app) }), err
}

// readState returns nil where there is no state that can be decoded.
func readState(ctx context.Context, js *stream.JetStream, app string) (*bridge.State, error) {
	record, err := js.Store(app).Get(ctx)
	if err != nil || record.Sequence == 0 {
		return nil, err
	}
	s, err := bridge.Decode(app, record.Data)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // its owner complains, where it has one
	}
	return s, nil
}

// namedStates are the states of the apps of the rules, with the ids of all
// spends that these know of.
func namedStates(ctx context.Context, js *stream.JetStream, rs *mapping.RuleSet) (states map[string]*bridge.State, told map[string]bool, err error) {
	states, told = map[string]*bridge.State{}, map[string]bool{}
	for app := range rs.Apps {
		s, err := readState(ctx, js, app)
		if err != nil {
			return nil, nil, err
		}
		if s == nil {
			continue
		}
		states[app] = s
		for _, spend := range s.Ledger.Spends {
			told[spend.ID] = true
		}
	}
	return states, told, nil
}

// unnamedOf judges by whichever app of the rules counts a send for longest. It
// uses the state up.
func unnamedOf(app string, s *bridge.State, rs *mapping.RuleSet, told map[string]bool, now time.Time) unnamed {
	s.Expire(now)
	u := unnamed{app: app, waiting: s.Waiting(), doubts: len(s.Held)}
	for _, name := range sortedKeys(rs.Apps) {
		if !s.OtherKey(rs.Apps[name]) {
			u.names = append(u.names, name)
		}
	}
	for _, spend := range s.Ledger.Spends {
		var until time.Time
		for _, name := range u.names {
			if t := bridge.LimitsFor(rs.Apps[name].Quota).Frees(&s.Ledger, spend.At); t.After(until) {
				until = t
			}
		}
		if until.After(now) && !told[spend.ID] {
			u.sends = append(u.sends, spend)
			u.until = until
		}
	}
	return u
}

const unnamedShown = 3 // sends whose time and id are named

// matters reports whether anything would be lost without a word.
func (u *unnamed) matters() bool { return len(u.sends)+u.waiting+u.doubts > 0 }

// among are those of the names that may be it.
func (u *unnamed) among(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(u.names, name) })
}

// renamed says what an app loses that goes on under one of the names.
func (u *unnamed) renamed(names []string) string {
	if len(u.sends) == 0 {
		return fmt.Sprintf("if %s goes on as %s, that one begins anew: with an empty quota ledger and without what waits, and it reads events from where start says, also those that %[1]s has sent already",
			u.app, strings.Join(names, " or "))
	}
	return fmt.Sprintf("a renamed app begins anew, and reads events from where start says, also those that were sent already; if %s goes on as %s, %s",
		u.app, strings.Join(names, " or "), u.tell(names))
}

// returned says the same of an app that has its old name again.
func (u *unnamed) returned(name string) string {
	text := fmt.Sprintf("%s goes on from where it was left, and reads again what %s has sent since", name, u.app)
	if len(u.sends) > 0 {
		text += "; " + u.tell([]string{name})
	}
	return text
}

// outlook says what each of the names that may be it loses.
func (u *unnamed) outlook() string {
	var said []string
	if begun := slices.DeleteFunc(slices.Clone(u.names), func(name string) bool { return slices.Contains(u.older, name) }); len(begun) > 0 {
		said = append(said, u.renamed(begun))
	}
	for _, name := range u.older {
		said = append(said, fmt.Sprintf("if %s goes on as %s, %s", u.app, name, u.returned(name)))
	}
	return strings.Join(said, "; ")
}

// tell is how one of the names learns of the sends.
func (u *unnamed) tell(names []string) string {
	name := names[0]
	if len(names) > 1 {
		name = "NAME"
	}
	text := fmt.Sprintf("tell it of the %s: belfry quota spend --app %s --why renamed",
		plural(len(u.sends), "send that still counts", "sends that still count"), name)
	for i, s := range u.sends[:min(len(u.sends), unnamedShown)] {
		if i > 0 {
			text += ", and again with"
		}
		text += fmt.Sprintf(" --id %s --at %s", s.ID, s.At.UTC().Format(time.RFC3339))
	}
	if more := len(u.sends) - unnamedShown; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}

// watchUnnamed keeps the condition true, beginning at once and after every
// reload. The quota of a dry run is nobody's.
func (d *daemon) watchUnnamed(ctx context.Context) {
	if d.opts.dryRun {
		return
	}
	tick := time.NewTicker(unnamedEvery)
	defer tick.Stop()
	said := map[string]bool{}
	for {
		if err := d.lookForUnnamed(ctx, said); err != nil && ctx.Err() == nil {
			d.log.Debug("cannot look for the states of apps that the rules do not name", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-d.reloaded:
			clear(said)
		case <-tick.C:
		}
	}
}

// lookForUnnamed looks once. said are the apps without sends of which the log
// has told.
func (d *daemon) lookForUnnamed(ctx context.Context, said map[string]bool) error {
	rs := d.rulesFile.current()
	all, err := findUnnamed(ctx, d.js, rs, func(string) bool { return false }, time.Now())
	if err != nil {
		return err
	}
	holds := map[string]bool{}
	for _, u := range all {
		remedy := "name it again, if it is still wanted"
		if len(u.names) > 0 {
			remedy += "; " + u.outlook()
		}
		switch {
		case u.matters():
			holds[u.app] = true
			counts := ""
			if len(u.sends) > 0 {
				counts = ", and sends of it that count until " + u.until.UTC().Format("2 Jan 15:04 MST")
			}
			d.conditions.Set(stream.AppUnnamed, u.app, fmt.Sprintf("the stream %s has the state of the app %s, which the rules do not name, with %s%s: nobody sends what waits; %s",
				d.opts.stateStream, u.app, u.holds(), counts, remedy))
		case !said[u.app]:
			said[u.app] = true
			d.log.Info("the stream has the state of an app that the rules do not name; nothing of it waits", "app", u.app)
		}
	}
	for _, c := range d.conditions.Active() {
		if c.Name == stream.AppUnnamed && !holds[c.About] {
			d.conditions.Clear(stream.AppUnnamed, c.About)
		}
	}
	return nil
}
