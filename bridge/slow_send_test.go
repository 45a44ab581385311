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
		stuck := make(chan struct{})
		w.provider.Answer = func(context.Context, int, bridge.Send) bridge.Outcome {
			<-stuck
			return bridge.Outcome{Kind: bridge.Accepted, At: time.Now()}
		}
		w.cancelled("maths")
		w.pass(3 * time.Minute)
		latest := w.provider.Sends()[0].Deadline.Add(30 * time.Second)
		first := w.done
		w.stop()
		w.start()
		if hour := w.bridge.Status().Quota[0]; hour.Used != 1 || hour.Frees.Before(latest.Add(time.Hour)) {
			t.Errorf("the send comes back at %s, but may have been counted as late as %s", hour.Frees, latest)
		}
		close(stuck)
		if err := <-first; err != nil {
			t.Errorf("the old owner ended with %v", err)
		}
	})
}
