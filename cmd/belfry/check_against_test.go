package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/sandbox"
	"github.com/belfry-bridge/belfry/mapping"
)

// againstRules gather for an hour, so that digests wait while they are asked about.
var againstRules = strings.Replace(e2eRules, "gather: {idle: 500ms, at_most: 2s}", "gather: {at_most: 30m}", 1)

// against is a running daemon with one digest that waits.
func against(t *testing.T) (check func(rules string, more ...string) (int, []impact, string), url string) {
	t.Helper()
	provider := startSandbox(t, sandbox.Config{})
	url, _ = startNATS(t, t.TempDir(), freePort(t))
	nc, js := connect(t, url)
	createSchool(t, js)
	was := writeFile(t, "was.yaml", againstRules)
	_, page := startBelfry(t, provider, url, was)
	lesson(t, js, 7, "Maths", 30)
	eventually(t, "a digest waits, and is committed", func() bool {
		s := overviewOf(t, page)
		return len(s.Digests) == 1 && !s.Committed.IsZero() && s.Counts.Read == 1
	})
	for _, v := range rulesEnv(provider) {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	ports, err := clientOf(nc, "BELFRY")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the committed state has the digest", func() bool {
		s, err := liveState(t.Context(), ports, "campus")
		return err == nil && s != nil && len(s.Digests) == 1
	})
	check = func(rules string, more ...string) (int, []impact, string) {
		t.Helper()
		args := append([]string{"check", writeFile(t, "rules.yaml", rules), "--against", url, "--json"}, more...)
		code, out, errs := cli(t, args...)
		var answer struct {
			Reload []impact `json:"reload"`
		}
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			t.Fatalf("check --against prints no JSON (exit %d): %v\n%s%s", code, err, out, errs)
		}
		return code, answer.Reload, was
	}
	return check, url
}

func TestCheckAgainstSaysWhatAReloadWouldDo(t *testing.T) {
	check, url := against(t)
	replace := func(from, to string) string {
		t.Helper()
		if !strings.Contains(againstRules, from) {
			t.Fatalf("the rules have no %q", from)
		}
		return strings.ReplaceAll(againstRules, from, to)
	}
	_, _, was := check(againstRules)
	tests := []struct {
		name    string
		rules   string
		becomes string
		goes    string // with --was
		change  string // among the changes
		why     string
	}{
		{"the same file", againstRules, digestKept, goesSame, "", ""},
		{"a longer window holds for events to come", replace("at_most: 30m", "at_most: 45m"), digestKept, goesSame,
			"rule cancelled: gather at_most 45m instead of 30m (later, for events to come)", ""},
		{"another expiry holds for events to come", replace("expires_after: 1h", "expires_after: 40m"), digestKept, goesSame,
			"rule cancelled: expires_after 40m instead of 1h (earlier, for events to come)", ""},
		{"a template under another name orphans", replace("lessons", "changes"), digestOrphaned, goesNever, "",
			`no rule uses the template "lessons" any more`},
		{"an audience under another name orphans", replace("students", "pupils"), digestOrphaned, goesNever, "",
			`the audience "students" is gone`},
		{"a new group opens other digests", replace("key: event.data.lesson_id", "key: event.data.lesson_id\n    group_by: event.data.course"),
			digestReKeyed, goesSame, "", "events are grouped by event.data.course now"},
		{"other people", replace("package: com.example.student, platforms: [ios, android]", "package: com.example.student, platforms: [ios], tags: {all: [north]}"), digestKept, goesSame, "",
			"it would go to the package com.example.student with all of the tags north on ios instead of the package com.example.student on android, ios"},
		{"single users instead of a package", replace("package: com.example.student, platforms", "users: event.data.users, platforms"), digestOrphaned, goesNever, "",
			`it is for all of the audience "students", which addresses single users now`},
		{"another key", replace("key: event.data.lesson_id", "key: event.data.course"), digestKept, goesSame,
			"rule cancelled: key event.data.course instead of event.data.lesson_id", ""},
		{"another condition", replace("    when: event.data.notice_minutes < 120\n", ""), digestKept, goesSame,
			"rule cancelled: when always instead of event.data.notice_minutes < 120", ""},
		{"another sender", replace("sender: office", "sender: dean"), digestKept, goesSame, "sender: dean instead of office", ""},
		{"another App Key", replace("app_key: ${APP_KEY}", "app_key: another"), digestKept, goesNever, "its App Key is another one: it is paused until belfry resume", "paused"},
		{"no sends at all", replace("quota: {policy: asap}", "quota: {policy: asap, per_day: 0}"), digestKept, goesNever, "quota of the", ""},
		{"slots after its window", replace("quota: {policy: asap}", "quota: {policy: slots, slots: ["+slotIn(40*time.Minute)+"]}"),
			digestKept, goesLater, "policy: slots instead of asap", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, impacts, _ := check(tt.rules, "--was", was)
			if code != exitOK || len(impacts) != 1 || len(impacts[0].Digests) != 1 {
				t.Fatalf("exit %d, %+v; want one app with one digest", code, impacts)
			}
			d := impacts[0].Digests[0]
			if d.Becomes != tt.becomes || d.Goes != tt.goes {
				t.Errorf("it becomes %s and goes %s, want %s and %s: %+v", d.Becomes, d.Goes, tt.becomes, tt.goes, d)
			}
			if tt.change != "" && !strings.Contains(strings.Join(impacts[0].Changes, "\n"), tt.change) {
				t.Errorf("changes %q, want %q among them", impacts[0].Changes, tt.change)
			}
			if !strings.Contains(strings.Join(d.Why, "\n"), tt.why) {
				t.Errorf("because %q, want %q", d.Why, tt.why)
			}
		})
	}

	t.Run("without the rules in force it says what cannot be known", func(t *testing.T) {
		_, impacts, _ := check(againstRules)
		d := impacts[0].Digests[0]
		if d.Becomes != digestKept || d.Goes != goesUnknown || d.Will.IsZero() {
			t.Errorf("%+v, want a digest that is kept, when it will go, and no word on before", d)
		}
		if all := strings.Join(impacts[0].Unknown, "\n"); !strings.Contains(all, "the daemon does not tell its rules; name their file with --was") {
			t.Errorf("not known: %q", all)
		}
	})
	t.Run("a digest that does not go says why", func(t *testing.T) {
		_, impacts, _ := check(replace("quota: {policy: asap}", "quota: {policy: asap, per_day: 0}"), "--was", was)
		if d := impacts[0].Digests[0]; !strings.Contains(strings.Join(d.Why, "\n"), "the quota leaves no send") {
			t.Errorf("because %q, want the quota, not the window that it gathers in at first", d.Why)
		}
	})
	t.Run("a digest that cannot be rendered is not said to go", func(t *testing.T) {
		_, impacts, _ := check(replace("{{ .Last.Text }}", "{{ .Last.Data.lesson_id.x }}"), "--was", was)
		if d := impacts[0].Digests[0]; d.Goes != goesNever || len(d.Why) != 1 || !strings.Contains(d.Why[0], "it cannot be rendered") {
			t.Errorf("it goes %s because %q", d.Goes, d.Why)
		}
	})
	t.Run("another app", func(t *testing.T) {
		_, impacts, _ := check(replace("campus", "annex"))
		if len(impacts) != 2 || impacts[0].Change != "added" || impacts[1].Change != "removed" || impacts[1].Digests[0].Becomes != digestOrphaned {
			t.Errorf("%+v, want one app added and the other removed with its digest", impacts)
		}
	})
	t.Run("for people", func(t *testing.T) {
		code, out, errs := cli(t, "check", writeFile(t, "rules.yaml", replace("lessons", "changes")), "--against", url, "--was", was)
		for _, want := range []string{"app campus: reloaded", "orphaned  students / lessons  1 item  would", `no rule uses the template "lessons" any more`} {
			if code != exitOK || !strings.Contains(out, want) {
				t.Errorf("exit %d, want %q in\n%s%s", code, want, out, errs)
			}
		}
	})
}

// slotIn is the time of day, in UTC, after a while.
func slotIn(d time.Duration) string { return `"` + time.Now().UTC().Add(d).Format("15:04") + `"` }

func TestExplainReadsStoredEventsAndTheLiveLedger(t *testing.T) {
	_, url := against(t)
	rules := writeFile(t, "rules.yaml", againstRules)
	ask := func(more ...string) explained {
		t.Helper()
		code, out, errs := cli(t, append([]string{"explain", "--rules", rules, "--stream", "SCHOOL", "--seq", "1", "--nats", url, "--json"}, more...)...)
		var all []explained
		if err := json.Unmarshal([]byte(out), &all); err != nil || code != exitOK || len(all) != 1 || len(all[0].Digests) != 1 {
			t.Fatalf("exit %d, %v\n%s%s", code, err, out, errs)
		}
		return all[0]
	}

	empty := ask()
	if d := empty.Digests[0]; empty.Ledger != "empty" || d.Digest != "" || d.Items != 1 || d.Goes.IsZero() || !strings.Contains(string(d.Request), "Maths") {
		t.Errorf("with an empty ledger: %+v; want a new digest that goes", d)
	}
	if live := ask("--live"); live.Ledger != "live" || live.Digests[0].Digest == "" || live.Digests[0].Items != 1 {
		t.Errorf("with the live ledger: %+v; want the digest that waits, the item in the place of the older one", live.Digests[0])
	}
	for _, id := range []string{"x1", "x2", "x3"} {
		if code, _, errs := cli(t, "quota", "spend", "--why", "a campaign", "--id", id, "--nats", url); code != exitOK {
			t.Fatalf("quota spend: exit %d, %s", code, errs)
		}
	}
	live := ask("--live")
	if d := live.Digests[0]; !d.Goes.IsZero() || !strings.Contains(d.Why, "the quota frees one") {
		t.Errorf("with all sends spent it goes at %s: %s; want that it does not go before it expires", d.Goes, d.Why)
	}
	if code, _, errs := cli(t, "explain", "--rules", rules, "--stream", "SCHOOL", "--seq", "99", "--nats", url); code != exitFailed || !strings.Contains(errs, "cannot find the event 99") {
		t.Errorf("an event that is not there: exit %d, %s", code, errs)
	}
	if code, _, errs := cli(t, "explain", "--rules", rules, "--stream", "NOWHERE", "--seq", "1", "--nats", url); code != exitFailed || !strings.Contains(errs, `cannot find the stream "NOWHERE"`) {
		t.Errorf("a stream that is not there: exit %d, %s", code, errs)
	}
}

// No rule of those in force has opened it: nothing is grouped in another way.
func TestAnOrphanThatTheRulesNameAgainReturns(t *testing.T) {
	app := func(audience string) *mapping.App {
		return &mapping.App{
			Audiences: map[string]*mapping.Audience{audience: {Package: "com.example.student"}}, Templates: map[string]*mapping.Template{"lessons": {}},
			Rules: []*mapping.Rule{{Name: "cancelled", Audience: audience, Template: "lessons"}},
		}
	}
	d := bridge.DigestStatus{Explanation: bridge.Explanation{Audience: "students", Template: "lessons", State: bridge.StateOrphaned}}
	if x := impactOn(d, app("pupils"), app("students"), nil, nil); x.Becomes != digestReturns || len(x.Why) > 0 {
		t.Errorf("it becomes %s because %q", x.Becomes, x.Why)
	}
}

func TestStreamsThatAreReadAnewOrNoLongerAreTold(t *testing.T) {
	school, annex := mapping.Source{Stream: "SCHOOL"}, mapping.Source{Stream: "ANNEX", Start: mapping.Start{Mode: mapping.StartAll}}
	state := &bridge.State{Sources: map[string]bridge.Checkpoint{"SCHOOL": {Sequence: 7}}}
	for want, x := range map[string]struct{ old, will []mapping.Source }{
		"": {[]mapping.Source{school}, []mapping.Source{school}},
		"stream SCHOOL: no longer read; where reading was is kept for when it is named again; stream ANNEX: read, too, from where its start says: all that it has": {
			[]mapping.Source{school}, []mapping.Source{annex}},
		"stream SCHOOL: read, too, from where reading was":                                 {[]mapping.Source{annex}, []mapping.Source{annex, school}},
		"stream ANNEX: read, too, from where its start says: all that it has":              {nil, []mapping.Source{school, annex}},
		"sources: none; the server is asked which stream stores each subject of the rules": {[]mapping.Source{school}, nil},
	} {
		if got := strings.Join(sourceChanges(x.old, x.will, state), "; "); got != want {
			t.Errorf("from %v to %v:\n%q, want\n%q", x.old, x.will, got, want)
		}
	}
}

func TestChangesOfRulesAreNamedAsTheRulesWriteThem(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 90 * time.Second: "1m30s", 45 * time.Minute: "45m", time.Hour: "1h", 25 * time.Hour: "25h", 48 * time.Hour: "48h",
		time.Hour + time.Second: "1h0m1s", 500 * time.Millisecond: "500ms",
	} {
		if got := mapping.FormatSpan(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
		if back, err := mapping.ParseSpan(mapping.FormatSpan(d)); err != nil || back != d {
			t.Errorf("%s is read as %v, %v", mapping.FormatSpan(d), back, err)
		}
	}
	with := func(slots ...time.Duration) *mapping.App {
		return &mapping.App{Quota: mapping.Quota{Policy: mapping.PolicySlots, Slots: slots}}
	}
	if got := ruleChanges(with(9*time.Hour), with(9*time.Hour, 18*time.Hour+30*time.Minute), nil); len(got) != 1 || got[0] != "slots: 09:00, 18:30 instead of 09:00" {
		t.Errorf("other slots are %q", got)
	}
	rules := func(rules ...*mapping.Rule) *mapping.App { return &mapping.App{Rules: rules} }
	waits := &bridge.State{Digests: []*bridge.Digest{{Items: []mapping.Item{{Rule: "moved"}, {Rule: "other"}}}}}
	back := &mapping.Rule{Name: "back", Cancels: []string{"moved"}}
	got := ruleChanges(rules(&mapping.Rule{Name: "moved"}, back), rules(&mapping.Rule{Name: "shifted"}, &mapping.Rule{Name: "back", Cancels: []string{"shifted"}}), waits)
	want := []string{"rule back: cancels shifted instead of moved", "rule shifted: new", "rule moved: gone; what it has gathered stays, and nothing cancels it any more: 1 item"}
	if !slices.Equal(got, want) {
		t.Errorf("a rule under another name is %q, want %q", got, want)
	}
}
