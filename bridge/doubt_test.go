package bridge_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// tell publishes news with a text of its own.
func (w *world) tell(id, text string) {
	w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: []byte(`{"id":"` + id + `","text":"` + text + `"}`)})
	w.settle()
}

// doubtful restarts with rules whose items have texts of their own, and a
// provider whose first answers are lost.
func (w *world) doubtful(answers int) {
	w.end()
	w.rules = compile(w.t, strings.Replace(scenarioRules, "{{ .data.id }}", "{{ .data.text }}", 1))
	w.answer(answers, bridge.Outcome{Kind: bridge.Doubtful, Message: "no answer"})
	w.start()
}

// always is more answers than any test asks for.
const always = 1000

// answer has the provider's first answers come to one outcome; the others accept.
func (w *world) answer(first int, o bridge.Outcome) {
	w.provider.Answer = func(_ context.Context, n int, _ bridge.Send) bridge.Outcome {
		if n > first {
			return bridge.Outcome{Kind: bridge.Accepted, At: time.Now()}
		}
		o := o
		o.At = time.Now()
		return o
	}
}

func (w *world) order(do func(s *bridge.State, app *mapping.App, now time.Time) error) {
	w.t.Helper()
	if err := w.bridge.Do(w.t.Context(), do); err != nil {
		w.t.Fatal(err)
	}
}

// resolve ends the doubt about a broadcast.
func (w *world) resolve(id string, sent bool) error {
	return w.bridge.Do(w.t.Context(), func(s *bridge.State, app *mapping.App, now time.Time) error {
		return s.Resolve(app, id, sent, "by ops", now)
	})
}

// notSent ends it with the word that nothing was sent.
func (w *world) notSent(id string) {
	w.t.Helper()
	if err := w.resolve(id, false); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) pauseFor(why string) {
	w.t.Helper()
	w.order(func(s *bridge.State, _ *mapping.App, now time.Time) error {
		s.Paused = &bridge.Pause{Since: now, Why: why, Ordered: true}
		return nil
	})
}

func (w *world) resume() {
	w.t.Helper()
	w.order(func(s *bridge.State, _ *mapping.App, _ time.Time) error { s.Paused = nil; return nil })
}

func TestNewerNewsStayInWhateverOrderDoubtsAreResolved(t *testing.T) {
	for name, reverse := range map[string]bool{"older first": false, "newer first": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.doubtful(2)
				w.tell("gate", "until ten")
				w.tell("door", "open")
				w.pass(3 * time.Minute)
				w.tell("yard", "closed")
				w.tell("gate", "all day")
				w.pass(3 * time.Minute)
				w.wantSends(2)
				var ids []string
				for _, b := range w.bridge.Status().InDoubt {
					ids = append(ids, b.ID)
				}
				if reverse {
					slices.Reverse(ids)
				}
				w.pauseFor("sorting out the doubts")
				for _, id := range ids {
					w.notSent(id)
				}
				w.resume()
				w.pass(3 * time.Minute)
				w.wantSends(3)
				if got := w.said(3); got != "[open][closed][all day]+0" {
					t.Errorf("said %q, want the newest of the gate, in order of arrival", got)
				}
				if c := w.bridge.Status().Counts; c.Replaced != 1 || c.Sent != 3 {
					t.Errorf("counts %+v, want one replaced and three sent", c)
				}
			})
		})
	}
}

func TestWhatNewerNewsHaveReplacedIsNotSentAfterThem(t *testing.T) {
	inWorld(t, func(w *world) {
		w.doubtful(1)
		w.tell("gate", "until ten")
		w.tell("door", "open")
		w.pass(3 * time.Minute)
		w.tell("gate", "all day")
		w.pass(3 * time.Minute)
		w.wantSends(2)
		b := w.bridge.Status().InDoubt[0]
		if got := b.Fates.String(); got != "1 item goes again; 1 was replaced by newer news" {
			t.Errorf("it is said that %q", got)
		}
		w.end()
		w.start() // the mark is durable
		w.pass(time.Minute)
		w.notSent(b.ID)
		w.pass(2 * time.Hour)
		w.wantSends(3)
		if got := w.said(3); got != "[open]+0" {
			t.Errorf("said %q after the newer news", got)
		}
		if c := w.bridge.Status().Counts; c.Replaced != 1 || c.Sent != 2 {
			t.Errorf("counts %+v, want one replaced and two sent", c)
		}
	})
}

func TestTheFatesOfWhatIsInDoubtAreTold(t *testing.T) {
	inWorld(t, func(w *world) {
		w.doubtful(1)
		w.tell("gate", "until ten")
		w.pass(3 * time.Minute)
		w.restored("gate")
		w.pass(time.Minute)
		if got := w.bridge.Status().InDoubt[0].Fates.String(); got != "nothing of it goes again: 1 was cancelled" {
			t.Errorf("it is said that %q", got)
		}
	})
	inWorld(t, func(w *world) {
		w.doubtful(1)
		w.tell("gate", "until ten")
		w.tell("door", "open")
		w.pass(7 * time.Hour)
		w.tell("yard", "closed") // a new look
		w.pass(time.Second)
		if got := w.bridge.Status().InDoubt[0].Fates.String(); got != "nothing of it goes again: 2 have expired" {
			t.Errorf("it is said that %q", got)
		}
	})
}

func TestNothingIsTakenAsNotSentWhileItsRequestMayBeOnItsWay(t *testing.T) {
	for name, c := range map[string]struct {
		outcome bridge.Outcome
		arrived bool
	}{
		"no answer":                       {bridge.Outcome{}, false},
		"a gateway that got none in time": {bridge.Outcome{HTTPStatus: 504}, false},
		"the provider's own 504":          {bridge.Outcome{HTTPStatus: 504, Code: new(1050)}, true},
		"another answer of a gateway's":   {bridge.Outcome{HTTPStatus: 502}, true},
		"a connection that was closed":    {bridge.Outcome{Closed: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				c.outcome.Kind = bridge.Doubtful
				w.answer(always, c.outcome)
				w.cancelled("maths")
				w.pass(2*time.Minute + time.Second)
				b := w.bridge.Status().InDoubt[0]
				if c.arrived {
					if err := w.resolve(b.ID, false); err != nil || !b.Arrived.IsZero() {
						t.Errorf("refused until %s: %v", b.Arrived, err)
					}
					return
				}
				if err := w.resolve(b.ID, false); err == nil || !strings.Contains(err.Error(), "not sent before 1 Jan 00:02:45 UTC") {
					t.Errorf("at once: %v", err)
				}
				w.pass(time.Until(b.Arrived))
				if err := w.resolve(b.ID, false); err != nil {
					t.Errorf("at %s: %v", b.Arrived, err)
				}
			})
		})
	}
}

// The latest item may be counted only, and its text known for all that.
func TestTheLatestItemInDoubtIsReplacedAndCancelledToo(t *testing.T) {
	for name, over := range map[string]func(*world){
		"replaced":  func(w *world) { w.tell("gate", "all day") },
		"cancelled": func(w *world) { w.restored("gate") },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.doubtful(1)
				w.end()
				w.rules = compile(t, strings.NewReplacer("{{ .data.id }}", "{{ .data.text }}", "keep: 5", "keep: 1", `alert: "x"`, `alert: "{{ .Last.Text }}"`).Replace(scenarioRules))
				w.start()
				w.tell("door", "open")
				w.tell("gate", "until ten")
				w.pass(3 * time.Minute)
				over(w)
				w.pass(10 * time.Minute)
				b := w.bridge.Status().InDoubt[0]
				if b.Fates.Again != 1 || b.Fates.Replaced+b.Fates.Cancelled != 1 {
					t.Errorf("fates %+v", b.Fates)
				}
				w.notSent(b.ID)
				w.pass(3 * time.Hour)
				for i, s := range w.provider.Sends()[1:] {
					if strings.Contains(string(s.Body), "until ten") {
						t.Errorf("send %d has %s", i+2, s.Body)
					}
				}
				if c := w.bridge.Status().Counts; c.Replaced+c.Cancelled != 1 || w.bridge.Status().Waiting != 0 {
					t.Errorf("counts %+v", c)
				}
			})
		})
	}
}

// What is being sent while the clock is put right does not stay in the future.
func TestTrustInAClockHoldsForTheSendUnderWay(t *testing.T) {
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	app := compile(t, scenarioRules).App
	s := bridge.NewState("campus", "b0rn")
	s.Fold(app, &mapping.Message{Stream: "SCHOOL", Sequence: 1, Subject: "lesson.cancelled", Time: now.AddDate(1, 0, 0), Data: []byte(`{"id":"maths"}`)})
	if _, _, err := s.Begin(app, s.Digests[0], "a try", now.AddDate(1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	s.TrustClock(now)
	s.Settle(app, bridge.Outcome{Kind: bridge.Doubtful, At: now.Add(time.Second)}, now.Add(time.Second))
	if got := s.Held[0].Arrived(); got.After(now.Add(time.Minute)) {
		t.Errorf("it may be on its way until %s", got)
	}
	if frees := bridge.LimitsFor(app.Quota).Frees(&s.Ledger, s.Ledger.Spends[0].At); frees.After(now.AddDate(0, 0, 2)) {
		t.Errorf("it counts until %s", frees)
	}
}

func TestTrustInAClockHoldsForDoubtsToo(t *testing.T) {
	inWorld(t, func(w *world) {
		w.doubtful(1)
		w.tell("gate", "until ten")
		w.pass(3 * time.Minute)
		w.order(func(s *bridge.State, app *mapping.App, now time.Time) error {
			s.Held[0].Deadline, s.Held[0].Outcome.At = now.AddDate(1, 0, 0), now.AddDate(1, 0, 0)
			s.TrustClock(now)
			return nil
		})
		w.pass(time.Minute)
		w.notSent(w.bridge.Status().InDoubt[0].ID)
	})
}

func TestTheSendOfADoubtThatIsResolvedAsNotSentIsRefunded(t *testing.T) {
	for _, o := range []bridge.Outcome{{HTTPStatus: 500, Code: new(1000), Message: "internal"}, {Message: "no answer"}} {
		inWorld(t, func(w *world) {
			w.end()
			w.rules.App.Quota.CountRejected = true
			w.start()
			o.Kind, o.Attempts = bridge.Doubtful, []bridge.Attempt{{Host: "h", Written: true}}
			w.answer(1, o)
			for i := range 3 {
				w.cancelled(fmt.Sprint("lesson ", i))
				w.pass(3 * time.Minute)
				for _, b := range w.bridge.Status().InDoubt {
					w.notSent(b.ID)
				}
			}
			w.pass(3 * time.Minute)
			w.wantSends(3) // of them two within the hour, whose quota is two
		})
	}
}

// Only its owner knows what came of it, and nobody lets it store that any more.
func TestAnOutcomeThatIsNotStoredIsToldWithWhatEndsTheDoubt(t *testing.T) {
	for kind, remedy := range map[bridge.OutcomeKind]string{
		bridge.Accepted: "belfry resolve born-2 --sent\"",
		bridge.NotSent:  "belfry resolve born-2 --not-sent\"",
		bridge.Doubtful: "find out whether it was sent, then belfry resolve born-2 --sent, or --not-sent\"",
	} {
		for during, what := range map[time.Duration]string{
			time.Millisecond: "the outcome of a broadcast could not be stored; its next owner will hold it in doubt",
			20 * time.Second: "left the app while a broadcast was under way; its next owner will hold it in doubt",
		} {
			inWorld(t, func(w *world) {
				w.provider.Answer = func(_ context.Context, n int, _ bridge.Send) bridge.Outcome {
					if n == 1 {
						w.store.Set(w.store.Record().Data, "another/9/9")
						time.Sleep(during)
					}
					return bridge.Outcome{Kind: kind, At: time.Now()}
				}
				w.cancelled("maths")
				w.pass(2*time.Minute + time.Second)
				w.cancelled("music") // is committed, if the answer takes so long
				w.pass(time.Minute)
				if lines := w.logged(what); len(lines) != 1 || !strings.Contains(lines[0], remedy) {
					t.Errorf("%s after %s: the log says %q", kind, during, lines)
				}
			})
		}
	}
}
