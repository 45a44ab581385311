package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// Nothing bounds what sends report while nobody takes the results: so none begins.
func TestNothingIsSentWhileTooManyResultsWait(t *testing.T) {
	inWorld(t, func(w *world) {
		var up atomic.Bool
		w.publisher.Fail = func(bridge.Publication) error {
			if up.Load() {
				return nil
			}
			return errors.New("no responders")
		}
		w.provider.Answer = func(context.Context, int, bridge.Send) bridge.Outcome {
			return bridge.Outcome{Kind: bridge.NotSent, Message: "no byte of the request left", At: time.Now()}
		}
		for i := range 700 { // the ids of one result fill the outbox
			w.source.Append(time.Now(), mapping.Message{
				Subject: "lesson.cancelled", Header: map[string][]string{"Nats-Msg-Id": {fmt.Sprintf("id-%d-%s", i, random(240))}}, Data: fmt.Appendf(nil, `{"id":"k%d"}`, i),
			})
		}
		w.pass(time.Hour)
		w.wantSends(1)
		if s := w.bridge.Status(); s.Role != bridge.RoleOwner || s.Outbox == 0 || !strings.Contains(s.Digests[0].Why, "results that wait must be published") {
			t.Errorf("it is %s with %d results: %s", s.Role, s.Outbox, s.Digests[0].Why)
		}
		up.Store(true)
		w.pass(time.Hour)
		if n := len(w.provider.Sends()); n < 2 {
			t.Errorf("%d sends once the results are published", n)
		}
	})
}
