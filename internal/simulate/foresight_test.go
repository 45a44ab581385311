package simulate

import (
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

func TestWhatWaitsIsSeenToGoOrSaidWhyNot(t *testing.T) {
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	app := small(t)
	waiting := func() *bridge.State {
		d := NewDriver(app, start, Observer{})
		d.Fold(&mapping.Message{Subject: "town.news", Sequence: 1, Time: start, Data: []byte(`{"id":1,"text":"one"}`)})
		return d.State
	}
	for name, tt := range map[string]struct {
		beside func(s *bridge.State)
		goes   time.Time // zero: never
		why    string
	}{
		"when its window closes":                     {func(*bridge.State) {}, start.Add(10 * time.Minute), ""},
		"whatever becomes of what is sent right now": {func(s *bridge.State) { s.Sending = &bridge.Broadcast{} }, start.Add(10 * time.Minute), ""},
		"not before a send is tried again": {
			func(s *bridge.State) { s.Backoff = &bridge.Backoff{Until: start.Add(20 * time.Minute), Times: 5} }, start.Add(20 * time.Minute), ""},
		"never while the app is paused": {func(s *bridge.State) { s.Paused = &bridge.Pause{Since: start} }, time.Time{}, "paused"},
	} {
		t.Run(name, func(t *testing.T) {
			s := waiting()
			id := s.Digests[0].ID
			tt.beside(s)
			f := Foresee(app, s, start)
			if sent := f.Sends[id]; !sent.At.Equal(tt.goes) || tt.why == "" && len(sent.Body) == 0 || !strings.Contains(f.Last[id], tt.why) {
				t.Errorf("it goes at %s with %s, and the planner said %q; want %s, and %q", sent.At, sent.Body, f.Last[id], tt.goes, tt.why)
			}
		})
	}
}
