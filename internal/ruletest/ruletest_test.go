package ruletest

import (
	"slices"
	"strings"
	"testing"

	"github.com/belfry-bridge/belfry/mapping"
)

const rules = `version: 1
apps:
  campus: {app_key: key, app_secret: secret-of-the-campus, region: singapore, sender: office, packages: [com.example.student], quota: {policy: asap}}
audiences:
  students: {app: campus, package: com.example.student, platforms: [ios]}
templates:
  lessons:
    gather: {at_most: 1m}
    expires_after: 1h
    message: {type: RC:TxtMsg, content: {content: "{{ range .Items }}{{ .Text }}, {{ end }}"}}
    notification: {title: "{{ .Count }} changes", alert: "{{ .Last.Text }}"}
rules:
  - {name: cancelled, on: school.cancelled, audience: students, template: lessons, key: event.data.id, item: "{{ .data.course }}"}
`

// story is a test file of one test with two lessons; what it expects follows.
const story = `rules: rules.yaml # of the school
tests:
  - name: two lessons
    start: 2026-11-02T09:00:00+08:00
    for: 10s
    events:
      - {at: 0s, subject: school.cancelled, data: {id: 7, course: Maths}}
      - {at: 20s, subject: school.cancelled, data: {id: 9, course: Music}}
      - {at: 90s, subject: school.cancelled, data: {id: 7, course: Art}}
      - {at: 95s, subject: school.cancelled, text: "no JSON"}
`

func play(t *testing.T, src string) []Outcome {
	t.Helper()
	compiled, problems := mapping.Compile("rules.yaml", []byte(rules), mapping.Options{})
	if compiled == nil {
		t.Fatal(problems.Text())
	}
	tests, problems := mapping.ParseTests("a_test.yaml", []byte(src))
	if tests == nil {
		t.Fatal(problems.Text())
	}
	var all []Outcome
	for _, test := range tests.Tests {
		o, err := Play(t.Context(), compiled, "SCHOOL", test)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	return all
}

func TestAStoryDiffersWhereItSaysOtherwiseAndIsRewrittenToHold(t *testing.T) {
	for name, tt := range map[string]struct {
		expect    string
		differs   []string // places, and what happened there
		rewritten string   // empty: it stays
	}{
		"what is not named is not compared": {
			expect: "    expect: {broadcasts: [{title: 2 changes}]}\n",
		},
		"a field": {
			expect:    "    expect: # as people see it\n      broadcasts: [{at: 30s, count: 2}]\n\n    # the end\n",
			differs:   []string{"broadcasts[0], line 12", "at: 1m"},
			rewritten: "    expect:\n      broadcasts:\n        - {at: 1m, count: 2}\n\n    # the end\n",
		},
		"what holds of a content is kept": {
			expect:    "    expect:\n      broadcasts: [{content_contains: [Maths, Sports], content_lacks: Art}]\n",
			differs:   []string{"broadcasts[0], line 12", `content_contains: "Maths, Music, "`},
			rewritten: "    expect:\n      broadcasts:\n        - {content_contains: [\"Maths\"], content_lacks: [\"Art\"]}\n",
		},
		"one too many, and none": {
			expect: "    expect:\n      broadcasts: [{}, {}]\n      digests: []\n      dead_letters: [{reason: undecodable}]\n",
			differs: []string{"broadcasts[1], line 12, did not happen",
				"digests[0] was not expected", "{audience: students, template: lessons, count: 1, ready: 2m30s}"},
			rewritten: "    expect:\n      broadcasts:\n        - {at: 1m, audience: students, template: lessons, title: \"2 changes\", count: 2}\n" +
				"      digests:\n        - {audience: students, template: lessons, count: 1, ready: 2m30s}\n      dead_letters:\n        - {reason: undecodable}\n",
		},
		"nothing yet": {
			expect: "    expect: {}\n",
			rewritten: "    expect:\n      broadcasts:\n        - {at: 1m, audience: students, template: lessons, title: \"2 changes\", count: 2}\n" +
				"      digests:\n        - {audience: students, template: lessons, count: 1, ready: 2m30s}\n" +
				"      dead_letters:\n        - {reason: undecodable, subject: school.cancelled}\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			src := story + tt.expect
			all := play(t, src)
			var differs []string
			for _, d := range all[0].Differences {
				differs = append(append(differs, d.Where), d.Got...)
			}
			if !slices.Equal(differs, tt.differs) {
				t.Errorf("differences\n%q, want\n%q", differs, tt.differs)
			}
			text, rewritten, err := Rewrite(src, all)
			want := story + tt.rewritten
			if tt.rewritten == "" {
				want = src
			}
			if err != nil || text != want || all[0].Outdated() != (len(rewritten) == 1) {
				t.Fatalf("%v, rewritten %v to\n%s\nwant\n%s", err, rewritten, text, want)
			}
			if again := play(t, text)[0]; again.Outdated() {
				t.Errorf("what is rewritten still differs: %+v", again.Differences)
			}
		})
	}
}

func TestAnExpectationInTheMiddleOfALineIsLeftAndSaysSoWhereItFails(t *testing.T) {
	one := func(expect string) string {
		return "rules: rules.yaml\ntests:\n  - {name: one line, start: 2026-11-02T09:00:00+08:00, events: [], expect: " + expect + "}\n"
	}
	if text, rewritten, err := Rewrite(one("{}"), play(t, one("{}"))); err != nil || len(rewritten) > 0 || text != one("{}") {
		t.Errorf("one that holds: %v, rewritten %v to\n%s", err, rewritten, text)
	}
	fails := one("{broadcasts: [{}]}")
	if _, _, err := Rewrite(fails, play(t, fails)); err == nil || !strings.Contains(err.Error(), "give it a line of its own") {
		t.Errorf("one that fails: %v", err)
	}
}
