package bridge

import (
	"maps"
	"slices"

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
