package mapping_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-bridge/belfry/mapping"
)

const story = `rules: rules.yaml
env: {CAMPUS_APP_KEY: key}
tests:
  - name: two make one
    start: 2026-11-02T09:00:00+08:00
    for: 2h
    events:
      - {at: 0s, subject: a.b, id: e1, headers: {X: y}, data: {n: 7, f: 1.50, s: "x", l: [true, null], t: 2026-11-02T10:00:00+08:00}}
      - {at: 1m30s, subject: a.c, text: "not JSON"}
    expect:
      broadcasts:
        - {at: 30s, audience: students, title: "2 changes", content_contains: Music, count: 2, priority: urgent}
      digests: []
      dead_letters:
        - {reason: undecodable, subject: a.c}
`

func TestAFileOfTestsIsReadWithItsPlaces(t *testing.T) {
	f, problems := mapping.ParseTests("rules_test.yaml", []byte(story))
	if len(problems) > 0 {
		t.Fatal(problems.Text())
	}
	start := time.Date(2026, 11, 2, 1, 0, 0, 0, time.UTC)
	want := []mapping.RuleTest{{
		Name: "two make one", Line: 4, Start: start, For: new(2 * time.Hour),
		Events: []mapping.TestEvent{
			{Subject: "a.b", ID: "e1", Headers: map[string]string{"X": "y"}, Data: []byte(`{"n":7,"f":1.50,"s":"x","l":[true,null],"t":"2026-11-02T10:00:00+08:00"}`)},
			{At: 90 * time.Second, Subject: "a.c", Headers: map[string]string{}, Text: new("not JSON")},
		},
		Expect: mapping.Expectation{
			Line: 11,
			Broadcasts: []mapping.ExpectedBroadcast{{
				Line: 12, At: new(30 * time.Second), Audience: new("students"), Title: new("2 changes"),
				ContentContains: []string{"Music"}, Count: new(2), Priority: new(mapping.Urgent),
			}},
			Digests:     []mapping.ExpectedDigest{},
			DeadLetters: []mapping.ExpectedDeadLetter{{Line: 15, Reason: new("undecodable"), Subject: new("a.c")}},
		},
	}}
	if diff := cmp.Diff(want, f.Tests); diff != "" {
		t.Error(diff)
	}
	m := f.Tests[0].Events[0].Message("S", 3, f.Tests[0].Start)
	if !m.Time.Equal(start) || m.Sequence != 3 || m.Header["Nats-Msg-Id"][0] != "e1" || m.Header["X"][0] != "y" {
		t.Errorf("message = %+v", m)
	}
}

func TestMistakesInAFileOfTestsAreReportedAtOnce(t *testing.T) {
	src := strings.NewReplacer("name: two", "nam: two", "+08:00\n    for", "\n    for", "a.c, text", "a.*, text", "1m30s", "-5", "digests", "digest").Replace(story)
	f, problems := mapping.ParseTests("rules_test.yaml", []byte(src))
	if f != nil {
		t.Error("the file was used all the same")
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.String())
	}
	want := []string{
		`rules_test.yaml:4:5: unknown key "nam" in tests[0]; did you mean "name"?`,
		`rules_test.yaml:5:12: cannot use "2026-11-02T09:00:00" as start; want a time with its zone, such as 2026-11-02T09:00:00+08:00`,
		`rules_test.yaml:9:14: cannot use "-5" as at; want a time after the start, such as 0s, 20s, 5m or 2h`,
		`rules_test.yaml:9:27: cannot publish to "a.*": a subject with wildcards is for listening`,
		`rules_test.yaml:13:7: unknown key "digest" in expect; did you mean "digests"?`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheExamplesTestsBelongToTheExample(t *testing.T) {
	src, err := os.ReadFile("../rules_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f, problems := mapping.ParseTests("rules_test.yaml", src)
	if len(problems) > 0 {
		t.Fatal(problems.Text())
	}
	app := exampleRules(t)
	for _, test := range f.Tests {
		for i, e := range test.Events {
			m := e.Message("SCHOOL", uint64(i+1), test.Start)
			if d := app.Map(&m); len(d.Failures) > 0 || len(app.Explain(&m).Rules) == 0 {
				t.Errorf("%s, event %d: no rule listens, or one fails: %+v", test.Name, i+1, d.Failures)
			}
		}
	}
}
