package stream

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func TestCountTellsWhatAReaderGetsOfAStretch(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	c.fill(t, "SCHOOL.lesson", 1, 100)
	c.fill(t, "SCHOOL.fee", 1, 20) // sequences 101 to 120
	c.fill(t, "SCHOOL.lesson", 101, 130)
	s, err := c.js.Stream(within(t, 10*time.Second), "SCHOOL")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name        string
		subjects    []string
		first, last uint64
		want        uint64
	}{
		{"all", []string{"SCHOOL.>"}, 1, 150, 150},
		{"a stretch", []string{"SCHOOL.>"}, 91, 110, 20},
		{"one event", []string{"SCHOOL.>"}, 150, 150, 1},
		{"one subject", []string{"SCHOOL.lesson"}, 91, 110, 10},
		{"subjects that overlap", []string{"SCHOOL.lesson", "SCHOOL.*"}, 91, 110, 20},
		{"subjects of other streams beside it", []string{"SCHOOL.fee", "OTHER.>"}, 1, 150, 20},
		{"subjects of other streams only", []string{"OTHER.>"}, 1, 150, 0},
		{"beyond the end", []string{"SCHOOL.>"}, 141, 1000, 10},
	} {
		got, err := Count(within(t, 10*time.Second), c.js, "SCHOOL", tt.subjects, tt.first, tt.last)
		if err != nil || got.Events != tt.want || got.Oldest != 1 {
			t.Errorf("%s: got %+v, %v, want %d events from 1 on", tt.name, got, err, tt.want)
		}
	}
	if err := s.Purge(within(t, 10*time.Second), jetstream.WithPurgeSequence(96)); err != nil {
		t.Fatal(err)
	}
	got, err := Count(within(t, 10*time.Second), c.js, "SCHOOL", []string{"SCHOOL.>"}, 91, 110)
	if err != nil || got != (Counted{Events: 15, Oldest: 96}) {
		t.Errorf("of a truncated stream: got %+v, %v, want 15 events and 96", got, err)
	}
	if _, err := Count(within(t, 10*time.Second), c.js, "NOWHERE", []string{"SCHOOL.>"}, 1, 2); err == nil {
		t.Error("a stream that is not there is counted")
	}
	ctx := within(t, 10*time.Second) // the server takes them away a moment later
	for left := []string{""}; len(left) > 0; {
		left = nil
		for name := range s.ConsumerNames(ctx).Name() {
			left = append(left, name)
		}
		if ctx.Err() != nil {
			t.Fatalf("counting leaves the consumers %v behind", left)
		}
	}
}
