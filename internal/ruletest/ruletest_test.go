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
	return playBy(t, rules, src)
}

func playBy(t *testing.T, rules, src string) []Outcome {
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
			expect: "    expect: {broadcasts: [{title: 2 changes, alert: Music}]}\n",
		},
		"not even lists": {
			expect: "    expect: {dead_letters: [{reason: undecodable}]}\n",
		},
		"a content as it leaves": {
			expect: "    expect: {broadcasts: [{content: '{\"content\":\"Maths, Music, \"}'}]}\n",
		},
		"a content in two ways": {
			expect:    "    expect:\n      broadcasts: [{content: Sports, content_contains: [Sports]}]\n",
			differs:   []string{"broadcasts[0], line 12", `content: "Maths, Music, "`, `content_contains: "Maths, Music, "`},
			rewritten: "    expect:\n      broadcasts:\n        - {content: \"Maths, Music, \"}\n",
		},
		"one of as many keys": {
			expect:    "    expect:\n      digests: [{keys: [\"9\"]}]\n",
			differs:   []string{"digests[0], line 12", `keys: ["7"]`},
			rewritten: "    expect:\n      digests:\n        - {keys: [\"7\"]}\n",
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

// twoApps send by the day's slots, and at once.
const twoApps = `version: 1
apps:
  annex: {app_key: key-2, app_secret: secret-of-the-annex, region: singapore, sender: office, packages: [com.example.teacher], quota: {policy: slots, slots: ["12:00"], timezone: Asia/Singapore}}
  campus: {app_key: key, app_secret: secret-of-the-campus, region: singapore, sender: office, packages: [com.example.student], quota: {policy: asap}}
audiences:
  students: {app: campus, package: com.example.student, platforms: [ios]}
  teachers: {app: annex, package: com.example.teacher, platforms: [ios]}
templates:
  lessons:
    gather: {at_most: 1m}
    expires_after: 1h
    message: {type: RC:TxtMsg, content: {content: "{{ .Count }}"}}
    notification: {title: "{{ .Count }} changes <now>", alert: "{{ .Last.Text }}"}
rules:
  - {name: cancelled, on: school.cancelled, audience: students, template: lessons, group_by: event.data.course, item: "{{ .data.course }}"}
  - {name: room, on: school.room, when: event.data.size > 3, audience: teachers, template: lessons, item: "{{ .data.room }}"}
`

func TestAStoryTellsInItsOrderWhatHappenedAndWhatMayBeWhy(t *testing.T) {
	src := `rules: rules.yaml
tests:
  - name: a day
    start: 2026-11-02T09:00:00+08:00
    events:
      - {at: 0s, subject: school.room, data: {room: A, size: 5}}
      - {at: 10s, subject: school.room, data: {room: B}}
      - {at: 2h30m, subject: school.room, data: {room: C, size: 5}}
      - {at: 2h31m, subject: school.cancelled, data: {course: Maths}}
      - {at: 2h31m30s, subject: school.cancelled, text: "no JSON"}
    expect: {}
`
	o := playBy(t, twoApps, src)[0]
	if want := []string{
		`sent {at: 2h32m, audience: students, template: lessons, group: "Maths", title: "1 changes <now>", count: 1}: its window has closed and a send is left`,
		`sent {at: 3h, audience: teachers, template: lessons, title: "1 changes <now>", count: 1}: its window has closed and a send is left`,
		"dead letter {reason: undecodable, subject: school.cancelled}",
	}; !slices.Equal(o.Story(), want) {
		t.Errorf("it tells\n%s\nwant\n%s", strings.Join(o.Story(), "\n"), strings.Join(want, "\n"))
	}
	if n := len(o.Besides); n != 2 || o.Besides[0] != "at 10s rule room does not match school.room, for its when failed: there is no field size" ||
		!strings.HasPrefix(o.Besides[1], "at 1h 1 item of teachers / lessons expired, unsent: next, held: goes only at its slots, the next is at 04:00") {
		t.Errorf("besides it tells\n%s", strings.Join(o.Besides, "\n"))
	}

	for span, want := range map[string]string{
		"10s": `still pending {audience: students, template: lessons, group: "Maths", count: 1, ready: 2h32m}`,
		"1m":  `sent {at: 2h32m, audience: students, template: lessons, group: "Maths"`,
	} {
		o := playBy(t, twoApps, strings.Replace(src, "    events:", "    for: "+span+"\n    events:", 1))[0]
		said := strings.Join(o.Story(), "\n")
		if !strings.Contains(said, want) || !strings.Contains(said, "still pending {audience: teachers, template: lessons, count: 1, ready: 2h31m}") {
			t.Errorf("%s after the last event it tells\n%s", span, said)
		}
	}
}

func TestAllThatIsOutdatedIsRewrittenUnlessSomethingCannotBeRendered(t *testing.T) {
	one := func(name, course string) string {
		return "  - name: " + name + "\n    start: 2026-11-02T09:00:00+08:00\n    events: [{at: 0s, subject: school.cancelled, data: {id: 7, course: " + course + "}}]\n"
	}
	src := "rules: rules.yaml\ntests:\n" + one("first", "Maths") + "    expect: {}\n" + one("second", "Music") + "    expect:\n      broadcasts: [{alert: Art}]"
	want := "rules: rules.yaml\ntests:\n" + one("first", "Maths") +
		"    expect:\n      broadcasts:\n        - {at: 1m, audience: students, template: lessons, title: \"1 changes\", count: 1}\n      digests: []\n" +
		one("second", "Music") + "    expect:\n      broadcasts:\n        - {alert: \"Music\"}"
	text, rewritten, err := Rewrite(src, play(t, src))
	if err != nil || text != want || !slices.Equal(rewritten, []int{0, 1}) {
		t.Errorf("%v, rewritten %v to\n%s\nwant\n%s", err, rewritten, text, want)
	}

	broken := playBy(t, strings.Replace(rules, "{{ .Last.Text }}", "{{ .Last.Data.course.x }}", 1), src)
	if n := len(broken[0].Differences); n != 1 || broken[0].Differences[0].Where != "planning" || !strings.Contains(broken[0].Differences[0].Got[0], "students / lessons cannot be rendered: ") {
		t.Errorf("what cannot be rendered differs by %+v", broken[0].Differences)
	}
	if _, _, err := Rewrite(src, broken); err == nil || !strings.Contains(err.Error(), `"second": students / lessons cannot be rendered: `) {
		t.Errorf("what cannot be rendered is rewritten: %v", err)
	}
}
