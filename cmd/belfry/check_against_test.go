package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/internal/impact"
	"github.com/belfry-bridge/belfry/internal/sandbox"
)

// againstRules gather for an hour, so that digests wait while they are asked about.
var againstRules = strings.Replace(e2eRules, "gather: {idle: 500ms, at_most: 2s}", "gather: {at_most: 30m}", 1)

// against is a running daemon with one digest that waits.
func against(t *testing.T) (check func(rules string, more ...string) (int, []impact.App, string), belfry func(args ...string) (int, string, string), url string) {
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
	ports, err := clientOf(nc, "BELFRY")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the committed state has the digest", func() bool {
		s, err := liveState(t.Context(), ports, "campus")
		return err == nil && s != nil && len(s.Digests) == 1
	})
	belfry = func(args ...string) (int, string, string) { return cliIn(t, rulesEnv(provider), args...) }
	check = func(rules string, more ...string) (int, []impact.App, string) {
		t.Helper()
		args := append([]string{"check", writeFile(t, "rules.yaml", rules), "--against", url, "--json"}, more...)
		code, out, errs := belfry(args...)
		var answer struct {
			Reload []impact.App `json:"reload"`
		}
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			t.Fatalf("check --against prints no JSON (exit %d): %v\n%s%s", code, err, out, errs)
		}
		return code, answer.Reload, was
	}
	return check, belfry, url
}

func TestCheckAgainstSaysWhatAReloadWouldDo(t *testing.T) {
	t.Parallel()
	check, belfry, url := against(t)
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
		{"the same file", againstRules, impact.Kept, impact.Same, "", ""},
		{"a longer window holds for events to come", replace("at_most: 30m", "at_most: 45m"), impact.Kept, impact.Same,
			"rule cancelled: gather at_most 45m instead of 30m (later, for events to come)", ""},
		{"another expiry holds for events to come", replace("expires_after: 1h", "expires_after: 40m"), impact.Kept, impact.Same,
			"rule cancelled: expires_after 40m instead of 1h (earlier, for events to come)", ""},
		{"a template under another name orphans", replace("lessons", "changes"), impact.Orphaned, impact.Never, "",
			`no rule uses the template "lessons" any more`},
		{"an audience under another name orphans", replace("students", "pupils"), impact.Orphaned, impact.Never, "",
			`the audience "students" is gone`},
		{"a new group opens other digests", replace("key: event.data.lesson_id", "key: event.data.lesson_id\n    group_by: event.data.course"),
			impact.ReKeyed, impact.Same, "", "events are grouped by event.data.course now"},
		{"other people", replace("package: com.example.student, platforms: [ios, android]", "package: com.example.student, platforms: [ios], tags: {all: [north]}"), impact.Kept, impact.Same, "",
			"it would go to the package com.example.student with all of the tags north on ios instead of the package com.example.student on android, ios"},
		{"single users instead of a package", replace("package: com.example.student, platforms", "users: event.data.users, platforms"), impact.Orphaned, impact.Never, "",
			`it is for all of the audience "students", which addresses single users now`},
		{"another key", replace("key: event.data.lesson_id", "key: event.data.course"), impact.Kept, impact.Same,
			"rule cancelled: key event.data.course instead of event.data.lesson_id", ""},
		{"another condition", replace("    when: event.data.notice_minutes < 120\n", ""), impact.Kept, impact.Same,
			"rule cancelled: when always instead of event.data.notice_minutes < 120", ""},
		{"another sender", replace("sender: office", "sender: dean"), impact.Kept, impact.Same, "sender: dean instead of office", ""},
		{"another App Key", replace("app_key: ${APP_KEY}", "app_key: another"), impact.Kept, impact.Never, "its App Key is another one: it is paused until belfry resume", "paused"},
		{"no sends at all", replace("quota: {policy: asap}", "quota: {policy: asap, per_day: 0}"), impact.Kept, impact.Never, "quota of the", ""},
		{"slots after its window", replace("quota: {policy: asap}", "quota: {policy: slots, slots: ["+slotIn(40*time.Minute)+"]}"),
			impact.Kept, impact.Later, "policy: slots instead of asap", ""},
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
		if d.Becomes != impact.Kept || d.Goes != impact.Unknown || d.Will.IsZero() {
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
		if d := impacts[0].Digests[0]; d.Goes != impact.Never || len(d.Why) != 1 || !strings.Contains(d.Why[0], "it cannot be rendered") {
			t.Errorf("it goes %s because %q", d.Goes, d.Why)
		}
	})
	t.Run("another app", func(t *testing.T) {
		_, impacts, _ := check(replace("campus", "annex"))
		if len(impacts) != 2 || impacts[0].Change != "added" || impacts[1].Change != "removed" || impacts[1].Digests[0].Becomes != impact.Orphaned {
			t.Errorf("%+v, want one app added and the other removed with its digest", impacts)
		}
	})
	t.Run("what it says of a digest is on its audience's clock", func(t *testing.T) {
		zoned := replace("package: com.example.student, platforms", "timezone: Asia/Kathmandu, package: com.example.student, platforms")
		code, out, errs := belfry("check", writeFile(t, "rules.yaml", zoned), "--against", url)
		if line := regexp.MustCompile(`would go at 2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d \+0545\n`); code != exitOK || !line.MatchString(out) {
			t.Errorf("exit %d, want %v in\n%s%s", code, line, out, errs)
		}
	})
	t.Run("for people", func(t *testing.T) {
		code, out, errs := belfry("check", writeFile(t, "rules.yaml", replace("lessons", "changes")), "--against", url, "--was", was)
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
	t.Parallel()
	_, belfry, url := against(t)
	rules := writeFile(t, "rules.yaml", againstRules)
	ask := func(more ...string) explained {
		t.Helper()
		code, out, errs := belfry(append([]string{"explain", "--rules", rules, "--stream", "SCHOOL", "--seq", "1", "--nats", url, "--json"}, more...)...)
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
		if code, _, errs := belfry("quota", "spend", "--why", "a campaign", "--id", id, "--nats", url); code != exitOK {
			t.Fatalf("quota spend: exit %d, %s", code, errs)
		}
	}
	live := ask("--live")
	if d := live.Digests[0]; !d.Goes.IsZero() || !strings.Contains(d.Why, "the quota frees one") {
		t.Errorf("with all sends spent it goes at %s: %s; want that it does not go before it expires", d.Goes, d.Why)
	}
	if code, _, errs := belfry("explain", "--rules", rules, "--stream", "SCHOOL", "--seq", "99", "--nats", url); code != exitFailed || !strings.Contains(errs, "cannot find the event 99") {
		t.Errorf("an event that is not there: exit %d, %s", code, errs)
	}
	if code, _, errs := belfry("explain", "--rules", rules, "--stream", "NOWHERE", "--seq", "1", "--nats", url); code != exitFailed || !strings.Contains(errs, `cannot find the stream "NOWHERE"`) {
		t.Errorf("a stream that is not there: exit %d, %s", code, errs)
	}
}
