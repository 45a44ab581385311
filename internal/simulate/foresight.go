package simulate

import (
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// Foresight is what becomes of digests if no other event arrives, by their ids.
type Foresight struct {
	Sends  map[string]Foreseen
	Last   LastWords
	Failed map[string]error // those that cannot be rendered
}

// Foreseen is a send that the planner would make.
type Foreseen struct {
	At     time.Time
	Reason string
	Body   []byte
	Digest *bridge.Digest
}

// LastWords are what the planner has said last of each digest, by its id.
type LastWords map[string]string

// Note is an observer's Planned.
func (l LastWords) Note(_ time.Time, p bridge.Plan) {
	for _, e := range p.Explanations {
		l[e.Digest] = e.Why
	}
}

// Foresee plans a state on from an instant until the last of its items has
// ended. The state is used up.
func Foresee(app *mapping.App, s *bridge.State, now time.Time) *Foresight {
	d, f := Resume(app, s, now)
	d.RunOut()
	return f
}

// Resume makes a driver that starts with a state (nil: an empty one) at an
// instant, and what it comes to see. The state is used up.
func Resume(app *mapping.App, s *bridge.State, now time.Time) (*Driver, *Foresight) {
	f := &Foresight{Sends: map[string]Foreseen{}, Last: LastWords{}, Failed: map[string]error{}}
	d := NewDriver(app, now, Observer{
		Sent: func(b *bridge.Broadcast, body []byte) {
			f.Sends[b.Digest.ID] = Foreseen{At: b.Started, Reason: b.Reason, Body: body, Digest: b.Digest}
		},
		Planned: f.Last.Note,
		Failed:  func(_ time.Time, g *bridge.Digest, err error) { f.Failed[g.ID] = err },
	})
	if s != nil {
		s.Sending = nil // charged already, and its outcome is not ours to guess
		if b := s.Backoff; b != nil {
			s.Ledger.Throttle(b.Until) // to the same end: nothing is sent before
		}
		d.State = s
	}
	return d, f
}
