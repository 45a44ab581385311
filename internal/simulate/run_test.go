package simulate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/internal/simulate/workload"
	"github.com/belfry-bridge/belfry/mapping"
)

func named(t testing.TB, name string) *workload.Workload {
	t.Helper()
	for _, w := range workload.Towns() {
		if w.Name == name {
			return &w
		}
	}
	t.Fatalf("there is no workload %q", name)
	return nil
}

const smallRules = `version: 1
apps:
  town:
    app_key: key
    app_secret: secret-of-the-town
    base_urls: ["https://provider.example.com"]
    sender: town
    packages: [com.example.town]
    quota: {per_hour: 2, per_day: 3, timezone: UTC, policy: asap}
audiences:
  all: {app: town, package: com.example.town, platforms: [ios], tags: {all: [all]}}
templates:
  news:
    gather: {at_most: 10m}
    expires_after: 2h
    message: {type: "RC:TxtMsg", content: {content: "{{ .Count }} new"}}
    notification: {title: news, alert: "{{ .Count }} new"}
rules:
  - {name: news, on: town.news, audience: all, template: news, item: "{{ .data.text }}", key: event.data.id}
  - {name: taken-back, on: town.taken-back, cancels: [news], key: event.data.id}
`

const smallHistory = `{"at":"2026-03-02T09:00:00Z","subject":"town.news","id":"e1","data":{"id":1,"text":"one"}}
{"at":"2026-03-02T09:01:00Z","subject":"town.news","id":"e2","data":{"id":2,"text":"two"}}
{"at":"2026-03-02T09:02:00Z","subject":"town.news","id":"e3","data":{"id":1,"text":"one again"}}
{"at":"2026-03-02T09:03:00Z","subject":"town.taken-back","id":"e4","data":{"id":2}}
{"at":"2026-03-02T09:04:00Z","subject":"town.other","id":"e5","data":{}}

{"at":"2026-03-02T09:20:00Z","subject":"town.news","id":"e6","data":{"id":6,"text":"six"}}
{"at":"2026-03-02T09:40:00Z","subject":"town.news","id":"e7","data":{"id":7,"text":"seven"}}
{"at":"2026-03-02T09:50:00Z","subject":"town.taken-back","id":"e8","data":{}}
{"at":"2026-03-02T09:51:00Z","subject":"town.news","text":"half of"}
`

// compiled is the app that all rules here have.
func compiled(t testing.TB, src []byte) *mapping.App {
	t.Helper()
	rules, problems := mapping.Compile("town.yaml", src, mapping.Options{})
	if rules == nil {
		t.Fatalf("%v\n%s", problems, src)
	}
	return rules.Apps["town"]
}

func small(t testing.TB) *mapping.App { return compiled(t, []byte(smallRules)) }

func TestARunTellsWhatEveryEventCameTo(t *testing.T) {
	r, err := Run(context.Background(), Config{App: small(t)}, ReadLines(strings.NewReader(smallHistory), "TOWN"))
	if err != nil {
		t.Fatal(err)
	}
	came := map[string]string{}
	for _, f := range r.Events {
		came[f.Event] = f.Came
	}
	want := map[string]string{
		"e1": Replaced, "e2": Cancelled, "e3": Delivered, "e4": Cancels, "e5": Unmatched, "e6": Delivered, "e7": Delivered,
		"e8": Failed, "TOWN:10": DeadLetter,
	}
	if diff := cmp.Diff(want, came); diff != "" {
		t.Error(diff)
	}
	var sent []string
	for _, b := range r.Broadcasts {
		sent = append(sent, b.At.Format("15:04 ")+strings.Join(b.EventIDs, " "))
	}
	if diff := cmp.Diff([]string{"09:10 e3", "09:30 e6", "10:10 e7"}, sent); diff != "" {
		t.Error(diff) // the third waits for the hour, and for the guard of five seconds
	}
	if r.Score <= 0 || r.Score > 1 || r.Earned > r.Bound {
		t.Errorf("earned %v of %v, score %v", r.Earned, r.Bound, r.Score)
	}
}

func TestAReportIsAnObjectWithBroadcastsEarnedBoundAndScore(t *testing.T) {
	r, err := Run(context.Background(), Config{App: small(t)}, ReadLines(strings.NewReader(smallHistory), "TOWN"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(&r)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Broadcasts []struct {
			At       time.Time
			Audience string
			Template string
			EventIDs []string `json:"event_ids"`
		}
		Earned, Bound, Score *float64
		Priorities           []struct {
			Median int `json:"median_delay_seconds"`
		}
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Broadcasts) != 3 || got.Broadcasts[0].Audience != "all" || got.Earned == nil || got.Bound == nil || got.Score == nil {
		t.Errorf("got %s", b)
	}
	if len(got.Priorities) != 1 || got.Priorities[0].Median < 400 {
		t.Errorf("got priorities %+v", got.Priorities)
	}
}

func TestAHistoryHasHeadersAndTextAsRuleTestsDo(t *testing.T) {
	const lines = `{"at":"2026-03-02T09:00:00Z","subject":"a","id":"7","headers":{"Foo":"bar","Many":["x","y"]},"text":"{broken"}` + "\n" +
		`{"at":"2026-03-02T09:00:01Z","subject":"a","data":{"n":1}}`
	var got []mapping.Message
	for m, err := range ReadLines(strings.NewReader(lines), "TOWN") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m)
	}
	want := map[string][]string{"Foo": {"bar"}, "Many": {"x", "y"}, "Nats-Msg-Id": {"7"}}
	if diff := cmp.Diff(want, got[0].Header); diff != "" || string(got[0].Data) != "{broken" || string(got[1].Data) != `{"n":1}` {
		t.Errorf("%s data %q, %q", diff, got[0].Data, got[1].Data)
	}
}

func TestAHistoryThatCannotBeReadNamesTheLine(t *testing.T) {
	tests := []struct{ name, lines, want string }{
		{"not JSON", "{\n", "line 1"},
		{"no time", `{"at":"2026-03-02T09:00:00Z","subject":"a"}` + "\n" + `{"subject":"a"}`, "line 2"},
		{"out of order", `{"at":"2026-03-02T09:00:00Z","subject":"a"}` + "\n" + `{"at":"2026-03-02T08:00:00Z","subject":"a"}`, "line 2 of the history: it is at 2026-03-02T08:00:00Z, and line 1"},
		{"a header that is none", `{"at":"2026-03-02T09:00:00Z","subject":"a","headers":{"Foo":5}}`, "line 1 of the history: a header is a text, or a list of texts"},
		{"a line too long", `{"at":"2026-03-02T09:00:00Z","subject":"a"}` + "\n" + `{"at":"` + strings.Repeat("x", maxLine), "line 2 of the history: it is longer than 8 MiB"},
		{"compressed", "\x1f\x8b\x08\x00", "gunzip -c"},
		{"a wrong year", `{"at":"2026-03-02T09:00:00Z","subject":"a"}` + "\n" + `{"at":"2062-03-02T09:00:00Z","subject":"a"}`, "is a year wrong?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Run(context.Background(), Config{App: small(t)}, ReadLines(strings.NewReader(tt.lines), "TOWN"))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want a word on %s", err, tt.want)
			}
		})
	}
}

func TestAnEventForManyUsersIsShownInEachOfItsBroadcasts(t *testing.T) {
	src := strings.Replace(smallRules, "package: com.example.town, platforms: [ios], tags: {all: [all]}", "users: event.data.users, platforms: [ios]", 1)
	if src == smallRules {
		t.Fatal("the rules have no such audience")
	}
	users := make([]string, 1001)
	for i := range users {
		users[i] = strconv.Quote(fmt.Sprint("u", i))
	}
	history := `{"at":"2026-03-02T09:00:00Z","subject":"town.news","id":"e1","data":{"id":1,"text":"one","users":[` + strings.Join(users, ",") + `]}}`
	r, err := Run(context.Background(), Config{App: compiled(t, []byte(src))}, ReadLines(strings.NewReader(history), "TOWN"))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Broadcasts) != 2 {
		t.Fatalf("%d broadcasts, want 2", len(r.Broadcasts))
	}
	for _, b := range r.Broadcasts {
		if b.Items != 1 || !slices.Equal(b.EventIDs, []string{"e1"}) {
			t.Errorf("a broadcast of %d items, %v", b.Items, b.EventIDs)
		}
	}
}

func TestABlankLineAndAByteOrderMarkArePassedOver(t *testing.T) {
	history := "\uFEFF" + strings.Replace(smallHistory, "\n", "\n \n", 1)
	if _, err := Run(context.Background(), Config{App: small(t)}, ReadLines(strings.NewReader(history), "TOWN")); err != nil {
		t.Error(err)
	}
}

// months is for tests that simulate days or months in one goroutine, and not for
// -short: the run under the race detector would take ten times as long, and find nothing.
func months(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("simulates long, in one goroutine")
	}
}

func TestASimulationNeverExceedsAWindow(t *testing.T) {
	months(t)
	for _, name := range []string{"school bursts", "night shift"} {
		w := named(t, name)
		for _, zone := range []string{"timezone: UTC", "timezone: Asia/Singapore", "policy: price"} {
			app := town(t, w, zone)
			r, err := Run(context.Background(), Config{App: app, SkipBound: true}, w.Messages(3, monday, 10))
			if err != nil {
				t.Fatal(err)
			}
			limits := bridge.LimitsFor(app.Quota)
			var led quota.Ledger
			for _, b := range r.Broadcasts {
				if limits.Left(&led, b.At) == 0 {
					t.Fatalf("%s, %s: the send at %s is one too many", name, zone, b.At)
				}
				led.External("", b.At, "")
			}
			if len(r.Broadcasts) < 15 {
				t.Errorf("%s, %s: only %d broadcasts in ten days", name, zone, len(r.Broadcasts))
			}
		}
	}
}

func TestTheSameHistoryGivesTheSameReport(t *testing.T) {
	months(t)
	w := named(t, "mixture")
	a, b := scored(t, w, contenders()[4], 7, 5, 0, true), scored(t, w, contenders()[4], 7, 5, 0, true)
	aj, _ := json.Marshal(a)
	bj, _ := json.Marshal(b)
	if !bytes.Equal(aj, bj) {
		t.Error("two runs differ")
	}
}

func TestPriceEarnsMoreThanTheOtherPolicies(t *testing.T) {
	months(t)
	for _, name := range []string{"steady shop", "school bursts", "weekend market"} {
		w := named(t, name)
		var earned []float64
		for _, c := range contenders() {
			earned = append(earned, scored(t, w, c, 1, 14, 0, false).Earned)
		}
		if price := earned[len(earned)-1]; slices.Max(earned) != price {
			t.Errorf("%s: price earns %.0f, the policies %.0f", name, price, earned)
		}
	}
}

func TestTuningPutsTheRulesAsTheyAreFirst(t *testing.T) {
	months(t)
	w := named(t, "steady shop")
	tuning := Tuning{
		Policies: []mapping.Policy{mapping.PolicyASAP}, Slots: [][]time.Duration{{9 * time.Hour, 18 * time.Hour}},
		Reserves: []map[mapping.Priority]int{{mapping.Urgent: 1}}, Windows: []float64{0.5, 2},
		Worths: []map[mapping.Priority]float64{{mapping.High: 30}},
	}
	trials, err := Tune(context.Background(), Config{App: town(t, w, "timezone: UTC")}, tuning,
		func() History { return w.Messages(1, monday, 5) })
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range trials {
		names = append(names, r.Name)
		if r.Earned <= 0 || r.Score <= 0 || r.Score > 1 {
			t.Errorf("%+v", r)
		}
	}
	if names[0] != "as it is" {
		t.Errorf("the first trial is %s", names[0])
	}
	slices.Sort(names)
	want := []string{"as it is", "gathering windows × 0.5", "gathering windows × 2", "policy: asap",
		"policy: slots, at 09:00 18:00", "reserve: {urgent: 1}", "worth: {high: 30}"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	var b bytes.Buffer
	if err := WriteTrials(&b, trials); err != nil || !strings.Contains(b.String(), "policy: asap") {
		t.Errorf("got %q, %v", b.String(), err)
	}
}

// What is suggested must be what comes of it.
func TestATrialOfWindowsSendsWhenRulesWithSuchWindowsDo(t *testing.T) {
	months(t)
	for _, name := range []string{"school bursts", "two rushes"} {
		w := named(t, name)
		trials, err := Tune(context.Background(), Config{App: town(t, w, "timezone: UTC")}, Tuning{Windows: []float64{0.25}},
			func() History { return w.Messages(1, monday, 5) })
		if err != nil {
			t.Fatal(err)
		}
		quarter := regexp.MustCompile(`(idle|at_most): ([0-9hms]+)`).ReplaceAllFunc(w.Rules("timezone: UTC"), func(b []byte) []byte {
			key, value, _ := strings.Cut(string(b), ": ")
			d, err := time.ParseDuration(value)
			if err != nil {
				t.Fatal(err)
			}
			return []byte(key + ": " + (d / 4).String())
		})
		r, err := Run(context.Background(), Config{App: compiled(t, quarter), SkipBound: true}, w.Messages(1, monday, 5))
		if err != nil {
			t.Fatal(err)
		}
		late := cmpopts.IgnoreFields(ByPriority{}, "Late") // that is judged by the windows
		if diff := cmp.Diff(r.Priorities, trials[1].Priorities, late); diff != "" || trials[1].Broadcasts != len(r.Broadcasts) {
			t.Errorf("%s: %d broadcasts in the trial, %d when applied; %s", name, trials[1].Broadcasts, len(r.Broadcasts), diff)
		}
	}
}

func TestTuningTriesWhatUrgencyCosts(t *testing.T) {
	months(t)
	for name, want := range map[string][]string{
		"school bursts": {"as it is", "urgent_at_once: false"},
		"steady shop":   {"as it is"}, // nothing is urgent there
	} {
		w := named(t, name)
		trials, err := Tune(context.Background(), Config{App: town(t, w, "timezone: UTC")}, Tuning{Urgent: true},
			func() History { return w.Messages(1, monday, 5) })
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, r := range trials {
			names = append(names, r.Name)
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestDaysOfLearningDoNotCount(t *testing.T) {
	months(t)
	w := named(t, "school bursts")
	whole, later := scored(t, w, contenders()[4], 1, 15, 0, true), scored(t, w, contenders()[4], 1, 5, 10, true)
	if want := later.From.AddDate(0, 0, 10).Truncate(24 * time.Hour); !later.Since.Equal(want) {
		t.Errorf("counts from %s, want %s", later.Since, want)
	}
	if later.Counts.Matched == 0 || later.Earned <= 0 || later.Earned >= whole.Earned {
		t.Errorf("5 of 15 days have earned %.0f, all of them %.0f", later.Earned, whole.Earned)
	}
	items := 0
	for _, p := range later.Priorities {
		items += p.Items
	}
	listed := 0
	for _, e := range later.Events {
		if e.Priority == nil { // no item
			continue
		}
		if listed++; e.Arrived.Before(later.Since) {
			items++
		}
	}
	if items != listed {
		t.Errorf("%d items are counted or came before, of %d", items, listed)
	}
	if later.Score <= 0 || later.Score > 1 || later.Bound >= whole.Bound {
		t.Errorf("score %.2f, bound %.0f of %.0f", later.Score, later.Bound, whole.Bound)
	}
}

func TestTheReportsAreWritten(t *testing.T) {
	months(t)
	w := named(t, "school bursts")
	r := scored(t, w, contenders()[4], 1, 30, 0, true)
	var page, text, both bytes.Buffer
	if err := r.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	if file := os.Getenv("BELFRY_REPORT"); file != "" {
		if err := os.WriteFile(file, page.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	many := r
	many.quota.PerDay = 8
	if err := many.WriteHTML(&both); err != nil || !strings.Contains(both.String(), " of 8</text>") || strings.Contains(page.String(), " of 3</text>") {
		t.Errorf("error %v; sends are not counted where they are too many to be drawn", err)
	}
	both.Reset()
	for _, want := range []string{"<svg", "students/lessons", "Mon 2 Mar", "of at most", fmt.Sprintf("with hindsight %.0f can be reached", r.Reached),
		"print-color-adjust: exact; forced-color-adjust: none", "@media print { .wide svg { min-width: 0 } }", "<main>"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page.String(), "ZgotmplZ") {
		t.Error("the template has refused a value of ours, such as a colour")
	}
	if strings.Contains(page.String(), "http://") || strings.Contains(page.String(), "src=") {
		t.Error("the page is not self-contained")
	}
	if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), "score 0.") {
		t.Errorf("got %q, %v", text.String(), err)
	}
	c := Compare("now", r, "then", scored(t, w, contenders()[0], 1, 30, 0, true))
	if err := c.WriteText(&both); err != nil || !strings.Contains(both.String(), "urgent worst delay") ||
		!strings.Contains(both.String(), fmt.Sprintf(" can be reached      %.1f", r.Reached)) {
		t.Errorf("got %q, %v", both.String(), err)
	}
	page.Reset()
	if err := c.WriteHTML(&page); err != nil || strings.Count(page.String(), "<svg") != 2 ||
		!strings.Contains(page.String(), "town with now:") || !strings.Contains(page.String(), "town with then:") {
		t.Errorf("the page of both runs has %d pictures, %v", strings.Count(page.String(), "<svg"), err)
	}
}

// BenchmarkNinetyDays is the promise that 90 days with 100,000 events take
// less than 10 seconds, the bound included.
func BenchmarkNinetyDays(b *testing.B) {
	w := named(b, "low flood")
	for i := range w.Streams {
		if starts := w.Streams[i].Starts; i == 0 {
			w.Streams[i].Starts = func(d time.Weekday, h int) float64 { return 2.1 * starts(d, h) }
		}
	}
	for b.Loop() {
		r, err := Run(context.Background(), Config{App: town(b, w, "timezone: UTC")}, w.Messages(1, monday, 90))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(r.Counts.Read), "events")
		b.ReportMetric(r.Score, "score")
	}
}
