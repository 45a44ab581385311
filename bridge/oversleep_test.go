package bridge_test

import (
	"context"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

// The commit of "sending" landed, then the process was suspended: by the time
// it goes on, another owner may have said that the broadcast is in doubt.
func TestASendThatOversleptItsLeaseDoesNotBegin(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.lease.Oversleep()
		w.pass(2 * time.Minute)
		w.wantSends(0)
		w.wantResults("not_sent")

		w.end()
		w.start()                // the lease is acquired anew
		w.pass(10 * time.Second) // the provider has done nothing that it should be spared for
		w.wantSends(1)
		w.wantResults("not_sent", "sent")
	})
}

// A replica is stopped while it still connects to the provider: the next one
// need not wait as if the provider were out of order.
func TestASendThatIsCalledOffAtAStopIsNotWaitedForByTheNextOwner(t *testing.T) {
	inWorld(t, func(w *world) {
		w.provider.Answer = func(ctx context.Context, n int, _ bridge.Send) bridge.Outcome {
			if n > 1 {
				return bridge.Outcome{Kind: bridge.Accepted, At: time.Now()}
			}
			<-ctx.Done()
			return bridge.Outcome{Kind: bridge.NotSent, Message: "called off", At: time.Now()}
		}
		w.cancelled("maths")
		w.pass(2 * time.Minute)
		w.wantSends(1)
		w.end()
		w.start()
		w.pass(10 * time.Second)
		w.wantSends(2)
		w.wantResults("not_sent", "sent")
	})
}
