package mapping

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Expressions, templates, their checks and the operator's page know the same
// fields of an event.
func TestTheFieldsOfAnEventAreTheSameEverywhere(t *testing.T) {
	page, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	e := newEvaluation()
	e.env.msg = &Message{}
	for of, c := range map[string]struct {
		cel      map[string]celField
		checked  shape
		rendered []string
	}{
		"event": {eventFields(), eventShape, append(slices.Collect(maps.Keys(eventParts())), "data")},
		"nats":  {natsFields(), natsShape, slices.Collect(maps.Keys(natsPart(e).(map[string]any)))},
	} {
		expressions := slices.Sorted(maps.Keys(c.cel))
		for what, names := range map[string][]string{"the check of templates": slices.Collect(maps.Keys(fieldsOf(c.checked))), "a template": c.rendered} {
			names = slices.DeleteFunc(names, func(name string) bool { return name == "nats" }) // a variable of its own in expressions
			slices.Sort(names)
			if diff := cmp.Diff(expressions, names); diff != "" {
				t.Errorf("of %s, %s does not know what expressions do:\n%s", of, what, diff)
			}
		}
		for _, name := range expressions {
			if !strings.Contains(string(page), "`"+of+"."+name+"`") {
				t.Errorf("docs/rules.md does not tell of %s.%s", of, name)
			}
			if of == "event" && unlikelyName(0, "event.", name) != nil {
				t.Errorf("event.%s is taken for a slip", name)
			}
		}
	}
}
