package mapping_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-bridge/belfry/mapping"
)

const lesson = `{"lesson_id":7,"course":"Maths","notice_minutes":30,"campus":"north","rate":0.5,"users":["u1","u2","u1"],"none":null,"at":"2026-11-02T02:00:00Z"}`

// school is a rules file with what a test adds to its one rule and to its
// template and audience.
type school struct{ rule, template, audience, app, more string }

func (s school) source() string {
	return `version: 1
apps:
  campus:
    app_key: key
    app_secret: ${CAMPUS_APP_SECRET}
    region: singapore
    sender: office
    packages: [com.example.student]
` + indented(4, s.app) + `audiences:
  students:
    app: campus
    package: com.example.student
    timezone: Asia/Singapore
` + indented(4, s.audience) + `templates:
  changes:
    message:
      type: RC:TxtMsg
      content: {content: "{{ range .Items }}[{{ .Text }}]{{ end }}"}
    notification: {alert: news}
` + indented(4, s.template) + `rules:
  - name: one
    on: school.>
    audience: students
    template: changes
` + indented(4, s.rule) + s.more
}

func indented(n int, block string) string {
	if block == "" {
		return ""
	}
	pad := strings.Repeat(" ", n)
	return pad + strings.ReplaceAll(strings.TrimSuffix(block, "\n"), "\n", "\n"+pad) + "\n"
}

func (s school) compile(t testing.TB) *mapping.App {
	t.Helper()
	return compiler{s.source()}.compile(t)
}

func TestConditionsSeeTheEvent(t *testing.T) {
	for _, c := range []struct {
		name, when string
		match      bool
		failure    string
	}{
		{"a number below a limit", `event.data.notice_minutes < 120`, true, ""},
		{"a fraction beside a whole number", `event.data.rate < 1`, true, ""},
		{"a whole number beside a fraction", `event.data.notice_minutes > 29.5`, true, ""},
		{"text that is equal", `event.data.campus == "north"`, true, ""},
		{"text that differs", `event.data.campus == "south"`, false, ""},
		{"null is null", `event.data.none == null`, true, ""},
		{"a field that is there", `has(event.data.campus)`, true, ""},
		{"a field that is not there", `has(event.data.room)`, false, ""},
		{"membership in a list", `"u2" in event.data.users`, true, ""},
		{"a loop over a list", `event.data.users.exists(u, u.startsWith("u"))`, true, ""},
		{"the NATS subject's tokens", `nats.tokens[1] == "lesson"`, true, ""},
		{"the type of plain JSON is its subject", `event.type == "school.lesson.cancelled"`, true, ""},
		{"the source of plain JSON is its stream", `event.source == "SCHOOL" && nats.stream == "SCHOOL"`, true, ""},
		{"the sequence", `nats.sequence == 42 && event.id == "SCHOOL:42"`, true, ""},
		{"the time of storing", `event.time == timestamp("2026-11-02T01:00:00Z") && nats.time.getHours("Asia/Singapore") == 9`, true, ""},
		{"a missing field", `event.data.room == "B"`, false, `when: there is no field room`},
		{"a wrong type", `event.data.campus < 120`, false, `when: a value has the wrong type`},
		{"a result that is not bool", `event.data.campus`, false, `when: the result is a string, not true or false`},
		{"a missing field that does not matter", `event.data.campus == "north" || event.data.room == "B"`, true, ""},
		{"loops in loops that take too long", `[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, [1,2,3,4,5,6,7,8,9].all(d, [1,2,3,4,5,6,7,8,9].all(e, a+b+c+d+e > 0)))))`, false, "when: the expression took too many steps on this event"},
	} {
		t.Run(c.name, func(t *testing.T) {
			app := school{rule: "when: |-\n  " + c.when}.compile(t)
			d := app.Map(lessonMessage())
			if got := len(d.Matches) == 1; got != c.match {
				t.Errorf("matched = %v, want %v", got, c.match)
			}
			if got := failures(d); got != c.failure {
				t.Errorf("failures = %q, want %q", got, c.failure)
			}
		})
	}
}

func lessonMessage() *mapping.Message {
	return &mapping.Message{
		Subject: "school.lesson.cancelled", Stream: "SCHOOL", Sequence: 42,
		Time: time.Date(2026, 11, 2, 1, 0, 0, 0, time.UTC), Data: []byte(lesson),
	}
}

func failures(d mapping.Decision) string {
	var all []string
	for _, f := range d.Failures {
		all = append(all, fmt.Sprintf("%s: %v", f.Part, f.Err))
	}
	return strings.Join(all, "; ")
}

func TestAnItemCarriesWhatItsRuleSays(t *testing.T) {
	app := school{rule: `
key: event.data.lesson_id
item: "{{ .data.course }} at {{ date \"15:04\" .data.at }}"
with: {course: event.data.course, minutes: event.data.notice_minutes, all: event.data.users}
group_by: event.data.campus
priority: high
gather: {idle: 10s, at_most: 1m}
expires_after: 2h`}.compile(t)
	m := lessonMessage()
	d := app.Map(m)
	want := mapping.Decision{
		Event: mapping.Event{ID: "SCHOOL:42", Type: m.Subject, Source: "SCHOOL", Time: m.Time},
		Matches: []mapping.Match{{
			Rule: "one", Audience: "students", Template: "changes", Group: "north", Gather: mapping.Gather{Idle: 10 * time.Second, AtMost: time.Minute},
			Item: mapping.Item{
				Key: "7", Text: "Maths at 10:00", Data: []byte(`{"course":"Maths","minutes":30,"all":["u1","u2","u1"]}`), Rule: "one", EventID: "SCHOOL:42",
				Type: m.Subject, Time: m.Time, Arrived: m.Time, ReadyBy: m.Time.Add(time.Minute), Expires: m.Time.Add(2 * time.Hour), Priority: mapping.High,
			},
		}},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutMoreAnItemIsTheEventItself(t *testing.T) {
	app := school{}.compile(t)
	m := lessonMessage()
	m.Header = map[string][]string{"Nats-Msg-Id": {"msg-1"}}
	it := app.Map(m).Matches[0].Item
	if it.Key != "msg-1" || it.EventID != "msg-1" || string(it.Data) != lesson || it.Priority != mapping.Normal {
		t.Errorf("item = %+v", it)
	}
	m.Data[2] = 'X' // the reader uses its memory again
	if string(it.Data) != lesson {
		t.Error("the item refers to the reader's memory")
	}
}

func TestEventsComeInSeveralForms(t *testing.T) {
	at := time.Date(2026, 11, 2, 1, 0, 0, 0, time.UTC)
	binary := map[string][]string{
		"ce-specversion": {"1.0"}, "Ce-Id": {"e 1"}, "ce-source": {"/school"}, "ce-type": {"lesson.cancelled"},
		"ce-time": {"2026-11-02T00:30:00Z"}, "ce-subject": {"caf%C3%A9"}, "ce-grade": {"5"}, "Content-Type": {"application/json"},
	}
	structured := `{"specversion":"1.0","id":"e 1","source":"/school","type":"lesson.cancelled","time":"2026-11-02T00:30:00Z","subject":"café","grade":"5","data":{"campus":"north"}}`
	ce := mapping.Event{ID: "e 1", Type: "lesson.cancelled", Source: "/school", Subject: "café", Time: at.Add(-30 * time.Minute)}
	for _, c := range []struct {
		name   string
		header map[string][]string
		data   string
		want   mapping.Event
	}{
		{"a CloudEvent in headers", binary, `{"campus":"north"}`, ce},
		{"a CloudEvent in the body, announced", map[string][]string{"content-type": {"application/cloudevents+json; charset=utf-8"}}, structured, ce},
		{"a CloudEvent in the body, unannounced", nil, structured, ce},
		{"a CloudEvent with base64 data", nil, strings.Replace(structured, `"data":{"campus":"north"}`, `"data_base64":"eyJjYW1wdXMiOiJub3J0aCJ9"`, 1), ce},
	} {
		t.Run(c.name, func(t *testing.T) {
			app := school{rule: `when: event.data.campus == "north" && event.grade == "5"` + "\nitem: \"{{ .subject }} {{ .grade }}\""}.compile(t)
			d := app.Map(&mapping.Message{Subject: "school.x", Stream: "S", Sequence: 1, Time: at, Header: c.header, Data: []byte(c.data)})
			if diff := cmp.Diff(c.want, d.Event); diff != "" || len(d.Matches) != 1 || d.Matches[0].Item.Text != "café 5" {
				t.Errorf("%s\n%+v", diff, d)
			}
		})
	}
}

func TestWhiteSpaceAroundAnEventMeansNothing(t *testing.T) {
	app := school{rule: `when: event.data.campus == "north"` + "\nitem: \"{{ .data.campus }}\""}.compile(t)
	for _, data := range []string{"\n{\"campus\":\"north\"}", " \t{\"campus\":\"north\"}\r\n",
		` {"specversion":"1.0","id":"e 1","source":"/school","type":"x","data": {"campus":"north"} } `} {
		d := app.Map(&mapping.Message{Subject: "school.x", Stream: "S", Sequence: 1, Data: []byte(data)})
		if len(d.Matches) != 1 || d.Matches[0].Item.Text != "north" {
			t.Errorf("%q: %+v", data, d)
		}
	}
}

func TestTheServersNoteOfAMessageThatIsGoneIsNoEvent(t *testing.T) {
	for name, rule := range map[string]string{"a rule that looks at nothing": "with: \"{}\"\nitem: x", "a rule that needs data": "when: event.data.x == 1"} {
		app := school{rule: rule}.compile(t)
		note := &mapping.Message{Subject: "school.x", Stream: "S", Sequence: 1, Header: map[string][]string{"Nats-Marker-Reason": {"MaxAge"}, "Nats-TTL": {"1m0s"}}}
		if d := app.Map(note); len(d.Matches)+len(d.Dead)+len(d.Failures) > 0 || d.Foreign {
			t.Errorf("%s: %+v", name, d)
		}
		if x := app.Explain(note); !strings.Contains(x.Undecodable, "was removed") || len(x.Rules) > 0 {
			t.Errorf("%s: explained as %+v", name, x)
		}
	}
}

func TestTheSameHeaderCountsEachTimeWhereCasesDiffer(t *testing.T) {
	app := school{}.compile(t)
	ids := map[string]bool{}
	for range 100 {
		d := app.Map(&mapping.Message{Subject: "school.x", Stream: "S", Sequence: 1, Data: []byte(`{}`), Header: map[string][]string{
			"ce-specversion": {"1.0"}, "Ce-Id": {"one"}, "CE-ID": {"two"}, "cE-id": {"three"}, "ce-source": {"s"}, "ce-type": {"t"}}})
		ids[d.Event.ID] = true
	}
	if len(ids) != 1 {
		t.Errorf("the same event has the ids %v", ids)
	}
}

func TestWhatCannotBeReadIsADeadLetterOnlyIfARuleNeedsIt(t *testing.T) {
	big := `{"x":"` + strings.Repeat("y", 9000) + `"}`
	batch := map[string][]string{"Content-Type": {"application/cloudevents-batch+json"}}
	binary := map[string][]string{"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"s"}, "ce-type": {"t"}}
	for _, c := range []struct {
		name, rule, data string
		header           map[string][]string
		dead             string
		matches          int
	}{
		{"not JSON, and data is read", `key: event.data.id`, `oops`, nil, "undecodable", 0},
		{"not JSON, and the item reads data", `item: "{{ .data.x }}"`, `oops`, nil, "undecodable", 0},
		{"not JSON, but only counted", `item: "one more"`, `oops`, nil, "", 1},
		{"an empty message, only counted", ``, ``, nil, "", 1},
		{"a batch, even if only counted", ``, `[]`, batch, "batch", 0},
		{"a batch without its header", ``, `[{"specversion":"1.0","id":"1"}]`, nil, "batch", 0},
		{"a CloudEvent without an id", `when: event.data.x == 1`, `{"specversion":"1.0","source":"s","type":"t"}`, map[string][]string{"Content-Type": {"application/cloudevents+json"}}, "undecodable", 0},
		{"a CloudEvent in headers whose data are broken", `when: event.data.x == 1`, `{"x": `, binary, "undecodable", 0},
		{"and whose item reads them, kept", "item: \"{{ .data.x }}\"\non_error: deadletter", `{"x": `, binary, "undecodable", 0},
		{"and of another type", `when: event.type == "other" && event.data.x == 1`, `{"x": `, binary, "", 0},
		{"and whose data nobody reads", `when: event.type == "t"`, `{"x": `, binary, "", 1},
		{"a CloudEvent without data", `when: event.data.x == 1`, ``, binary, "", 0},
		{"a CloudEvent with broken base64", `when: event.data.x == 1`, `{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"!"}`, nil, "undecodable", 0},
		{"a failing condition, skipped", `when: event.data.x == 1`, `{}`, nil, "", 0},
		{"a failing condition, kept", "when: event.data.x == 1\non_error: deadletter", `{}`, nil, "expression", 0},
		{"more data than an item may carry", ``, big, nil, "oversized", 0},
		{"more data than an item may carry, but a choice of it", `with: {n: size(event.data.x)}`, big, nil, "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			app := school{rule: c.rule}.compile(t)
			d := app.Map(&mapping.Message{Subject: "school.x", Stream: "S", Sequence: 1, Header: c.header, Data: []byte(c.data)})
			got := ""
			for _, dead := range d.Dead {
				got += dead.Reason
				if dead.Err == nil {
					t.Error("a dead letter without an error")
				}
			}
			if got != c.dead || len(d.Matches) != c.matches {
				t.Errorf("dead = %q, matches = %d; want %q, %d", got, len(d.Matches), c.dead, c.matches)
			}
		})
	}
}

func TestUserAudiencesGatherIDs(t *testing.T) {
	s := school{audience: "users: event.data.users"}
	app := s.compile(t)
	d := app.Map(lessonMessage())
	if diff := cmp.Diff([]string{"u1", "u2"}, d.Matches[0].Users); diff != "" {
		t.Error(diff)
	}
	malformed := "users: element 2 of the list cannot be a user id: want letters and digits, at most 64 bytes"
	for users, want := range map[string]string{
		`["a", 5]`:           "users: the list has an element that is not a string",
		`["a", "b c"]`:       malformed, // the provider would refuse all
		`["a", "b\n"]`:       malformed,
		`["a", "\u0000"]`:    malformed,
		`["a", "\ud800"]`:    malformed, // decoded to U+FFFD
		"[\"a\", \"b\xf5\"]": malformed,
		`["a", "` + strings.Repeat("é", 33) + `"]`: malformed,
		`["", ""]`: "users: the list of users is empty",
		`["a", "` + strings.Repeat("b", 64) + `", "c-d_e.f@g"]`: "",
	} {
		m := lessonMessage()
		m.Data = []byte(`{"users":` + users + `}`)
		if got := failures(app.Map(m)); got != want {
			t.Errorf("%s: failures = %q, want %q", users, got, want)
		}
	}
}

// Lists whose elements are known on an event only are checked there.
func TestUsersMayBeAnyListThatCanHoldStrings(t *testing.T) {
	for users, want := range map[string]string{
		`"[event.data.user]"`: "", `"[string(event.data.user)]"`: "", `"event.data.all.map(u, u.id)"`: "",
		`"event.data.names.filter(u, u != 'mute')"`: "", `"['ada'] + event.data.names"`: "",
		`"has(event.data.user) ? [event.data.user] : []"`: "",
		`"[1, 2]"`:       "the expression gives a list of numbers: want a list of strings",
		`"[[event.id]]"`: "the expression gives a list of something else: want a list of strings",
	} {
		_, problems := compileText(school{audience: "users: " + users}.source())
		if got := problems.Text(); want == "" && problems.HasErrors() || !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %q", users, got, want)
		}
		if want != "" {
			continue
		}
		m := lessonMessage()
		m.Data = []byte(`{"user":"ada","all":[{"id":"ada"}],"names":["ada","mute"]}`)
		d := school{audience: "users: " + users}.compile(t).Map(m)
		if len(d.Matches) != 1 || len(d.Matches[0].Users) == 0 || d.Matches[0].Users[0] != "ada" {
			t.Errorf("%s gives %+v", users, d)
		}
	}
}

func TestCancellingRulesNameAKeyAndTheRulesItRemoves(t *testing.T) {
	app := school{rule: "key: event.data.lesson_id", more: `
  - name: back
    on: school.lesson.restored
    cancels: [one]
    key: event.data.lesson_id
`}.compile(t)
	m := lessonMessage()
	m.Subject = "school.lesson.restored"
	d := app.Map(m)
	if len(d.Matches) != 2 || d.Matches[1].Item.Key != "7" || !cmp.Equal(d.Matches[1].Cancels, []string{"one"}) {
		t.Errorf("decision = %+v", d)
	}
}

func TestAnEventThatNoRuleMatchesCostsTwoAllocationsAtMost(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector sync.Pool forgets at random")
	}
	app := manyRules(t, 200, 5, "event.data.notice_minutes < 120")
	m := benchMessage("bench.elsewhere.entirely")
	if n := testing.AllocsPerRun(100, func() { app.Map(m) }); n > 2 {
		t.Errorf("%v allocations, want at most 2", n)
	}
	m = benchMessage("bench.event")
	if n := testing.AllocsPerRun(100, func() { app.Map(m) }); n > 2 {
		t.Errorf("%v allocations for conditions that do not hold, want at most 2", n)
	}
}

func TestLongKeysStayDistinctAndShort(t *testing.T) {
	app := school{rule: "key: event.data.k"}.compile(t)
	key := func(k string) string {
		m := lessonMessage()
		m.Data = []byte(`{"k":"` + k + `"}`)
		return app.Map(m).Matches[0].Item.Key
	}
	a, b := key(strings.Repeat("x", 5000)+"a"), key(strings.Repeat("x", 5000)+"b")
	if a == b || len(a) > 256 {
		t.Errorf("keys of %d bytes, equal = %v", len(a), a == b)
	}
}

func TestKeysThatAreNoUTF8StayDistinct(t *testing.T) {
	app := school{rule: "key: event.id"}.compile(t)
	key := func(id string) string {
		m := lessonMessage()
		m.Header = map[string][]string{"Nats-Msg-Id": {id}}
		return app.Map(m).Matches[0].Item.Key
	}
	a, b := key("caf\xe9"), key("caf\xe8")
	if a == b || !utf8.ValidString(a) || !strings.HasPrefix(a, "caf\uFFFD") {
		t.Errorf("keys %q and %q, want two of valid text", a, b)
	}
}

func TestLongIDsAndTypesOfEventsAreCut(t *testing.T) {
	m := lessonMessage()
	m.Data = []byte(`{"specversion":"1.0","source":"s","id":"` + strings.Repeat("i", 5000) + `","type":"` + strings.Repeat("t", 5000) + `","data":{}}`)
	got := school{}.compile(t).Map(m).Matches[0].Item
	if len(got.EventID) > 256 || len(got.Type) > 256 {
		t.Errorf("an id of %d bytes and a type of %d", len(got.EventID), len(got.Type))
	}
}

func TestNumbersAreKeysOnlyWhileTheyCanBeToldApart(t *testing.T) {
	app := school{rule: "key: event.data.k"}.compile(t)
	for number, want := range map[string]string{
		"7": "7", "0.5": "0.5", "-9223372036854775808": "-9223372036854775808", "18446744073709551615": "18446744073709551615",
		"18446744073709551616": "", "123456789012345678901234567890": "", "1e300": "", "9007199254740991.0": "9007199254740991", "9007199254740993.0": "",
	} {
		m := lessonMessage()
		m.Data = []byte(`{"k":` + number + `}`)
		d := app.Map(m)
		switch {
		case want == "" && (len(d.Matches) > 0 || len(d.Failures) != 1 || !strings.Contains(d.Failures[0].Err.Error(), "publish ids as strings")):
			t.Errorf("%s: %+v", number, d)
		case want != "" && (len(d.Matches) != 1 || d.Matches[0].Item.Key != want):
			t.Errorf("%s: %+v, want the key %s", number, d, want)
		}
	}
}

func TestTheDigitsOfALongNumberAreKeptOrItIsRefused(t *testing.T) {
	const long = "123456789012345678901234567891"
	mapped := func(rule string) mapping.Decision {
		m := lessonMessage()
		m.Data = []byte(`{"k":` + long + `,"list":[` + long + `],"u":18446744073709551615,"n":9007199254740993}`)
		return school{rule: rule}.compile(t).Map(m)
	}
	for _, rule := range []string{
		"key: string(event.data.k)", `key: '"lesson-" + string(event.data.k)'`, "group_by: string(event.data.k)", "when: event.data.k == 7",
		"with: {k: event.data.k}", "with: {all: event.data.list}",
	} {
		d := mapped(rule)
		if len(d.Matches) > 0 || len(d.Failures) != 1 || !strings.Contains(d.Failures[0].Err.Error(), long) || !strings.Contains(d.Failures[0].Err.Error(), "publish ids as strings") {
			t.Errorf("%s: %+v", rule, d)
		}
	}
	for rule, want := range map[string]string{
		"item: '{{ .data.k }} {{ .data.u }} {{ json .data.list }}'":                                      long + " 18446744073709551615 [" + long + "]",
		"with: {all: event.data}\nitem: '{{ .data.u }}'":                                                 "18446744073709551615",
		"item: '{{ if eq .data.k .data.k 7 }}{{ plural .data.u \"a\" \"b\" }}{{ end }}'":                 "18446744073709551615 b",
		"item: '{{ if gt .data.k .data.u }}{{ if eq .data.n 9007199254740992 }}no{{ end }}yes{{ end }}'": "yes",
	} {
		d := mapped(rule)
		if len(d.Matches) != 1 || d.Matches[0].Item.Text != want {
			t.Errorf("%s: %+v, want %q", rule, d, want)
		}
	}
	if d := mapped("with: {all: event.data}"); len(d.Matches) != 1 || !strings.Contains(string(d.Matches[0].Item.Data), long) {
		t.Errorf("with all data: %+v", d)
	}
}

func TestSeveralGoroutinesMayAskAtOnce(t *testing.T) {
	app := school{rule: "when: event.data.notice_minutes > 1\nkey: event.data.lesson_id\nitem: \"{{ .data.course }}\""}.compile(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				m := lessonMessage()
				d := app.Map(m)
				if len(d.Matches) != 1 || d.Matches[0].Item.Text != "Maths" || !app.Explain(m).Rules[0].Matched {
					t.Errorf("decision = %+v", d)
				}
				if _, err := app.Render(viewOf(d.Matches[0].Item.Text)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// What cannot be written again could never be stored with the state.
func TestATimeThatCannotBeWrittenAgainIsIgnored(t *testing.T) {
	app := school{rule: "key: event.id"}.compile(t)
	for text, kept := range map[string]bool{
		"2026-11-02T00:30:00Z":      true,
		"2026-11-02T00:30:00+14:00": true,
		"2026-11-02T00:30:00+24:00": false,
		"9999-12-31T23:59:59-10:00": false,
		"0000-01-01T00:00:00+10:00": false,
		"yesterday":                 false,
	} {
		m := lessonMessage()
		m.Data = fmt.Appendf(nil, `{"specversion":"1.0","id":"e1","source":"s","type":"t","time":%q,"data":%s}`, text, lesson)
		d := app.Map(m)
		if len(d.Matches) != 1 {
			t.Fatalf("%s: %d matches, failures %q", text, len(d.Matches), failures(d))
		}
		at := d.Matches[0].Item.Time
		for _, at := range []time.Time{at, at.UTC()} {
			if _, err := json.Marshal(at); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
		if got := !at.Equal(m.Time); got != kept {
			t.Errorf("%s: the event's own time is used: %v, want %v", text, got, kept)
		}
	}
}
