package bridge_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

// A host that takes long to be reached, or to answer: the provider may count
// a send as late as that.
func TestASendThatTookLongCountsFromItsEnd(t *testing.T) {
	for name, kind := range map[string]bridge.OutcomeKind{"answered": bridge.Accepted, "refused": bridge.OutcomeRejected, "in doubt": bridge.Doubtful} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				var counted []time.Time
				w.provider.Answer = func(_ context.Context, n int, _ bridge.Send) bridge.Outcome {
					if n <= 2 {
						time.Sleep(40 * time.Second) // 10 s until it is connected, 30 s for the answer
					}
					counted = append(counted, time.Now())
					return bridge.Outcome{Kind: kind, At: time.Now()}
				}
				for i := range 18 {
					w.cancelled(fmt.Sprint("lesson", i))
					w.pass(10 * time.Minute)
				}
				w.wantSends(3)
				if between := counted[2].Sub(counted[0]); between < time.Hour {
					t.Errorf("the provider counts three sends within %s", between)
				}
			})
		})
	}
}

// The owner died while it sent: whether the first byte had left by then, and
// how long it is on its way, nobody knows.
func TestAnInterruptedSendCountsFromWhenItCanHaveArrived(t *testing.T) {
	inWorld(t, func(w *world) {
		stuck := w.answersLate()
		w.cancelled("maths")
		w.pass(2*time.Minute + 2*time.Second) // its first byte may leave for some seconds more
		latest := w.provider.Sends()[0].Deadline.Add(30 * time.Second)
		if !latest.After(time.Now().Add(30 * time.Second)) {
			t.Fatal("its deadline is over")
		}
		first := w.done
		w.stop()
		w.start()
		if hour := w.bridge.Status().Quota[0]; hour.Used != 1 || hour.Frees.Before(latest.Add(time.Hour+5*time.Second)) {
			t.Errorf("the send comes back at %s, but may have been counted as late as %s", hour.Frees, latest)
		}
		close(stuck)
		if err := <-first; err != nil {
			t.Errorf("the old owner ended with %v", err)
		}
	})
}

func TestEachCallThatTheProviderRefusedIsCharged(t *testing.T) {
	refused := bridge.Attempt{Written: true, Result: "HTTP 401 code 1004"}
	unreached := bridge.Attempt{Result: "connection refused"}
	for name, tt := range map[string]struct {
		outcome bridge.Outcome
		spends  int
	}{
		"accepted at the second try":    {bridge.Outcome{Kind: bridge.Accepted, HTTPStatus: 200, Attempts: []bridge.Attempt{refused, {Written: true}}}, 2},
		"refused, and then unreachable": {bridge.Outcome{Kind: bridge.NotSent, Attempts: []bridge.Attempt{refused, unreached}}, 1},
		"refused twice":                 {bridge.Outcome{Kind: bridge.Blocked, HTTPStatus: 401, Code: new(1004), Attempts: []bridge.Attempt{refused, refused}}, 2},
		"never reached":                 {bridge.Outcome{Kind: bridge.NotSent, Attempts: []bridge.Attempt{unreached, unreached}}, 0},
		"throttled":                     {bridge.Outcome{Kind: bridge.Throttled, HTTPStatus: 429, Attempts: []bridge.Attempt{{Written: true}}}, 0},
	} {
		for _, counts := range []bool{true, false} {
			app := *compile(t, accountRules).App
			app.Quota.CountRejected = counts
			a := &account{app: &app, s: bridge.NewState("campus", "born"), now: floodStart}
			a.event("lesson", map[string]any{"id": "x", "group": "a", "also": false})
			if _, _, err := a.s.Begin(&app, a.s.Digests[0], "", a.now); err != nil {
				t.Fatal(err)
			}
			if tt.outcome.Attempts[0].Result == refused.Result {
				if err := a.s.Again(&app, a.s.Sending.ID, a.now); err != nil {
					t.Fatal(err)
				}
			}
			want := tt.spends
			if !counts {
				want = map[bool]int{true: 1}[tt.outcome.Kind == bridge.Accepted]
			}
			a.s.Settle(&app, tt.outcome, a.now)
			if n := len(a.s.Ledger.Spends); n != want {
				t.Errorf("%s, count_rejected %v: %d spends, want %d", name, counts, n, want)
			}
		}
	}
}
