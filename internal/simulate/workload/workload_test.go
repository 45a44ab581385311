package workload

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-bridge/belfry/mapping"
)

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func TestASeedGivesTheSameHistoryAgain(t *testing.T) {
	for _, w := range Towns() {
		a, b, c := w.Generate(1, monday, 5), w.Generate(1, monday, 5), w.Generate(2, monday, 5)
		if diff := cmp.Diff(ats(a), ats(b)); diff != "" {
			t.Errorf("%s: %s", w.Name, diff)
		}
		if cmp.Equal(ats(a), ats(c)) {
			t.Errorf("%s: two seeds give the same history", w.Name)
		}
		for i := 1; i < len(a); i++ {
			if a[i].At.Before(a[i-1].At) {
				t.Errorf("%s: event %d is out of order", w.Name, i)
			}
		}
	}
}

func ats(events []Event) (out []time.Time) {
	for _, e := range events {
		out = append(out, e.At)
	}
	return out
}

func TestAThirdOfTheTownsIsOfEachPart(t *testing.T) {
	parts := map[Part]int{}
	for _, w := range Towns() {
		parts[w.Part]++
	}
	if want := map[Part]int{LookedAt: 6, Aside: 6, Fresh: 6}; !cmp.Equal(parts, want) {
		t.Errorf("the parts have %v towns, want %v", parts, want)
	}
}

func TestEveryTownsRulesCompileAndMatchItsMessages(t *testing.T) {
	for _, w := range Towns() {
		rules, problems := mapping.Compile(w.Name, w.Rules(), mapping.Options{})
		if rules == nil {
			t.Fatalf("%s: %v", w.Name, problems)
		}
		for m, err := range w.Messages(1, monday, 2) {
			if err != nil {
				t.Fatalf("%s: %v", w.Name, err)
			}
			if d := rules.Apps["town"].Map(&m); len(d.Matches) != 1 {
				t.Fatalf("%s: %s matches %d rules", w.Name, m.Subject, len(d.Matches))
			}
		}
	}
}
