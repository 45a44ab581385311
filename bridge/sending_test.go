package bridge

import (
	"log/slog"
	"strings"
	"testing"
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
