package unnamed

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

// App is what the state of an app that the rules do not name holds.
type App struct {
	Name    string
	Names   []string      // apps of the rules that may be it: those of its App Key
	older   []string      // those of them that were there before it: they have their old name again
	Sends   []quota.Spend // that count, and that no app of the rules knows of
	Until   time.Time     // when the last of them stops counting
	waiting int           // items that have not expired
	doubts  int           // broadcasts that nobody can resolve until the app is named again
}

// Holds says what is lost with it.
func (u *App) Holds() string {
	text := bridge.Plural(u.waiting, "item", "items") + " waiting"
	if u.doubts > 0 {
		text += " and " + bridge.Plural(u.doubts, "broadcast", "broadcasts") + " in doubt, to be resolved once it is named again"
	}
	return text
}

// Find says what the states of apps hold that the rules do not name, and that
// the states of those that they name do not know of. The former are used up.
func Find(states, named map[string]*bridge.State, rs *mapping.RuleSet, now time.Time) []App {
	told := map[string]bool{} // the ids of spends
	for _, s := range named {
		for _, spend := range s.Ledger.Spends {
			told[spend.ID] = true
		}
	}
	var out []App
	for _, app := range slices.Sorted(maps.Keys(states)) {
		s := states[app]
		u := Of(app, s, rs, told, now)
		u.older = slices.DeleteFunc(slices.Clone(u.Names), func(name string) bool {
			return named[name] == nil || !named[name].Began.Before(s.Began)
		})
		out = append(out, u)
	}
	return out
}

// Of judges one state by whichever app of the rules counts a send for longest,
// without the spends of which these were told. It uses the state up.
func Of(app string, s *bridge.State, rs *mapping.RuleSet, told map[string]bool, now time.Time) App {
	s.Expire(now)
	u := App{Name: app, waiting: s.Waiting(), doubts: len(s.Held)}
	for _, name := range slices.Sorted(maps.Keys(rs.Apps)) {
		if !s.OtherKey(rs.Apps[name]) {
			u.Names = append(u.Names, name)
		}
	}
	for _, spend := range s.Ledger.Spends {
		var until time.Time
		for _, name := range u.Names {
			if t := bridge.LimitsFor(rs.Apps[name].Quota).Frees(&s.Ledger, spend.At); t.After(until) {
				until = t
			}
		}
		if until.After(now) && !told[spend.ID] {
			u.Sends = append(u.Sends, spend)
			u.Until = until
		}
	}
	return u
}

const mostShown = 3 // sends whose time and id are named

// Matters reports whether anything would be lost without a word.
func (u *App) Matters() bool { return len(u.Sends)+u.waiting+u.doubts > 0 }

// Among are those of the names that may be it.
func (u *App) Among(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(u.Names, name) })
}

// Renamed says what an app loses that goes on under one of the names.
func (u *App) Renamed(names []string) string {
	if len(u.Sends) == 0 {
		return fmt.Sprintf("if %s goes on as %s, that one begins anew: with an empty quota ledger and without what waits, and it reads events from where start says, also those that %[1]s has sent already",
			u.Name, strings.Join(names, " or "))
	}
	return fmt.Sprintf("a renamed app begins anew, and reads events from where start says, also those that were sent already; if %s goes on as %s, %s",
		u.Name, strings.Join(names, " or "), u.tell(names))
}

// Returned says the same of an app that has its old name again.
func (u *App) Returned(name string) string {
	text := fmt.Sprintf("%s goes on from where it was left, and reads again what %s has sent since", name, u.Name)
	if len(u.Sends) > 0 {
		text += "; " + u.tell([]string{name})
	}
	return text
}

// Outlook says what each of the names that may be it loses.
func (u *App) Outlook() string {
	var said []string
	if begun := slices.DeleteFunc(slices.Clone(u.Names), func(name string) bool { return slices.Contains(u.older, name) }); len(begun) > 0 {
		said = append(said, u.Renamed(begun))
	}
	for _, name := range u.older {
		said = append(said, fmt.Sprintf("if %s goes on as %s, %s", u.Name, name, u.Returned(name)))
	}
	return strings.Join(said, "; ")
}

// tell is how one of the names learns of the sends.
func (u *App) tell(names []string) string {
	name := names[0]
	if len(names) > 1 {
		name = "NAME"
	}
	text := fmt.Sprintf("tell it of the %s: belfry quota spend --app %s --why renamed",
		bridge.Plural(len(u.Sends), "send that still counts", "sends that still count"), name)
	for i, s := range u.Sends[:min(len(u.Sends), mostShown)] {
		if i > 0 {
			text += ", and again with"
		}
		text += fmt.Sprintf(" --id %s --at %s", s.ID, s.At.UTC().Format(time.RFC3339))
	}
	if more := len(u.Sends) - mostShown; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}
