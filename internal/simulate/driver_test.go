package simulate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// A state that was taken over from a daemon says what keeps it from sending.
func TestPlansOfAStateSayWhatItWaitsFor(t *testing.T) {
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		trouble func(s *bridge.State)
		want    string
	}{
		"nothing left": {func(s *bridge.State) { s.Ledger.Throttle(start.Add(20 * time.Minute)) }, "the quota frees one at 09:20"},
		"a send that could not leave": {func(s *bridge.State) {
			s.Backoff = &bridge.Backoff{Until: start.Add(20 * time.Minute), Times: 5}
			s.Ledger.Throttle(s.Backoff.Until)
		}, "it is tried again at 09:20"},
		"a provider that throttles": {func(s *bridge.State) {
			s.Backoff = &bridge.Backoff{Until: start.Add(20 * time.Minute), Times: 1, Throttled: true}
			s.Ledger.Throttle(s.Backoff.Until)
		}, "the provider says that the quota is used up, so nothing is sent before 09:20"},
		"too many doubts": {func(s *bridge.State) {
			for range 16 {
				s.Held = append(s.Held, &bridge.Broadcast{State: bridge.InDoubt, Digest: &bridge.Digest{}})
			}
		}, "16 broadcasts are in doubt"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			said := ""
			d := NewDriver(small(t), start, Observer{Planned: func(_ time.Time, p bridge.Plan) {
				for _, e := range p.Explanations {
					said = e.Why
				}
			}})
			c.trouble(d.State)
			d.Fold(&mapping.Message{Subject: "town.news", Sequence: 1, Time: start, Data: []byte(`{"id":1,"text":"one"}`)})
			d.plan()
			d.AdvanceTo(start.Add(15 * time.Minute))
			if !strings.Contains(said, c.want) {
				t.Errorf("it says %q, want %q", said, c.want)
			}
		})
	}
}

func TestADigestThatCouldNotBeRenderedIsTriedAgainWhenItHasChanged(t *testing.T) {
	app := compiled(t, []byte(strings.Replace(smallRules, "{{ .Count }}", "{{ .Last.Data.note }}", 1)))
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	sent, failed := 0, 0
	d := NewDriver(app, start, Observer{
		Sent:   func(*bridge.Broadcast, []byte) { sent++ },
		Failed: func(time.Time, *bridge.Digest, error) { failed++ },
	})
	for i, data := range []string{`{"id":1,"text":"one"}`, `{"id":1,"text":"one","note":"mended"}`} {
		d.Fold(&mapping.Message{Subject: "town.news", Sequence: uint64(i + 1), Time: start.Add(time.Duration(i) * time.Hour), Data: []byte(data)})
		d.plan()
	}
	d.AdvanceTo(start.Add(3 * time.Hour))
	if sent != 1 || failed != 1 {
		t.Errorf("sent %d times, failed %d times; want one of each", sent, failed)
	}
}

// The times of a stream step back where another leader's clock is earlier.
func TestAHistoryMayStepBackInTime(t *testing.T) {
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	history := func(yield func(mapping.Message, error) bool) {
		for i, at := range []time.Duration{0, time.Second, 400 * time.Millisecond, 2 * time.Second} {
			m := mapping.Message{Subject: "town.news", Sequence: uint64(i + 1), Time: start.Add(at), Data: fmt.Appendf(nil, `{"id":%d,"text":"one"}`, i)}
			if !yield(m, nil) {
				return
			}
		}
	}
	d, err := Drive(t.Context(), small(t), history, start.Add(time.Minute), Observer{})
	if err != nil || d.State.Counts.Items != 4 {
		t.Errorf("%v, %+v; want four items", err, d.State.Counts)
	}
}
