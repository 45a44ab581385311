package bridge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

func TestADigestThatCouldNotBeRenderedIsTriedAgainWhenItHasChanged(t *testing.T) {
	event := func(w *world, subject, data string) {
		w.source.Append(time.Now(), mapping.Message{Subject: subject, Data: []byte(data)})
		w.pass(3 * time.Minute)
	}
	for name, mend := range map[string]func(*world){
		"corrected": func(w *world) { event(w, "lesson.cancelled", `{"id":"a","list":["mended"]}`) },
		"cancelled": func(w *world) { event(w, "lesson.restored", `{"id":"a"}`) },
		"new rules": func(w *world) {
			w.bridge.Reload(compile(t, scenarioRules))
			w.pass(time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.end()
				w.rules = compile(t, strings.Replace(scenarioRules, `alert: "x"`, `alert: "{{ range .Items }}{{ index .Data.list 0 }}{{ end }}"`, 1))
				w.start()
				event(w, "lesson.cancelled", `{"id":"a","list":[]}`)
				event(w, "lesson.cancelled", `{"id":"b","list":["fine"]}`)
				w.wantSends(0)
				if got := w.trouble("digest.unsendable"); !strings.Contains(got, "students / lessons cannot be sent as it is") {
					t.Errorf("the trouble says %q", got)
				}
				if s := w.bridge.Status(); s.Digests[0].State != bridge.StateBroken {
					t.Errorf("it is shown as %+v", s.Digests[0])
				}
				if lines := w.logged("cannot send a digest; it is tried again when it has changed, or the rules have"); len(lines) != 1 {
					t.Errorf("said %d times: %q", len(lines), lines)
				}
				mend(w)
				w.wantSends(1)
				if got := w.trouble("digest.unsendable"); got != "" {
					t.Errorf("it is over, and still said: %s", got)
				}
			})
		})
	}
}

func unrenderable(w *world) {
	w.end()
	w.rules = compile(w.t, strings.Replace(scenarioRules, `alert: "x"`, `alert: "{{ range .Items }}{{ index .Data.list 0 }}{{ end }}"`, 1))
	w.start()
}

func TestADigestThatWasMendedIsNoTroubleWhileItWaits(t *testing.T) {
	inWorld(t, func(w *world) {
		unrenderable(w)
		event := func(subject, data string) {
			w.source.Append(time.Now(), mapping.Message{Subject: subject, Data: []byte(data)})
			w.pass(3 * time.Minute)
		}
		event("lesson.cancelled", `{"id":"a","list":[]}`)
		event("lesson.cancelled", `{"id":"b","list":["fine"]}`)
		w.pauseFor("exams")
		if w.trouble("digest.unsendable") == "" {
			t.Fatal("it is not told")
		}
		event("lesson.restored", `{"id":"a"}`)
		if got := w.trouble("digest.unsendable"); got != "" || w.bridge.Status().Digests[0].State == bridge.StateBroken {
			t.Errorf("it is mended, and still said: %s", got)
		}
	})
}

// Two streams need not agree on the time.
func TestACorrectionWithAnEarlierTimeIsTried(t *testing.T) {
	inWorld(t, func(w *world) {
		unrenderable(w)
		at := time.Now()
		w.source.Append(at, mapping.Message{Subject: "lesson.cancelled", Data: []byte(`{"id":"a","list":[]}`)})
		w.pass(3 * time.Minute)
		w.source.Append(at.Add(-time.Second), mapping.Message{Subject: "lesson.cancelled", Data: []byte(`{"id":"a","list":["mended"]}`)})
		w.pass(time.Minute)
		w.wantSends(1)
	})
}
