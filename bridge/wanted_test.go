package bridge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// want is an operator's order for the only digest that waits.
func (w *world) want(why string) {
	w.t.Helper()
	w.order(func(s *bridge.State, _ *mapping.App, now time.Time) error {
		s.Want(s.Digests[0], why, now)
		return nil
	})
}

func TestWhatAnOperatorWantsGoesBeforeItsWindowAndItsPrice(t *testing.T) {
	for name, quota := range map[string]string{
		"asap": "asap", "slots that are far off": `slots, slots: ["23:00"]`, "price": "price, worth: {normal: 0}", "a reserve": "asap, reserve: {urgent: 3}",
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.end()
				w.rules = compile(t, strings.Replace(scenarioRules, "policy: asap", "policy: "+quota, 1))
				w.start()
				w.cancelled("maths")
				w.pass(time.Second)
				w.want("by Ann: parents call")
				w.pass(time.Second)
				w.wantSends(1)
				w.cancelled("music")
				w.pass(time.Second)
				if d := w.bridge.Status().Digests; len(d) != 1 || strings.Contains(d[0].Why, "wanted") || d[0].State != bridge.StateGathering {
					t.Errorf("what comes later is wanted, too: %+v", d)
				}
			})
		})
	}
}

func TestWhatAnOperatorWantsWaitsForASendAndIsTheFirst(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.rules = compile(t, strings.NewReplacer("quota: {policy: asap}", "quota: {policy: asap, per_hour: 1}",
			"students: {", "parents: {app: campus, package: com.example.student, platforms: [android]}\n  students: {",
			"rules:\n", "rules:\n  - {name: closed, on: school.closed, audience: parents, template: lessons, key: event.data.id, item: \"{{ .data.id }}\", priority: urgent}\n").Replace(scenarioRules))
		w.start()
		w.cancelled("maths")
		w.pass(3 * time.Minute)
		w.wantSends(1)
		w.cancelled("music")
		w.pass(time.Minute)
		w.want("by Ann: parents call")
		w.source.Append(time.Now(), mapping.Message{Subject: "school.closed", Data: []byte(`{"id": "the school"}`)})
		w.pass(time.Minute)
		for _, d := range w.bridge.Status().Digests {
			if d.Audience == "students" && (d.State != bridge.StateNext || !strings.Contains(d.Why, "It is wanted at once by Ann: parents call.")) {
				t.Errorf("it is %s: %s", d.State, d.Why)
			}
		}
		w.end() // the next owner knows
		w.start()
		w.pass(59 * time.Minute)
		w.wantSends(2)
		if got := w.said(2); !strings.Contains(got, "music") {
			t.Errorf("the second send says %q", got)
		}
	})
}

func TestQuietHoursMutesAndPausesHoldWhatAnOperatorWants(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.rules = compile(t, strings.Replace(scenarioRules, "platforms: [ios]", `platforms: [ios], timezone: UTC, quiet_hours: "00:00-03:00"`, 1))
		w.start()
		w.cancelled("maths")
		w.pass(time.Second)
		w.want("by Ann: parents call")
		w.pass(150 * time.Minute) // worlds begin at midnight
		w.wantSends(0)
		if d := w.bridge.Status().Digests[0]; d.State != bridge.StateQuiet || !strings.Contains(d.Why, "wanted at once by Ann") {
			t.Errorf("it is %s: %s", d.State, d.Why)
		}
		w.mute("students") // for an hour
		w.pass(45 * time.Minute)
		w.wantSends(0)
		w.order(func(s *bridge.State, _ *mapping.App, _ time.Time) error { s.Mutes = nil; return nil })
		w.pass(time.Second)
		w.wantSends(1)
	})
}

func TestWhatAnOperatorWantsIsWantedUntilItHasGone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answer(1, bridge.Outcome{Kind: bridge.NotSent, Message: "no route"})
		w.cancelled("maths")
		w.pass(time.Second)
		w.want("by Ann: parents call")
		w.cancelled("music") // they join it while it is away
		w.pass(10 * time.Second)
		if d := w.bridge.Status().Digests; len(d) != 1 || !strings.Contains(d[0].Why, "wanted at once by Ann") {
			t.Errorf("what came back: %+v", d)
		}
		w.pass(time.Minute)
		w.wantSends(2)
	})
}
