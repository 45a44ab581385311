package stream

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/belfry-bridge/belfry/bridge"
)

// afterThree has read the deliveries 1 to 3, the last of them with sequence 7.
func afterThree(out chan bridge.Batch) *consuming {
	order := newTurns(time.Minute)
	r := newReader(&source{}, "S", streamPlan{}, bridge.Checkpoint{Sequence: 7}, true, order, out)
	return &consuming{reader: r, consumer: &consumer{}, sequence: 3, last: 7, pending: 5}
}

// Only it tells when the last delivery of all was lost.
func TestAHeartbeatIsBelievedOnlyWhereEveryDeliveryBeforeItCame(t *testing.T) {
	for _, c := range []struct {
		name       string
		deliveries int
		fails      string
		handed     uint64 // the checkpoint; 0: nothing
	}{
		{"of all that came", 3, "", 9},
		{"of one more", 4, "cannot go on after delivery 3 of S: the server has made 4", 0},
		{"of before the last", 2, "", 0},
	} {
		out := make(chan bridge.Batch, 1)
		a := afterThree(out)
		m := &nats.Msg{Header: nats.Header{"Status": {"100"}, "Nats-Last-Consumer": {fmt.Sprint(c.deliveries)}, "Nats-Last-Stream": {"9"}}}
		err := a.takeStatus(t.Context(), m)
		if (err != nil) != (c.fails != "") || err != nil && err.Error() != c.fails {
			t.Errorf("%s: %v, want %q", c.name, err, c.fails)
		}
		close(out)
		if b := <-out; b.Checkpoint.Sequence != c.handed || a.caughtUp != (c.handed > 0) {
			t.Errorf("%s: handed over %+v, caught up %t", c.name, b, a.caughtUp)
		}
	}
}

func TestADeliveryThatDoesNotFollowTheLastEndsTheAttempt(t *testing.T) {
	for _, c := range []struct{ name, sequences string }{
		{"one was lost", "9.5"}, {"it came before", "9.3"}, {"it is of an earlier event", "7.4"},
	} {
		a := afterThree(nil)
		err := a.take(t.Context(), &nats.Msg{Reply: "$JS.ACK.S.C.1." + c.sequences + ".1793581200000000000.0"})
		if err == nil || !strings.Contains(err.Error(), "cannot go on after delivery 3 of S (sequence 7)") || len(a.batch) > 0 {
			t.Errorf("%s: %v, %d messages", c.name, err, len(a.batch))
		}
	}
}
