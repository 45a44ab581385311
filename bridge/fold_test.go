package bridge

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// Parts have no ungrouped digest to go to: who has no place is counted and told.
func TestUsersForWhomThereIsNoDigestLeftAreTold(t *testing.T) {
	for waits, overflowed := range map[int]uint64{maxDigests - 1: 0, maxDigests: 1} {
		s, app := NewState("campus", "born"), personalApp()
		for i := range waits {
			s.digest(digestKey{audience: "a", template: "t", group: fmt.Sprint(i), personal: true}).Events = 1
		}
		s.tellUsers(app, "gate", []string{"anna"})
		if s.Counts.Overflowed != overflowed || len(s.Drops) != int(overflowed) || len(s.Digests) != maxDigests {
			t.Errorf("where %d wait: %d have no place, %d are told of, %d wait", waits, s.Counts.Overflowed, len(s.Drops), len(s.Digests))
		}
	}
}

// What an operator has muted is not said to have expired: nobody has to look why.
func TestWhatExpiresWhileItIsMutedIsToldAsMuted(t *testing.T) {
	for name, c := range map[string]struct {
		audience string
		kind     ResultState
		muted    uint64
	}{
		"it is muted":   {"a", ResultMuted, 1},
		"others are":    {"b", ResultExpired, 0},
		"everything is": {"", ResultMuted, 1},
	} {
		s := NewState("campus", "born")
		s.Digests = []*Digest{counted(5, countedItem("gate", "r", 0, time.Hour), countedItem("later", "r", 0, 2*time.Hour))}
		s.Mute(Mute{Audience: c.audience, Until: countedAt.Add(3 * time.Hour)})
		if s.Expire(countedAt.Add(time.Hour - 1)) {
			t.Errorf("%s: it expires too early", name)
		}
		if !s.Expire(countedAt.Add(time.Hour)) || s.Counts.Muted != c.muted || s.Counts.Expired != 1-c.muted {
			t.Errorf("%s: the account is %+v", name, s.Counts)
		}
		if len(s.Drops) != 1 || s.Drops[0].Kind != c.kind || s.Drops[0].Events != 1 || s.Drops[0].IDs[0] != "e-gate" {
			t.Errorf("%s: told is %+v", name, s.Drops)
		}
	}
}

// Whoever has set when_in_doubt to assume_sent is not asked, and reads what was assumed.
func TestADoubtEndsAtOnceWhereItIsAssumedSentAndBothWaysIsToldByWhom(t *testing.T) {
	for when, held := range map[mapping.WhenInDoubt]int{mapping.AssumeSent: 0, mapping.HoldInDoubt: 1} {
		s, app := NewState("town", "b0rn"), planApp(mapping.PolicyASAP)
		app.Templates["news"].WhenInDoubt = when
		s.Sending = &Broadcast{ID: "b1", State: Sending, Started: countedAt, Deadline: countedAt, Digest: waiting("east", "news", countedAt, time.Hour, mapping.Normal)}
		s.Sending.Digest.Events = 1
		s.Ledger.Charge("b1", countedAt)
		s.Settle(app, Outcome{Kind: Doubtful, At: countedAt}, countedAt)
		var told []ResultState
		for _, e := range s.Outbox {
			told = append(told, e.Result.State)
		}
		want := []ResultState{ResultInDoubt, ResultSent}[:2-held]
		if len(s.Held) != held || s.Counts.Sent != uint64(1-held) || len(s.Ledger.Spends) != 1 || fmt.Sprint(told) != fmt.Sprint(want) {
			t.Errorf("%s: %d in doubt, %d sent, %d spent; told is %v", when, len(s.Held), s.Counts.Sent, len(s.Ledger.Spends), told)
		}
		resolved := "assumed: when_in_doubt is assume_sent"
		if held > 0 {
			resolved = "by ops"
			if err := s.Resolve(app, "b1", true, resolved, countedAt.Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		if r := s.Outbox[1].Result; r.State != ResultSent || r.Resolved != resolved || s.Outbox[0].Result.Resolved != "" {
			t.Errorf("%s: it is told as %s, resolved %q", when, r.State, r.Resolved)
		}
	}
}

func TestARuleThatFailsIsNamedOnceForWhatHasFailedSince(t *testing.T) {
	s := NewState("campus", "born")
	for _, want := range [][]string{{"a", "b"}, nil, {"a"}, nil} {
		for _, rule := range want {
			for range 3 {
				s.countFailure(mapping.Failure{Rule: rule, Part: "when", Err: errors.New("no such key")}, &mapping.Message{})
			}
		}
		if got := s.failedSince(); !slices.Equal(got, want) {
			t.Errorf("named are %v, want %v", got, want)
		}
	}
}

// What could have been sent for longer than it could not is worth a send next time.
func TestWhatIsCancelledSoonIsNotWaitedForAnotherDay(t *testing.T) {
	for after, want := range map[time.Duration]struct {
		waitedFor uint32
		recent    float64
	}{10 * time.Minute: {0, 0}, 3*time.Hour - 1: {0, 0}, 3 * time.Hour: {1, 1}, 5 * time.Hour: {1, 1}} {
		s, app := NewState("campus", "born"), &mapping.App{Templates: map[string]*mapping.Template{"t": {Keep: 5}}}
		it := countedItem("gate", "r", 0, 6*time.Hour)
		s.FoldDecision(app, &mapping.Message{Stream: "S", Time: countedAt}, mapping.Decision{Matches: []mapping.Match{{Rule: "r", Audience: "a", Template: "t", Item: it}}})
		s.FoldDecision(app, &mapping.Message{Stream: "S", Time: countedAt.Add(after)}, mapping.Decision{Matches: []mapping.Match{{Rule: "c", Cancels: []string{"r"}, Item: mapping.Item{Key: "gate"}}}})
		var arrived uint32
		for _, row := range s.Forecast.Rows {
			for _, n := range row.Counts {
				arrived += n
			}
		}
		if s.Counts.Cancelled != 1 || arrived != want.waitedFor || len(s.Forecast.Recent) != 1 || s.Forecast.Recent[0].Count != want.recent {
			t.Errorf("cancelled after %s: %d counted, recently %+v; %d cancelled", after, arrived, s.Forecast.Recent, s.Counts.Cancelled)
		}
	}
}
