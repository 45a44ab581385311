package bridge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestDigestsThatExpireTogetherAreNamedAndDoNotFloodTheLog(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.rules = compile(t, strings.NewReplacer("policy: asap", "policy: asap, per_day: 0", "keep: 5", "keep: 5\n    group_by: event.data.id").Replace(scenarioRules))
		w.start()
		for i := range 100 {
			w.cancelled(fmt.Sprint("group-", i))
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
