package bridge_test

import (
	"testing"
	"time"
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
		w.start() // the lease is acquired anew
		w.pass(2 * time.Minute)
		w.wantSends(1)
		w.wantResults("not_sent", "sent")
	})
}
