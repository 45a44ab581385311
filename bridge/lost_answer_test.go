package bridge

import (
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// The provider may have answered, and counted, what its owner could not store any more.
func TestACallWhoseAnswerWasLostWithItsOwnerStaysCharged(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for _, counts := range []bool{true, false} {
		app := &mapping.App{Quota: mapping.Quota{PerHour: 2, PerDay: 3, CountRejected: counts}}
		s := NewState("campus", "b0rn")
		s.Sending = &Broadcast{ID: "b1", State: Sending, Started: now, Deadline: now, Digest: &Digest{
			Audience: "students", Template: "lessons", Items: []mapping.Item{{Key: "a", Expires: now.Add(time.Hour)}}, Events: 1,
		}}
		s.Ledger.Charge("b1", now)
		s.Recover(app, now.Add(10*time.Second))
		if err := s.Resolve(app, "b1", false, "by ops", now.Add(2*time.Minute)); err != nil {
			t.Fatal(err)
		}
		if charged := len(s.Ledger.Spends) == 1; charged != counts {
			t.Errorf("count_rejected %v: charged %v", counts, charged)
		}
		want := 0
		if counts {
			want = 1
		}
		if r := s.Outbox[len(s.Outbox)-1].Result; r.State != ResultNotSent || r.Quota[0].Used != want {
			t.Errorf("count_rejected %v: the result %s says %+v, want what is used after it", counts, r.State, r.Quota)
		}
	}
}
