package bridge_test

import (
	"context"
	"slices"
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

func TestWhatAnOperatorWantsIsNotToldToMissItsSlotOrAReserve(t *testing.T) {
	for _, quota := range []string{`slots, slots: ["23:00"]`, "asap, reserve: {urgent: 2}"} {
		app := compile(t, strings.Replace(scenarioRules, "policy: asap", "policy: "+quota, 1)).App
		s := bridge.NewState("campus", "born")
		s.Fold(app, &mapping.Message{Subject: "lesson.cancelled", Stream: "S", Sequence: 1, Time: floodStart, Data: []byte(`{"id":"maths"}`)})
		s.Ledger.Charge("an hour's", floodStart)
		s.Ledger.Charge("both", floodStart)
		if _, miss := bridge.WillMiss(app, s.Digests[0], &s.Ledger, floodStart); !miss {
			t.Errorf("%s: a digest that nobody wants goes in time", quota)
		}
		s.Want(s.Digests[0], "by Ann: parents call", floodStart)
		if why, miss := bridge.WillMiss(app, s.Digests[0], &s.Ledger, floodStart); miss {
			t.Errorf("%s: %s", quota, why)
		}
	}
}

func TestNothingIsCalledTheNextBesideWhatIsReady(t *testing.T) {
	app := compile(t, strings.NewReplacer("policy: asap", `policy: slots, slots: ["23:00"]`,
		"rules:\n", "rules:\n  - {name: closed, on: school.closed, audience: students, template: lessons, group_by: event.data.id, key: event.data.id, item: \"{{ .data.id }}\"}\n").Replace(scenarioRules)).App
	s := bridge.NewState("campus", "born")
	for i, subject := range []string{"lesson.cancelled", "school.closed"} {
		s.Fold(app, &mapping.Message{Subject: subject, Stream: "S", Sequence: uint64(i + 1), Time: floodStart, Data: []byte(`{"id":"maths"}`)})
	}
	s.Want(s.Digests[1], "by Ann: parents call", floodStart)
	now := floodStart.Add(20 * time.Minute)
	e := bridge.Decide(bridge.Situation{Now: now, App: app, Digests: s.Digests, Ledger: &s.Ledger, Busy: true, First: "results that wait must be published"}).Explanations
	if e[0].State != bridge.StateHeld || e[1].State != bridge.StateReady {
		t.Errorf("%s: %s\n%s: %s", e[0].State, e[0].Why, e[1].State, e[1].Why)
	}
}

func TestWhatWasWantedByAClockThatWasAheadGoesNow(t *testing.T) {
	app := compile(t, scenarioRules).App
	s := bridge.NewState("campus", "born")
	s.Fold(app, &mapping.Message{Subject: "lesson.cancelled", Stream: "S", Sequence: 1, Time: floodStart, Data: []byte(`{"id":"maths"}`)})
	s.Want(s.Digests[0], "by Ann: parents call", floodStart.Add(time.Hour))
	p := bridge.Decide(bridge.Situation{Now: floodStart.Add(time.Second), App: app, Digests: s.Digests, Ledger: &s.Ledger})
	if p.Send == nil {
		t.Error(p.Explanations[0].Why)
	}
}

func TestWhatReplacesAllOfWhatAnOperatorWantsIsWantedInItsPlace(t *testing.T) {
	for name, users := range map[string][]string{"a package": nil, "single users": people("a", 3)} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				tell := func(id, text string, _ ...string) { w.tell(id, text) }
				if users == nil {
					w.doubtful(0)
				} else {
					tell = w.inParts(0, 20)
				}
				w.provider.Answer = func(_ context.Context, n int, _ bridge.Send) bridge.Outcome {
					time.Sleep(10 * time.Second)
					if n > 1 {
						return bridge.Outcome{Kind: bridge.Accepted, At: time.Now()}
					}
					return bridge.Outcome{Kind: bridge.NotSent, Message: "no route", At: time.Now()}
				}
				tell("gate", "gate 1", users...)
				w.pass(time.Second)
				w.want("by Ann: parents call")
				w.pass(time.Second) // it is on its way
				tell("gate", "gate 2", users...)
				w.pass(10 * time.Second)
				if d := w.bridge.Status().Digests; len(d) != 1 || !strings.Contains(d[0].Why, "wanted at once by Ann") {
					t.Errorf("what came in its place: %+v", d)
				}
				w.pass(time.Minute + time.Second)
				if got := w.said(2); !strings.Contains(got, "gate 2") {
					t.Errorf("the second send says %q", got)
				}
			})
		})
	}
}

func TestThatAnOperatorWantsWhatCannotBeRenderedIsTold(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.rules = compile(t, strings.Replace(scenarioRules, `{content: "`, `{content: "{{ .Last.Data.room }}`, 1))
		w.start()
		w.cancelled("maths")
		w.pass(20 * time.Minute)
		w.want("by Ann: parents call")
		w.pass(time.Second)
		if d := w.bridge.Status().Digests[0]; d.State != bridge.StateBroken || !strings.Contains(d.Why, "wanted at once by Ann: parents call") {
			t.Errorf("it is %s: %s", d.State, d.Why)
		}
	})
}

// The newer news reach 1,500 users in two parts, of which one was wanted.
func TestAWordThatIsPassedOnIsWorthOneSend(t *testing.T) {
	inWorld(t, func(w *world) {
		tell := w.inParts(0, 20)
		w.provider.Answer = func(context.Context, int, bridge.Send) bridge.Outcome {
			time.Sleep(10 * time.Second)
			return bridge.Outcome{Kind: bridge.NotSent, Message: "no route", At: time.Now()}
		}
		tell("gate", "gate 1", people("a", 1500)...)
		w.pass(time.Second)
		w.order(func(s *bridge.State, _ *mapping.App, now time.Time) error {
			s.Want(s.Digests[1], "by Ann: parents call", now) // 500 of them
			return nil
		})
		w.pass(time.Second) // it is on its way
		tell("gate", "gate 2", people("a", 1500)...)
		w.pass(10 * time.Second)
		var wanted []int
		for _, d := range w.bridge.Status().Digests {
			if strings.Contains(d.Why, "wanted at once by Ann") {
				wanted = append(wanted, d.Users)
			}
		}
		if !slices.Equal(wanted, []int{500}) {
			t.Errorf("wanted are digests of %d users", wanted)
		}
	})
}
