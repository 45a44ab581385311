package bridge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

func TestDigestsThatExpireTogetherAreNamedAndDoNotFloodTheLog(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.rules = compile(t, strings.NewReplacer("policy: asap", "policy: asap, per_day: 0", "keep: 5", "keep: 5\n    group_by: event.data.id").Replace(scenarioRules))
		w.start()
		for i := range 100 {
			w.cancelled(fmt.Sprint("group-", i))
		}
		w.pass(10 * time.Second)
		if d := w.bridge.Status().Digests; len(d) == 0 || !d[0].WillMiss {
			t.Error("the status does not say that a digest will miss its time")
		}
		w.pass(7 * time.Hour)
		for _, message := range []string{"items left without being sent", "a digest will not leave before its first item expires"} {
			lines := w.logged(message)
			if len(lines) == 0 || len(lines) > 40 {
				t.Fatalf("%d lines that %s", len(lines), message)
			}
			if !strings.Contains(lines[0], `digest="students / lessons / group-`) {
				t.Errorf("which digest? %s", lines[0])
			}
		}
		if more := w.logged("further digests went the same way"); len(more) == 0 || !strings.Contains(more[0], "digests=") {
			t.Errorf("of the others it says %q", more)
		}
	})
}

func TestANewOwnerSaysNothingOfWhatBroadcastsCameTo(t *testing.T) {
	inWorld(t, func(w *world) {
		w.publishNothing()
		w.answer(always, bridge.Outcome{Kind: bridge.NotSent, Message: "no byte of the request left"})
		w.cancelled("maths")
		w.pass(4 * time.Hour)
		if n := w.bridge.Status().Outbox; n < 10 {
			t.Fatalf("%d results wait", n)
		}
		w.end()
		w.start()
		if more := w.logged("further digests went the same way"); len(more) > 0 {
			t.Errorf("it says %s", more)
		}
	})
}
