package bridge

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

func TestADoubtIsToldWithWhatItIsTakenForOrWhatEndsIt(t *testing.T) {
	const tooMany = "nothing more is sent until one is resolved"
	b := &Broadcast{ID: "b1", Digest: &Digest{Audience: "students", Template: "lessons"}}
	for name, c := range map[string]struct {
		held      []*Broadcast
		says, not string
	}{
		"assumed sent": {nil, "counts_as=", "remedy="},
		"held":         {[]*Broadcast{b}, "belfry resolve b1", "counts_as="},
		"the last one": {append(make([]*Broadcast, MaxInDoubt-1), b), tooMany, "counts_as="},
		"one less":     {append(make([]*Broadcast, MaxInDoubt-2), b), "belfry resolve b1", tooMany},
	} {
		var log strings.Builder
		te := &tenure{Bridge: &Bridge{name: "campus", log: slog.New(slog.NewTextHandler(&log, nil))}, state: NewState("campus", "born")}
		te.state.Held = c.held
		te.logOutcome(t.Context(), b, Outcome{Kind: Doubtful, Message: "no answer"})
		if !strings.Contains(log.String(), c.says) || strings.Contains(log.String(), c.not) {
			t.Errorf("%s: told is %s", name, log.String())
		}
	}
}

// Nothing was sent, and on purpose: nobody has to find out.
func TestADryRunIsInNoDoubt(t *testing.T) {
	s := NewState("town", "b0rn")
	s.Sending = &Broadcast{ID: "b1", State: Sending, Started: countedAt, Deadline: countedAt, Digest: counted(5, countedItem("gate", "r", 0, time.Hour))}
	s.Settle(planApp(mapping.PolicyASAP), Outcome{Kind: DryRun, At: countedAt}, countedAt)
	if len(s.Held)+len(s.Digests) > 0 || s.Counts.DryRun != 1 || s.Counts.Sent != 0 || len(s.Outbox) != 1 || s.Outbox[0].Result.State != ResultDryRun {
		t.Errorf("%d in doubt, %d wait, %+v; told is %+v", len(s.Held), len(s.Digests), s.Counts, s.Outbox)
	}
}
