package mapping_test

import (
	"strings"
	"testing"

	"github.com/belfry-bridge/belfry/mapping"
)

// What an expression cannot say must neither match nor leave without a word.
func TestAnExpressionWithoutAUsableResultIsAFailureThatNamesItsPart(t *testing.T) {
	for _, c := range []struct{ name, users, rule, data, part, says string }{
		{"a condition that is no truth", "", "when: event.data.x", `{"x":1}`, "when", "the result is a number, not true or false"},
		{"a condition without its field", "", "when: event.data.x == 1", `{}`, "when", "there is no field x"},
		{"a key that is a map", "", "key: event.data.x", `{"x":{"a":1}}`, "key", "the result is "},
		{"a key that is a list", "", "key: event.data.x", `{"x":[1]}`, "key", "the result is a list"},
		{"a key that is null", "", "key: event.data.x", `{"x":null}`, "key", "the result is null, not a string or a number"},
		{"a group that is a list", "", "group_by: event.data.x", `{"x":[1]}`, "group_by", "the result is a list"},
		{"users without their field", "event.data.u", "", `{}`, "users", "there is no field u"},
		{"users that are one text", "event.data.u", "", `{"u":"ann"}`, "users", "the result is a string, not a list of strings"},
		{"users that are null", "event.data.u", "", `{"u":null}`, "users", "the result is null, not a list of strings"},
		{"users of whom one is a number", "event.data.u", "", `{"u":["ann",7]}`, "users", "an element that is not a string"},
		{"nobody", "event.data.u", "", `{"u":[""]}`, "users", "the list of users is empty"},
		{"an infinite number", "", `with: 1.0 / event.data.x`, `{"x":0.0}`, "with", "infinite or not a number"},
		{"no number", "", `with: {a: event.data.x / event.data.x}`, `{"x":0.0}`, "with", "infinite or not a number"},
		{"a map by numbers", "", `with: "{1: event.data.x}"`, `{"x":1}`, "with", "a map whose keys are not strings"},
		{"a map with an infinite number", "", `with: "{'a': [1.0 / event.data.x]}"`, `{"x":0.0}`, "with", "infinite or not a number"},
		{"a list with a number that is too large", "", `with: event.data.x`, `{"x":[1,1e999]}`, "with", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			source := school{rule: c.rule}.source()
			if c.users != "" {
				source = strings.Replace(source, "package: com.example.student", "users: "+c.users, 1)
			}
			d := compileSource(t, source).Apps["campus"].Map(&mapping.Message{Subject: "school.x", Stream: "S", Sequence: 1, Data: []byte(c.data)})
			if len(d.Matches) > 0 || len(d.Dead) > 0 || len(d.Failures) != 1 {
				t.Fatalf("decision = %+v, want one failure", d)
			}
			if f := d.Failures[0]; f.Part != c.part || !strings.Contains(f.Err.Error(), c.says) {
				t.Errorf("%s: %v; want %s: %s", f.Part, f.Err, c.part, c.says)
			}
		})
	}
}

func TestAMapIsKeptWithItsKeysInOrder(t *testing.T) {
	app := school{rule: `with: "{'b': [event.data.x, null], 'a': {'d': true, 'c': duration('90s')}}"`}.compile(t)
	d := app.Map(&mapping.Message{Subject: "school.x", Stream: "S", Sequence: 1, Data: []byte(`{"x":{"z":1}}`)})
	if want := `{"a":{"c":"1m30s","d":true},"b":[{"z":1},null]}`; len(d.Matches) != 1 || string(d.Matches[0].Item.Data) != want {
		t.Errorf("decision = %+v, want the data %s", d, want)
	}
}

// Who writes it wants nothing, and has got all.
func TestAnEmptyMapOfNamesIsWarnedOf(t *testing.T) {
	for with, warned := range map[string]bool{"{}": true, `"{}"`: false, "{room: event.data.room}": false} {
		_, problems := compileText(school{rule: "with: " + with}.source())
		if got := strings.Contains(problems.Text(), `with names nothing, so that templates see all of event.data; write "{}"`); got != warned || problems.HasErrors() {
			t.Errorf("with %s: %s", with, problems.Text())
		}
	}
}
