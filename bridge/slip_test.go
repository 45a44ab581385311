package bridge

import (
	"log/slog"
	"testing"
	"time"
)

func TestAClockThatIsSetForwardMakesNoSendOlderInATenure(t *testing.T) {
	state := NewState("campus", "born")
	now := time.Now()
	sent := now.Add(-time.Hour)
	state.Ledger.ChargeAs("born-1", sent.Add(-50*time.Minute), 0, "")
	te := &tenure{Bridge: &Bridge{name: "campus", log: slog.New(slog.DiscardHandler)}, state: state}
	te.stepped(clockNoise, now)
	if at := state.Ledger.Spends[0].At; te.dirty || at.Equal(sent.Round(0)) {
		t.Errorf("dated anew without a step: %s", at)
	}
	te.stepped(50*time.Minute, now)
	if at := state.Ledger.Spends[0].At; !at.Equal(sent.Round(0)) {
		t.Errorf("the send is dated %s, want %s", at, sent)
	}
	if !te.dirty {
		t.Error("it is not stored")
	}
}
