package main

import (
	"strings"
	"testing"
	"time"
)

func TestAStreamsHistoryIsSimulatedAsFarAsTheRulesAsk(t *testing.T) {
	t.Parallel()
	natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
	_, js := connect(t, natsURL)
	createSchool(t, js)
	for i := range 3 {
		lesson(t, js, i, "Maths", 30)
	}
	if _, err := js.Publish(t.Context(), "school.other", []byte("no rule asks for it")); err != nil {
		t.Fatal(err)
	}
	env := writeFile(t, "env", "APP_KEY=k\nAPP_SECRET=s\nPRIMARY=https://a.example.com\nBACKUP=https://b.example.com\n")
	args := []string{"simulate", "--rules", writeFile(t, "rules.yaml", e2eRules), "--env-file", env, "--stream", "SCHOOL", "--nats", natsURL}
	if code, out, errs := cli(t, args...); code != exitOK || !strings.Contains(out, "3 events, 3 items, 1 broadcast\n") {
		t.Errorf("exit %d:\n%s%s", code, out, errs)
	}
	later := time.Now().Add(time.Hour).Format(time.RFC3339)
	if code, out, errs := cli(t, append(args, "--from", later)...); code != exitFailed || !strings.Contains(errs, "a history without events") {
		t.Errorf("from later on, exit %d:\n%s%s", code, out, errs)
	}
	other := writeFile(t, "other.yaml", strings.NewReplacer("on: school.lesson.cancelled", "on: school.other", "    when: event.data.notice_minutes < 120\n", "",
		"    key: event.data.lesson_id\n", "", "    item: \"{{ .data.course }}\"\n", "").Replace(e2eRules))
	if code, out, errs := cli(t, append(args, "--compare", other)...); code != exitOK || !strings.Contains(out, "1 of 1") {
		t.Errorf("beside rules on other subjects, exit %d:\n%s%s", code, out, errs)
	}
}

func TestALongListOfNamesIsCutShort(t *testing.T) {
	t.Parallel()
	names := strings.Split("abcdefghijkl", "")
	for n, want := range map[int]string{1: "a", 10: "a, b, c, d, e, f, g, h, i, j", 12: "a, b, c, d, e, f, g, h, i, j and 2 more"} {
		if got := someOf(names[:n]); got != want {
			t.Errorf("%d names: %q, want %q", n, got, want)
		}
	}
}
