package bridge

import (
	"maps"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// Uncancelled counts the items that wait of rules that are gone, by rule, as
// far as something cancelled them: nothing can any more, since a rule is known
// to those that cancel by its name.
func (s *State) Uncancelled(was, will *mapping.App) map[string]int {
	gone := map[string]bool{}
	for _, r := range was.Rules {
		for _, name := range r.Cancels {
			gone[name] = !hasRule(will, name)
		}
	}
	out := map[string]int{}
	maps.DeleteFunc(gone, func(_ string, is bool) bool { return !is })
	for _, d := range s.Digests {
		for i := range d.Items {
			if rule := d.Items[i].Rule; gone[rule] {
				out[rule]++
			}
		}
		for rule := range gone {
			for i := range d.Rest {
				for _, m := range d.Rest[i].Marks {
					if m.by([]string{rule}) {
						out[rule]++
					}
				}
			}
		}
	}
	return out
}

func hasRule(app *mapping.App, name string) bool {
	return slices.ContainsFunc(app.Rules, func(r *mapping.Rule) bool { return r.Name == name })
}

// adopt notes what the rules in force are, and forgets the failures of those
// that are gone. It reports whether the App Key is another than before.
func (s *State) adopt(app *mapping.App) (changed bool) {
	changed = s.OtherKey(app)
	s.Key = keyHash(app)
	maps.DeleteFunc(s.Failed, func(rule string, _ int) bool { return !hasRule(app, rule) })
	maps.DeleteFunc(s.FailedOn, func(rule string, _ FailedEvent) bool { return !hasRule(app, rule) })
	return changed
}

func (t *tenure) warnOfVoidMutes(now time.Time) {
	for _, m := range t.state.VoidMutes(t.rules.App, now) {
		t.log.Warn("a mute mutes nothing: the rules do not have what it names", "mute", m.ID, "of", m.Scope(),
			"remedy", "if it was renamed, belfry mute the new name")
	}
}

func (t *tenure) warnOfUncancelled(was *mapping.App) {
	n := t.state.Uncancelled(was, t.rules.App)
	for _, rule := range slices.Sorted(maps.Keys(n)) {
		t.log.Warn("a rule is gone or renamed, and nothing cancels any more what it has gathered", "rule", rule, "items", n[rule],
			"remedy", "give the rule its old name again for as long as they wait; or see them with belfry digests, and keep them with belfry mute")
	}
}
