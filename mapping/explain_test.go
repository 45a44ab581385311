package mapping_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-bridge/belfry/mapping"
)

func TestAnExplanationTakesTheConditionApart(t *testing.T) {
	app := school{rule: `when: event.data.notice_minutes < 20 && event.data.campus == "north" || event.data.room == "B"`}.compile(t)
	x := app.Explain(lessonMessage())
	want := &mapping.Operand{
		Expr: `event.data.notice_minutes < 20 && event.data.campus == "north" || event.data.room == "B"`, Error: "there is no field room",
		Parts: []*mapping.Operand{
			{Expr: `event.data.notice_minutes < 20 && event.data.campus == "north"`, Value: "false", Parts: []*mapping.Operand{
				{Expr: `event.data.notice_minutes < 20`, Value: "false", Parts: []*mapping.Operand{{Expr: "event.data.notice_minutes", Value: "30"}}},
				{Expr: `event.data.campus == "north"`, Value: "true", Parts: []*mapping.Operand{{Expr: "event.data.campus", Value: `"north"`}}},
			}},
			{Expr: `event.data.room == "B"`, Error: "there is no field room", Parts: []*mapping.Operand{{Expr: "event.data.room", Error: "there is no field room"}}},
		},
	}
	if diff := cmp.Diff(want, x.Rules[0].When); diff != "" {
		t.Error(diff)
	}
	if x.Rules[0].Matched || x.Rules[0].Failed != "when" || x.Rules[0].Why != "there is no field room" {
		t.Errorf("rule = %+v", x.Rules[0])
	}
}

func TestAnExplanationNamesThePartThatIsFalse(t *testing.T) {
	app := school{rule: `when: event.data.campus == "north" && event.data.notice_minutes < 20`}.compile(t)
	got := app.Explain(lessonMessage()).Rules[0].Why
	if want := "the condition is false: event.data.notice_minutes < 20 where event.data.notice_minutes is 30"; got != want {
		t.Errorf("why = %q, want %q", got, want)
	}
}

func TestAnExplanationTellsWhatAMatchComesTo(t *testing.T) {
	app := school{rule: "key: event.data.lesson_id\nitem: \"{{ .data.course }}\"\ngroup_by: event.data.campus\nwith: {c: event.data.course}"}.compile(t)
	r := app.Explain(lessonMessage()).Rules[0]
	if r.Match == nil || r.Match.Item.Key != "7" {
		t.Fatalf("match = %+v", r.Match)
	}
	r.Match = nil
	want := mapping.RuleExplanation{
		Rule: "one", Line: 21, Matched: true, Audience: "students", Template: "changes", Group: "north",
		Key: "7", Text: "Maths", Data: []byte(`{"c":"Maths"}`), Priority: "normal",
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
}

func TestAnExplanationOfWhatCannotBeRead(t *testing.T) {
	app := school{rule: "key: event.data.lesson_id", more: "  - {name: counts, on: school.>, audience: students, template: changes}\n"}.compile(t)
	m := lessonMessage()
	m.Data = []byte("oops")
	x := app.Explain(m)
	if !strings.Contains(x.Undecodable, "JSON") || x.Rules[0].Matched || x.Rules[0].Dead != mapping.DeadUndecodable || !x.Rules[1].Matched {
		t.Errorf("explanation = %+v", x)
	}
	m.Subject = "elsewhere"
	if x := app.Explain(m); len(x.Rules) != 0 {
		t.Errorf("rules on another subject: %+v", x.Rules)
	}
}

// "2026-11-02" beside "2026-11-03" looks as if they could be compared.
func TestAnExplanationTellsTimesFromText(t *testing.T) {
	app := school{rule: `when: event.data.course > event.time - duration("2h")`}.compile(t)
	w := app.Explain(lessonMessage()).Rules[0].When
	if len(w.Parts) != 2 || w.Parts[0].Value != `"Maths"` || !strings.HasPrefix(w.Parts[1].Value, `timestamp("`) || w.Error != "a value has the wrong type" {
		t.Errorf("when = %+v", w)
	}
}

func TestAnExplanationTakesTheKeyThatFailedApart(t *testing.T) {
	app := school{rule: `key: event.data.lesson_id + "-" + event.data.course`}.compile(t)
	r := app.Explain(lessonMessage()).Rules[0]
	if r.Failed != "key" || r.Part == nil || len(r.Part.Parts) != 2 || r.Part.Parts[1].Value != `"Maths"` {
		t.Errorf("rule = %+v", r)
	}
}
