package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// Nothing bounds what sends report while nobody takes the results: so none begins.
func TestNothingIsSentWhileTooManyResultsWait(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.rules = compile(t, strings.Replace(scenarioRules, "expires_after: 6h", "expires_after: 20d", 1))
		w.start()
		down := true
		w.publisher.Fail = func(bridge.Publication) error {
			if down {
				return errors.New("no responders")
			}
			return nil
		}
		w.provider.Answer = func(context.Context, int, bridge.Send) bridge.Outcome {
			return bridge.Outcome{Kind: bridge.NotSent, Message: "no byte of the request left", At: time.Now()}
		}
		for i := range 1000 {
			w.source.Append(time.Now(), mapping.Message{
				Subject: "lesson.cancelled", Header: map[string][]string{"Nats-Msg-Id": {fmt.Sprintf("id-%d-%s", i, random(240))}}, Data: fmt.Appendf(nil, `{"id":"k%d"}`, i),
			})
		}
		w.pass(15 * time.Hour)
		if s := w.bridge.Status(); s.Role != bridge.RoleOwner || w.trouble("state.unstorable") != "" {
			t.Errorf("it is %s with %d results: %s", s.Role, s.Outbox, w.trouble("state.unstorable"))
		}
		down = false
		sends := len(w.provider.Sends())
		w.pass(2 * time.Hour)
		if s := w.bridge.Status(); len(w.publisher.Published()) == 0 || len(w.provider.Sends()) == sends {
			t.Errorf("afterwards %d results are published, %d wait, and %d sends were tried", len(w.publisher.Published()), s.Outbox, len(w.provider.Sends())-sends)
		}
	})
}
