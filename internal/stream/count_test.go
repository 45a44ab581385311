package stream

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"github.com/belfry-bridge/belfry/mapping"
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
		{"subjects that overlap in part", []string{"*.lesson", "SCHOOL.*"}, 91, 110, 20},
		{"and others beside them", []string{"*.fee", "SCHOOL.*.late", "SCHOOL.music.*"}, 1, 150, 20},
		{"subjects of other streams beside it", []string{"SCHOOL.fee", "OTHER.>"}, 1, 150, 20},
		{"subjects of other streams only", []string{"OTHER.>"}, 1, 150, 0},
		{"beyond the end", []string{"SCHOOL.>"}, 141, 1000, 10},
	} {
		got, err := Count(within(t, 10*time.Second), c.js, "SCHOOL", tt.subjects, tt.first, tt.last)
		if err != nil || got.Events != tt.want || got.Oldest != 1 {
			t.Errorf("%s: got %+v, %v, want %d events from 1 on", tt.name, got, err, tt.want)
		}
	}
	turned := jetstream.StreamConfig{Name: "SCHOOL", Subjects: []string{"college.>"}} // what was stored before is still there
	c.updateStream(t, turned)
	if got, err := Count(within(t, 10*time.Second), c.js, "SCHOOL", []string{"SCHOOL.fee", "college.fee"}, 1, 150); err != nil || got.Events != 20 {
		t.Errorf("of a stream that takes other subjects now: got %+v, %v, want 20 events", got, err)
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

func TestTheTermsOfAUnionCountEachSubjectOnce(t *testing.T) {
	token := rapid.SampledFrom([]string{"a", "b", "*"})
	rapid.Check(t, func(rt *rapid.T) {
		patterns := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) string {
			p := strings.Join(rapid.SliceOfN(token, 1, 3).Draw(rt, "tokens"), ".")
			if rapid.Bool().Draw(rt, "open") {
				p += ".>"
			}
			return p
		}), 0, 5).Draw(rt, "patterns")
		left := 1000
		terms := union(patterns, &left)
		for i := range 3 + 9 + 27 + 81 {
			subject := subjectOf(i)
			want, got := 0, 0
			for _, p := range patterns {
				if mapping.Covers(p, subject) {
					want = 1
				}
			}
			for _, term := range terms {
				for k, f := range term.filters {
					for _, g := range term.filters[:k] {
						if overlap(f, g) {
							rt.Fatalf("%v: the filters %s and %s of one consumer overlap", patterns, f, g)
						}
					}
					if mapping.Covers(f, subject) {
						got += map[bool]int{false: 1, true: -1}[term.less]
					}
				}
			}
			if got != want {
				rt.Fatalf("%v: %s is counted %d times, want %d: %v", patterns, subject, got, want, terms)
			}
		}
	})
}

// subjectOf lists the subjects of one to four tokens a, b or c.
func subjectOf(i int) string {
	for n, count := 1, 3; ; n, count = n+1, count*3 {
		if i >= count {
			i -= count
			continue
		}
		tokens := make([]string, n)
		for k := range tokens {
			tokens[k] = fmt.Sprint(string(rune('a' + i%3)))
			i /= 3
		}
		return strings.Join(tokens, ".")
	}
}

func TestSubjectsThatOverlapInTooManyWaysAreNotCounted(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL", storing(">"), func(cfg *jetstream.StreamConfig) { cfg.NoAck = true })
	var patterns []string
	for _, p := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		for i := range 6 {
			tokens := []string{"*", "*", "*", "*", "*", "*"}
			tokens[i] = p
			patterns = append(patterns, strings.Join(tokens, "."))
		}
	}
	if _, err := Count(within(t, 10*time.Second), c.js, "SCHOOL", patterns, 1, 2); !errors.Is(err, ErrTangled) {
		t.Errorf("Count: %v", err)
	}
}
