package bridge

import (
	"strings"
	"testing"

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
		if s.Crowded() {
			t.Fatal("crowded too early")
		}
		s.drop(dropExpired, d, 1, []string{strings.Repeat("i", 256)})
	}
	if !s.Crowded() {
		t.Errorf("the ids of %d events have %d bytes, and reading goes on", s.Drops[0].Events, listSize(s.Drops[0].IDs))
	}
}
