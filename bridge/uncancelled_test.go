package bridge_test

import (
	"strings"
	"testing"
	"time"
)

// A rule is known by its name: what it gathered before it was renamed, nothing
// cancels any more, and the operator is told while there is time.
func TestAReloadThatRenamesARuleTellsWhatNothingCancelsAnyMore(t *testing.T) {
	inWorld(t, func(w *world) {
		failing := strings.Replace(scenarioRules, `item: "{{ .data.id }}"`, `when: event.data.id != "" && event.data.missing, item: "{{ .data.id }}"`, 1)
		w.bridge.Reload(compile(t, failing))
		w.settle()
		w.cancelled("art")
		w.pass(time.Minute)
		if n := w.bridge.Status().Failed["cancelled"]; n != 1 {
			t.Fatalf("the rule failed on %d events, want 1", n)
		}
		w.bridge.Reload(w.rules)
		w.settle()
		for _, id := range []string{"maths", "music", "sport", "drama", "latin", "of which only five keep their text"} {
			w.cancelled(id)
		}
		w.pass(time.Minute)
		w.bridge.Reload(w.rules)
		w.pass(time.Second)
		if s := w.bridge.Status(); s.Failed["cancelled"] != 1 || s.FailedOn["cancelled"].Sequence == 0 {
			t.Errorf("a reload forgets on what a rule has failed that is still there: %v, %v", s.Failed, s.FailedOn)
		}
		const told = "a rule is gone or renamed, and nothing cancels any more what it has gathered"
		if lines := w.logged(told); len(lines) > 0 {
			t.Errorf("nothing was renamed, and the log says %q", lines)
		}
		w.bridge.Reload(compile(t, strings.NewReplacer("name: cancelled", "name: dropped", "cancels: [cancelled]", "cancels: [dropped]").Replace(scenarioRules)))
		w.pass(time.Second)
		lines := w.logged(told)
		if len(lines) != 1 || !strings.Contains(lines[0], "rule=cancelled items=6") || !strings.Contains(lines[0], "belfry mute") {
			t.Errorf("the log says %q", lines)
		}
		if s := w.bridge.Status(); len(s.Failed)+len(s.FailedOn) > 0 {
			t.Errorf("rules that are gone are said to fail: %v, %v", s.Failed, s.FailedOn)
		}
	})
}

// Who renames an audience addresses the same people, and their mute is void.
func TestAReloadTellsOfMutesThatMuteNothingAnyMore(t *testing.T) {
	inWorld(t, func(w *world) {
		w.mute("students")
		w.bridge.Reload(w.rules)
		w.pass(time.Second)
		const told = "a mute mutes nothing: the rules do not have what it names"
		if lines := w.logged(told); len(lines) > 0 {
			t.Errorf("nothing was renamed, and the log says %q", lines)
		}
		w.bridge.Reload(compile(t, strings.ReplaceAll(scenarioRules, "students", "pupils")))
		w.pass(time.Second)
		if lines := w.logged(told); len(lines) != 1 || !strings.Contains(lines[0], `of="audience students"`) || !strings.Contains(lines[0], "belfry mute the new name") {
			t.Errorf("the log says %q", lines)
		}
	})
}

func TestARuleThatFailsNamesAnEventAndDoesNotFloodTheLog(t *testing.T) {
	inWorld(t, func(w *world) {
		w.bridge.Reload(compile(t, strings.Replace(scenarioRules, `item: "{{ .data.id }}"`, `when: event.data.id != "" && event.data.missing, item: "{{ .data.id }}"`, 1)))
		w.settle()
		for range 100 {
			w.cancelled("art")
			w.pass(time.Second)
		}
		s := w.bridge.Status()
		f := s.FailedOn["cancelled"]
		if s.Failed["cancelled"] != 100 || f.Sequence == 0 || f.Stream == "" || f.Part != "when" || !strings.Contains(f.Error, "missing") || time.Since(f.At) > 2*time.Second {
			t.Errorf("failed on %d events, the last was %+v", s.Failed["cancelled"], f)
		}
		lines := w.logged("a rule's expression failed on an event, which counts as no match")
		if len(lines) != 2 || !strings.Contains(lines[0], "belfry explain --stream "+f.Stream+" --seq ") {
			t.Errorf("the log says\n%s", strings.Join(lines, "\n"))
		}
	})
}

// Of a backlog, say: whether the rules were mended since, the event's own time does not tell.
func TestARuleThatFailsOnAnOldEventIsNotSaidToHaveFailedBeforeItWasLoaded(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.rules = compile(t, strings.Replace(scenarioRules, `item: "{{ .data.id }}"`, `when: event.data.missing, item: "{{ .data.id }}"`, 1))
		w.cancelled("art")
		w.pass(time.Hour)
		loaded := time.Now()
		w.start()
		w.pass(time.Second)
		f := w.bridge.Status().FailedOn["cancelled"]
		if !f.At.Before(loaded) || f.Past(loaded) || !f.Past(time.Now()) {
			t.Errorf("loaded at %s, it failed on %+v", loaded, f)
		}
	})
}
