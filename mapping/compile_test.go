package mapping_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-bridge/belfry/mapping"
)

func compileText(src string) (*mapping.RuleSet, mapping.Problems) {
	return mapping.Compile("rules.yaml", []byte(src), mapping.Options{LookupEnv: campusEnv()})
}

func compileSource(t testing.TB, src string) *mapping.RuleSet {
	t.Helper()
	set, problems := compileText(src)
	if problems.HasErrors() {
		t.Fatalf("%s\n%s", problems.Text(), src)
	}
	return set
}

func TestWhatIsNotSaidHasASafeDefault(t *testing.T) {
	app := school{}.compile(t)
	q := app.Quota
	if q.PerHour != 2 || q.PerDay != 3 || q.Location != nil || q.Policy != mapping.PolicyPrice || !q.CountRejected || !q.UrgentAtOnce || len(q.Worth) != 4 {
		t.Errorf("quota = %+v", q)
	}
	want := &mapping.Template{Gather: mapping.Gather{AtMost: 15 * time.Minute}, Keep: 20, ExpiresAfter: 6 * time.Hour, WhenInDoubt: mapping.HoldInDoubt}
	if diff := cmp.Diff(want, app.Templates["changes"]); diff != "" {
		t.Error(diff)
	}
	if a := app.Audiences["students"]; a.Everyone || a.HasUsers || a.QuietHours != nil || !cmp.Equal(a.Platforms, []string{"ios", "android"}) {
		t.Errorf("audience = %+v", a)
	}
	if diff := cmp.Diff([]string{"https://api.sg-light-api.com", "https://api-b.sg-light-api.com"}, app.BaseURLs); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsSaidIsWhatTheProgramGets(t *testing.T) {
	app := school{
		app: `quota:
  per_hour: 1
  timezone: Asia/Tokyo
  policy: slots
  slots: ["18:00", "09:30"]
  reserve: {urgent: 1, high: 1}
  worth: {low: 0.5}
  count_rejected: false
  urgent_at_once: false`,
		audience: `quiet_hours: "22:00-07:30"
quiet_for: all
tags: {all: [a, b], any: [c]}`,
		template: `gather: {idle: 1m, at_most: 1h, max_items: 9}
keep: 3
expires_after: 2d
when_in_doubt: assume_sent`,
		rule: "gather: {at_most: 2h}\npriority: low",
	}.compile(t)
	q := app.Quota
	if q.PerHour != 1 || q.PerDay != 3 || q.Location.String() != "Asia/Tokyo" || q.SlotLocation != q.Location || q.Policy != mapping.PolicySlots ||
		!cmp.Equal(q.Slots, []time.Duration{9*time.Hour + 30*time.Minute, 18 * time.Hour}) || q.CountRejected || q.UrgentAtOnce ||
		!cmp.Equal(q.Reserve, map[mapping.Priority]int{mapping.Urgent: 1, mapping.High: 1}) || q.Worth[mapping.Low] != 0.5 || q.Worth[mapping.Urgent] != 30 {
		t.Errorf("quota = %+v", q)
	}
	a := app.Audiences["students"]
	if diff := cmp.Diff(&mapping.QuietHours{From: 22 * time.Hour, To: 7*time.Hour + 30*time.Minute, ForAll: true}, a.QuietHours); diff != "" {
		t.Error(diff)
	}
	if !cmp.Equal(a.TagsAll, []string{"a", "b"}) || !cmp.Equal(a.TagsAny, []string{"c"}) {
		t.Errorf("audience = %+v", a)
	}
	tpl := app.Templates["changes"]
	if tpl.Keep != 3 || tpl.ExpiresAfter != 48*time.Hour || tpl.WhenInDoubt != mapping.AssumeSent {
		t.Errorf("template = %+v", tpl)
	}
	r := app.Rules[0]
	if diff := cmp.Diff(mapping.Gather{Idle: time.Minute, AtMost: 2 * time.Hour, MaxItems: 9}, r.Gather); diff != "" || r.Priority != mapping.Low || r.ExpiresAfter != 48*time.Hour {
		t.Errorf("%s\nrule = %+v", diff, r)
	}
}

func TestValuesComeFromTheEnvironmentAndFromFiles(t *testing.T) {
	src := strings.NewReplacer("app_key: key", "app_key: ${KEY:-dev}-$${x}", "app_secret: ${CAMPUS_APP_SECRET}", "app_secret_file: ${DIR}/campus", "region: singapore", `base_urls: ["${URL:-http://sandbox:8080}/"]`).Replace(school{}.source())
	read := func(path string) ([]byte, error) { return []byte("from " + path + "\n"), nil }
	set, problems := mapping.Compile("rules.yaml", []byte(src), mapping.Options{LookupEnv: env(map[string]string{"DIR": "/run"}), ReadFile: read})
	if problems.HasErrors() {
		t.Fatal(problems.Text())
	}
	app := set.Apps["campus"]
	if app.Key != "dev-${x}" || app.Secret.Reveal() != "from /run/campus" || !cmp.Equal(app.BaseURLs, []string{"http://sandbox:8080"}) {
		t.Errorf("key = %q, secret = %q, base URLs = %q", app.Key, app.Secret.Reveal(), app.BaseURLs)
	}
}

func TestSourcesSayWhereToBegin(t *testing.T) {
	src := school{}.source() + `sources:
  a: {stream: A}
  b: {stream: B, start: all}
  c: {stream: C, start: 2026-11-01T00:00:00Z}
`
	want := []mapping.Source{
		{Stream: "A", Start: mapping.Start{Mode: mapping.StartNew}},
		{Stream: "B", Start: mapping.Start{Mode: mapping.StartAll}},
		{Stream: "C", Start: mapping.Start{Mode: mapping.StartAtTime, Time: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}},
	}
	if diff := cmp.Diff(want, compileSource(t, src).Sources); diff != "" {
		t.Error(diff)
	}
}

func TestARuleThatCancelsBelongsToTheAppsOfWhatItCancels(t *testing.T) {
	src := strings.Replace(school{more: `  - {name: two, on: x.y, audience: staff, template: changes, key: event.id}
  - {name: back, on: x.z, cancels: [two, one], key: event.id}
`, rule: "key: event.id"}.source(), "audiences:\n", `  other: {app_key: k, app_secret: "${CAMPUS_APP_SECRET}", region: saudi-arabia, sender: s, packages: [p]}
audiences:
  staff: {app: other, package: p}
`, 1)
	set := compileSource(t, src)
	for app, want := range map[string][]string{"campus": {"one"}, "other": {"two"}} {
		rules := set.Apps[app].Rules
		if last := rules[len(rules)-1]; last.Name != "back" || !cmp.Equal(last.Cancels, want) {
			t.Errorf("%s: last rule = %+v, want it to cancel %q", app, last, want)
		}
	}
}

func TestAnchorsAndMergeKeysAreResolved(t *testing.T) {
	app := school{template: "gather: &window {idle: 1m, at_most: 10m}", rule: "gather:\n  <<: *window\n  at_most: 20m"}.compile(t)
	if diff := cmp.Diff(mapping.Gather{Idle: time.Minute, AtMost: 20 * time.Minute}, app.Rules[0].Gather); diff != "" {
		t.Error(diff)
	}
}

func TestAKeyWithWhatNoKeyHasIsRefused(t *testing.T) {
	src := strings.NewReplacer("app_key: key", "app_key: ${KEY}").Replace(school{}.source())
	for _, env := range []map[string]string{
		{"KEY": "k\n", "CAMPUS_APP_SECRET": "hush"}, {"KEY": "k", "CAMPUS_APP_SECRET": "hush\n"}, {"KEY": " k", "CAMPUS_APP_SECRET": "hush"}, {"KEY": "k\x01k", "CAMPUS_APP_SECRET": "hush"}, {"KEY": "k", "CAMPUS_APP_SECRET": "\ufeffhush"},
	} {
		_, problems := mapping.Compile("rules.yaml", []byte(src), mapping.Options{LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
		if text := problems.Text(); !problems.HasErrors() || !strings.Contains(text, "there is white space around it") || strings.Contains(text, "hush") {
			t.Errorf("%q: %s", env, text)
		}
	}
}

func TestATemplateAsAKeyIsRefused(t *testing.T) {
	for _, notification := range []string{`ios: {extras: {"{{ .Group }}": x}}`, `extra_settings: {x: {"{{ .Group }}": 1}}`} {
		src := school{}.with("{alert: news}", `{alert: news, `+notification+`}`).src
		_, problems := compileText(src)
		if !strings.Contains(problems.Text(), "cannot use a template as a key") {
			t.Errorf("%s: %s", notification, problems.Text())
		}
	}
}

func TestManyWarningsDoNotHideAnError(t *testing.T) {
	var src strings.Builder
	src.WriteString(`version: 1
apps:
  a: {app_key: k, app_secret: s, region: singapore, sender: me, packages: [com.x]}
audiences:
  s: {app: a, package: com.x}
templates:
  t:
    message: {type: "RC:TxtMsg", content: {content: hi}}
    notification: {alert: hi}
rules:
`)
	for i := range 600 { // each with a warning about idle
		fmt.Fprintf(&src, "  - {name: r%d, on: x.%d, audience: s, template: t, gather: {idle: 20m, at_most: 15m}}\n", i, i)
	}
	src.WriteString("  - {name: broken, on: x.y, when: event.data.n >, audience: s, template: t}\n")
	set, problems := mapping.Compile("rules.yaml", []byte(src.String()), mapping.Options{})
	if set != nil || !problems.HasErrors() {
		t.Errorf("a condition that cannot be read was accepted, as always true; problems:\n%s", problems.Text())
	}
}

// Some editors write one.
func TestAByteOrderMarkIsPassedOver(t *testing.T) {
	src := school{}.source()
	want, problems := compileText("\uFEFF" + src)
	if want == nil || len(problems) > 0 {
		t.Errorf("the file is refused: %v", problems)
	}
}

func TestASecretShowsNowhere(t *testing.T) {
	for _, line := range []string{
		"app_secret: hunter2x", `app_secret: "hunter2x`, "app_secret: |\n      hunter2x", "app_secret: [hunter2x]", "app_secret: {hunter2x: 1}", "app_secret: hunter2x: y",
	} {
		src := strings.Replace(school{}.source(), "app_secret: ${CAMPUS_APP_SECRET}", line, 1)
		set, ps := compileText(src)
		if len(ps) == 0 {
			t.Errorf("%q: nothing was said", line)
		}
		all := ps.Text() + ps.GitHub() + string(ps.JSON())
		if set != nil {
			raw, err := json.Marshal(set)
			if err != nil {
				t.Fatal(err)
			}
			all += string(raw) + fmt.Sprintf("%v %+v %#v", set.Apps["campus"].Secret, *set.Apps["campus"], set.Apps["campus"].Secret)
			if !strings.HasPrefix(set.Apps["campus"].Secret.Reveal(), "hunter2x") {
				t.Errorf("%q: the secret is lost", line)
			}
		}
		if strings.Contains(all, "hunter2x") {
			t.Errorf("%q shows the secret:\n%s", line, all)
		}
	}
}
