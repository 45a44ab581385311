package mapping_test

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-bridge/belfry/mapping"
)

func env(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

func campusEnv() func(string) (string, bool) {
	return env(map[string]string{"CAMPUS_APP_KEY": "key", "CAMPUS_APP_SECRET": "secret"})
}

func exampleRules(t testing.TB) *mapping.App {
	t.Helper()
	src, err := os.ReadFile("../rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set, problems := compileText(string(src))
	for _, p := range problems {
		t.Error(p)
	}
	if set == nil {
		t.FailNow()
	}
	return set.Apps["campus"]
}

func TestTheExampleTurnsEventsIntoOneRequest(t *testing.T) {
	app := exampleRules(t)
	arrived := time.Date(2026, 11, 2, 1, 0, 0, 0, time.UTC)
	view := mapping.View{ID: "d1", App: "campus", Audience: "students", Template: "lesson-changes", Now: arrived}
	for i, data := range []string{
		`{"lesson_id":7,"course":"Maths","notice_minutes":30,"starts_at":"2026-11-02T10:00:00+08:00"}`,
		`{"lesson_id":9,"course":"Music","notice_minutes":30.5,"starts_at":"2026-11-02T11:00:00+08:00"}`,
	} {
		d := app.Map(&mapping.Message{Subject: "school.lesson.cancelled", Stream: "SCHOOL", Sequence: uint64(i + 1), Time: arrived, Data: []byte(data)})
		if len(d.Matches) != 1 || len(d.Failures)+len(d.Dead) != 0 {
			t.Fatalf("decision = %+v", d)
		}
		view.Items = append(view.Items, d.Matches[0].Item)
	}
	view.Count, view.First, view.Last = 2, view.Items[0], view.Items[1]
	got, err := app.Render(view)
	if err != nil {
		t.Fatal(err)
	}
	body, err := got.Request.Body()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"platform":["ios","android"],"fromUserId":"schooloffice","audience":{"packageName":"com.example.student","isToAll":false},` +
		`"message":{"content":"{\"content\":\"• Maths on Mon 10:00 is cancelled\\n• Music on Mon 11:00 is cancelled\\n\",\"extra\":\"digest=d1\"}","messageType":"RC:TxtMsg"},` +
		`"notification":{"alert":"Music on Mon 11:00 is cancelled","android":{"hw":{"channelId":"school","importance":"NORMAL"}},"ios":{"thread-id":"lessons"},"title":"2 lesson changes"}}`
	if string(body) != want {
		t.Errorf("body =\n%s\nwant\n%s", body, want)
	}
}

func TestAnAppAsksForTheSubjectsOfItsRulesEachOnce(t *testing.T) {
	want := []string{
		"school.closure", "school.fees.due", "school.lesson.cancelled", "school.lesson.restored",
		"school.lesson.substitute", "school.library.overdue", "school.menu.changed", "school.staff.notice",
	}
	if diff := cmp.Diff(want, exampleRules(t).Subjects()); diff != "" {
		t.Error(diff)
	}
}
