package simulate

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/internal/simulate/workload"
	"github.com/belfry-bridge/belfry/mapping"
)

// The long tables take minutes each:
//
//	go test ./internal/simulate -run ScoreTable -timeout 1h -table -update
//	go test ./internal/simulate -run ScoreTable -timeout 1h -table -table.rolling -update
var (
	long      = flag.Bool("table", false, "run the long score table")
	update    = flag.Bool("update", false, "write the score table into docs/planner.md")
	tableDays = flag.Int("table.days", 30, "days of each history")
	anyDay    = flag.Bool("table.rolling", false, "any 25 hours instead of the calendar day")
	tableSeed = flag.Int("table.seeds", 10, "histories of each workload")
)

// monday is the first day of every made-up history.
var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// contender is one column of the table.
type contender struct {
	name  string
	quota []string
	fifo  bool
}

func contenders() []contender {
	return []contender{
		{"asap", []string{"policy: asap"}, true},
		{"priority", []string{"policy: asap"}, false},
		{"reserve", []string{"policy: asap", "reserve: {high: 1}"}, false},
		{"slots", []string{"policy: slots", `slots: ["09:00", "13:00", "18:00"]`}, false},
		{"price", []string{"policy: price"}, false},
	}
}

// town compiles a workload's rules.
func town(t testing.TB, w *workload.Workload, quota ...string) *mapping.App {
	t.Helper()
	return compiled(t, w.Rules(quota...))
}

// scored is one cell: a policy on one history.
func scored(t testing.TB, w *workload.Workload, c contender, seed uint64, days, learn int, bounded bool) Report {
	t.Helper()
	lines := c.quota
	if !*anyDay {
		lines = append([]string{"timezone: UTC"}, lines...)
	}
	config := Config{App: town(t, w, lines...), SkipBound: !bounded, Keep: 1 << 20, Learn: learn}
	if c.fifo {
		config.Policy = bridge.PolicyFIFO
	}
	r, err := Run(context.Background(), config, w.Messages(seed, monday.AddDate(0, 0, -learn), learn+days))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Failures) > 0 {
		t.Fatalf("not rendered: %v", r.Failures)
	}
	return r
}

// line is one row of the table.
type tableLine struct {
	Name, About   string
	Part          workload.Part
	Scores        map[string]float64 // mean over the seeds
	Worst         float64            // of price over the seeds
	Learnt        float64            // of price after two weeks of watching
	Gap           float64            // of the bound
	Urgent, Later int                // urgent items delivered with price, and more than five minutes after their arrival
	Held          int                // of the later ones, those for which a send was left all the time
}

func score(t testing.TB, w *workload.Workload, seeds, days int) tableLine {
	l := tableLine{Name: w.Name, About: w.About, Part: w.Part, Scores: map[string]float64{}, Worst: 1}
	for seed := range uint64(seeds) {
		limit := 0.0
		for i, c := range contenders() {
			r := scored(t, w, c, seed+1, days, 0, i == 0)
			if i == 0 {
				limit = r.Bound
				l.Gap += (1 - r.Reached/r.Bound) / float64(seeds)
			}
			score := r.Earned / limit
			if score > 1 {
				t.Errorf("%s, seed %d: %s scores %.3f, more than the bound", w.Name, seed, c.name, score)
			}
			l.Scores[c.name] += score / float64(seeds)
			if c.name == "price" {
				l.Worst = min(l.Worst, score)
				l.countUrgent(&r)
				r := scored(t, w, c, seed+1, days, watched, true)
				l.Learnt += r.Score / float64(seeds)
			}
		}
	}
	return l
}

// watched is how long the planner has watched a town in the column that says
// what it comes to afterwards.
const watched = 14

func (l *tableLine) countUrgent(r *Report) {
	limits := bridge.LimitsFor(r.quota)
	left := func(at time.Time) bool {
		var led quota.Ledger
		for _, b := range r.Broadcasts {
			if !b.At.After(at) {
				led.External("", b.At, "")
			}
		}
		return limits.Left(&led, at) > 0
	}
	for _, f := range r.Events {
		if f.Came != Delivered || *f.Priority != mapping.Urgent {
			continue
		}
		l.Urgent++
		if end := f.Arrived.Add(5 * time.Minute); f.Ended.After(end) {
			l.Later++
			if left(f.Arrived) && left(end) {
				l.Held++
			}
		}
	}
}

func TestScoreTable(t *testing.T) {
	if !*long {
		t.Skip("takes minutes; run it with -table, and with -update to write docs/planner.md")
	}
	towns := workload.Towns()
	lines := make([]tableLine, len(towns))
	t.Run("towns", func(t *testing.T) {
		for i := range towns {
			t.Run(towns[i].Name, func(t *testing.T) {
				t.Parallel()
				lines[i] = score(t, &towns[i], *tableSeed, *tableDays)
				if n := lines[i].Held; n > 0 {
					t.Errorf("%d urgent items waited for more than five minutes although a send was left", n)
				}
				b, _ := json.Marshal(lines[i])
				fmt.Println(string(b))
			})
		}
	})
	table := markdown(lines, *tableSeed, *tableDays)
	t.Log("\n" + table)
	if *update {
		which := "calendar day"
		if *anyDay {
			which = "any 25 hours"
		}
		writeTable(t, "../../docs/planner.md", which, table)
	}
}

func markdown(lines []tableLine, seeds, days int) string {
	var b strings.Builder
	day := "in a calendar day"
	if *anyDay {
		day = "in any 25 hours"
	}
	fmt.Fprintf(&b, "%d days and %d seeds each; 2 sends an hour and 3 %s. The bound is at most the gap too high.\n\n", days, seeds, day)
	b.WriteString("| workload | asap | priority | reserve | slots | price | worst seed | after two weeks | gap | urgent within 5 min |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for part, name := range []string{"looked at while building", "kept aside", "made up afterwards"} {
		mean, learnt, n := map[string]float64{}, 0.0, 0.0
		for _, l := range lines {
			if l.Part != workload.Part(part) {
				continue
			}
			urgent := "–"
			if l.Urgent > 0 {
				urgent = fmt.Sprintf("%d of %d", l.Urgent-l.Later, l.Urgent)
			}
			fmt.Fprintf(&b, "| %s | %.2f | %.2f | %.2f | %.2f | **%.2f** | %.2f | **%.2f** | %.3f | %s |\n", l.Name, l.Scores["asap"],
				l.Scores["priority"], l.Scores["reserve"], l.Scores["slots"], l.Scores["price"], l.Worst, l.Learnt, l.Gap, urgent)
			n++
			learnt += l.Learnt
			for k, v := range l.Scores {
				mean[k] += v
			}
		}
		fmt.Fprintf(&b, "| *mean of those %s* | %.2f | %.2f | %.2f | %.2f | **%.3f** | | **%.3f** | | |\n", name, mean["asap"]/n, mean["priority"]/n,
			mean["reserve"]/n, mean["slots"]/n, mean["price"]/n, learnt/n)
	}
	return b.String()
}

// writeTable replaces what stands between the markers.
func writeTable(t testing.TB, file, which, table string) {
	t.Helper()
	begin := "<!-- score table, " + which + ": generated, see internal/simulate/table_test.go -->\n"
	const end = "<!-- end of score table -->"
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(old), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("cannot find the markers of the score table in %s", file)
	}
	if err := os.WriteFile(file, []byte(before+begin+table+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
