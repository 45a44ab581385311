package bridge

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/belfry-bridge/belfry/mapping"
)

func TestWhatFindsNoRoomIsToldToItsOwnAudience(t *testing.T) {
	s := NewState("campus", "born")
	for _, k := range []digestKey{{audience: "students", template: "news"}, {audience: "parents", template: "news"}, {audience: "students", template: "news"}} {
		s.overflow(k, &mapping.Match{Item: mapping.Item{EventID: k.audience}})
	}
	if len(s.Drops) != 2 {
		t.Fatalf("%d drops, want one for each audience: %+v", len(s.Drops), s.Drops)
	}
	for i, events := range []int{2, 1} {
		d := s.Drops[i]
		if d.Events != events || len(d.IDs) != events || d.IDs[0] != d.Digest.Audience {
			t.Errorf("drop %d: %+v, want %d events of its audience", i, d, events)
		}
	}
}

func TestReadingWaitsWhereTheIDsOfLostEventsAreMany(t *testing.T) {
	s := NewState("campus", "born")
	d := &Digest{ID: "d", Audience: "students", Template: "news"}
	for range 633 { // with 259 bytes each
		if s.crowded() {
			t.Fatal("crowded too early")
		}
		s.drop(ResultExpired, d, 1, []string{strings.Repeat("i", 256)})
	}
	if !s.crowded() {
		t.Errorf("the ids of %d events have %d bytes, and reading goes on", s.Drops[0].Events, listSize(s.Drops[0].IDs))
	}
}

func TestTheErrorOfADeadLetterIsCutBetweenTwoCharacters(t *testing.T) {
	s := NewState("campus", "born")
	err := errors.New("x" + strings.Repeat("é", 300))
	s.FoldDecision(planApp(mapping.PolicyASAP), &mapping.Message{Stream: "S", Sequence: 1}, mapping.Decision{Dead: []mapping.DeadLetter{{Reason: "expression", Err: err}}})
	if text := s.Outbox[0].Dead.Error; len(text) != 499 || !utf8.ValidString(text) {
		t.Errorf("%d bytes that end with %q, want 499 that are text", len(text), text[len(text)-3:])
	}
}

// An owner that dies while sending has not warned: whether the send counts is
// its next owner's to say.
func TestTheQuotaIsWarnedOfByWhoSettlesTheSend(t *testing.T) {
	app := planApp(mapping.PolicyASAP)
	app.Quota.PerDay = 1
	s := NewState("town", "b0rn")
	s.Sending = &Broadcast{ID: "x", Digest: &Digest{Audience: "east", Template: "news", Events: 1, Rules: map[string]int{}}}
	s.Ledger.Charge("x", planStart)
	warnings := func() (n int) {
		s.Seal(app, "replica", planStart)
		for _, e := range s.Outbox {
			if e.Result.State == ResultQuotaLow {
				if !strings.HasPrefix(e.Result.Message, "0 of 1 send of the day left; ") {
					t.Error(e.Result.Message)
				}
				n++
			}
		}
		return n
	}
	if n := warnings(); n != 0 {
		t.Errorf("%d warnings while it is under way", n)
	}
	s.Recover(app, planStart)
	if n := warnings(); n != 1 {
		t.Errorf("%d warnings once it is in doubt, want one", n)
	}
}
