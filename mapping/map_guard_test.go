package mapping_test

import (
	"strings"
	"testing"

	"github.com/belfry-bridge/belfry/mapping"
)

// A note of the server's has no data; who publishes a copy of one with data means an event.
func TestOnlyWhatIsForTheServerIsNoEvent(t *testing.T) {
	app := school{rule: "with: \"{}\"\nitem: x"}.compile(t)
	for _, c := range []struct {
		name, header, data string
		matches            int
	}{
		{"a note", "Nats-Marker-Reason", "", 0},
		{"data under the header of a note", "Nats-Marker-Reason", `{"x":1}`, 1},
		{"a schedule", "Nats-Schedule", `{"x":1}`, 0},
		{"a message that a schedule has made", "Nats-Scheduler", `{"x":1}`, 1},
	} {
		d := app.Map(&mapping.Message{Subject: "school.x", Stream: "S", Sequence: 1, Data: []byte(c.data), Header: map[string][]string{c.header: {"x"}}})
		if len(d.Matches) != c.matches || len(d.Dead) > 0 {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
}

func TestWhatNobodyCanReadIsOneDeadLetterForAllRules(t *testing.T) {
	app := school{rule: "when: event.data.x == 1", more: "  - {name: two, on: school.x, audience: students, template: changes, key: event.data.id}\n"}.compile(t)
	d := app.Map(&mapping.Message{Subject: "school.x", Stream: "S", Sequence: 1, Data: []byte("oops")})
	if len(d.Dead) != 1 || d.Dead[0].Reason != mapping.DeadUndecodable || d.Event.ID != "S:1" {
		t.Errorf("decision = %+v", d)
	}
}

// An item carries at most so many bytes; what takes one back carries none.
func TestAnEventOfAnySizeCancels(t *testing.T) {
	app := school{rule: "key: event.data.id\nwith: {}", more: "  - {name: back, on: other, cancels: [one], key: event.data.id}\n"}.compile(t)
	d := app.Map(&mapping.Message{Subject: "other", Stream: "S", Sequence: 1, Data: []byte(`{"id":7,"x":"` + strings.Repeat("y", 20_000) + `"}`)})
	if len(d.Matches) != 1 || d.Matches[0].Item.Key != "7" || len(d.Matches[0].Item.Data) > 0 || len(d.Dead) > 0 {
		t.Errorf("decision = %+v", d)
	}
}

func TestACancellationThatNobodyCanReadIsADeadLetter(t *testing.T) {
	app := school{rule: "key: event.data.id\nwith: {}", more: "  - {name: back, on: other, cancels: [one], key: event.data.id}\n"}.compile(t)
	d := app.Map(&mapping.Message{Subject: "other", Stream: "S", Sequence: 1, Data: []byte(`{"id":`)})
	if len(d.Dead) != 1 || d.Dead[0].Reason != mapping.DeadUndecodable || len(d.Failures) > 0 {
		t.Errorf("decision = %+v", d)
	}
}

func TestTemplatesSeeWhatWithChooses(t *testing.T) {
	const just, over = 8<<10 - 2, 8<<10 - 1 // in quotes
	for _, c := range []struct {
		name, with string
		length     int
		data       string // of the item; empty: oversized
	}{
		{"one field", "with: event.data.x", 3, `"yyy"`},
		{"as much as an item may carry", "with: event.data.x", just, `"` + strings.Repeat("y", just) + `"`},
		{"a byte more", "with: event.data.x", over, ""},
		{"several", "with: {b: event.data.x, a: 1}", 3, `{"b":"yyy","a":1}`},
		{"several, too long together", "with: {a: event.data.x}", just, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			app := school{rule: c.with}.compile(t)
			d := app.Map(&mapping.Message{Subject: "school.x", Stream: "S", Sequence: 1, Data: []byte(`{"x":"` + strings.Repeat("y", c.length) + `"}`)})
			if c.data == "" {
				if len(d.Matches) > 0 || len(d.Dead) != 1 || d.Dead[0].Reason != mapping.DeadOversized {
					t.Errorf("decision = %+v", d)
				}
				return
			}
			if len(d.Matches) != 1 || string(d.Matches[0].Item.Data) != c.data {
				t.Errorf("decision = %+v, want data of %d bytes", d, len(c.data))
			}
		})
	}
}

func TestARuleAsksForDataThatNobodyCanReadOnlyWhereItLooksAtIt(t *testing.T) {
	for rule, asks := range map[string]bool{
		`when: event.id != "" && event.data.x == 1`:   true,
		`when: event.data.x == 1 && event.id != ""`:   true,
		`when: has(event.data.x)`:                     true,
		`when: "[event].exists(e, e.data.x == 1)"`:    true,
		`when: "[event, 1].exists(e, e.data.x == 1)"`: true,
		`when: "[event][0].data.x == 1"`:              true,
		`key: event.data.x`:                           true,
		`when: event.id != ""`:                        false,
		`key: event.subject + nats.subject`:           false,
		`when: '!("data" in nats.headers)'`:           false,
	} {
		app := school{rule: rule + "\nwith: {a: '1'}"}.compile(t)
		d := app.Map(&mapping.Message{Subject: "school.x", Stream: "S", Sequence: 1, Data: []byte("oops")})
		if dead := len(d.Dead) == 1 && d.Dead[0].Reason == mapping.DeadUndecodable; dead != asks || len(d.Matches) == 1 == asks || len(d.Failures) > 0 {
			t.Errorf("%s: %+v", rule, d)
		}
	}
}
