package simulate

import (
	"context"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/internal/simulate/workload"
	"github.com/belfry-bridge/belfry/mapping"
)

// monday is the first day of every made-up history.
var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// town compiles a workload's rules.
func town(t testing.TB, w *workload.Workload, quota ...string) *mapping.RuleSet {
	t.Helper()
	rules, problems := mapping.Compile(w.Name, w.Rules(quota...), mapping.Options{})
	for _, p := range problems {
		t.Log(p)
	}
	if rules == nil {
		t.Fatalf("cannot compile the rules of %s", w.Name)
	}
	return rules
}

func TestProbe(t *testing.T) {
	towns := workload.Towns()
	w := &towns[0]
	for _, policy := range []mapping.Policy{"price", "asap"} {
		start := time.Now()
		r, err := Run(context.Background(), Config{Rules: town(t, w, "timezone: UTC"), Policy: policy}, w.Messages(1, monday, 30))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s earned %.0f bound %.0f score %.3f counts %+v took %s %+v", policy, r.Earned, r.Bound, r.Score, r.Counts, time.Since(start), r.Priorities)
	}
}
