package control

import (
	"errors"
	"fmt"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// Verb is what an order asks for.
type Verb string

// The verbs.
const (
	Resolve Verb = "resolve" // end the doubt about a broadcast
	PauseIt Verb = "pause"   // send nothing until resumed
	Resume  Verb = "resume"  // also after the provider blocked the app
	Mute    Verb = "mute"    // keep some digests from being sent for a while
	Unmute  Verb = "unmute"
	Spend   Verb = "spend" // record a send that somebody else made under the same quota
)

// Order is one change of an app's state that an operator asks for.
type Order struct {
	Verb      Verb      `json:"verb"`
	By        string    `json:"by"`                  // who asks, for the log and the result
	Why       string    `json:"why,omitempty"`       // of pause, mute and spend
	Broadcast string    `json:"broadcast,omitempty"` // of resolve
	Sent      bool      `json:"sent,omitempty"`      // of resolve: it was sent
	Audience  string    `json:"audience,omitempty"`  // of mute; empty: all
	Template  string    `json:"template,omitempty"`  // of mute; empty: all
	Until     time.Time `json:"until,omitzero"`      // of mute
	Mute      string    `json:"mute,omitempty"`      // of unmute: its id
	At        time.Time `json:"at,omitzero"`         // of spend
	ID        string    `json:"id,omitempty"`        // of spend: the same id again is not counted twice
}

// Answer is what came of an order.
type Answer struct {
	Text string `json:"text"`
}

// carryOut changes the state. It runs in the goroutine that owns it.
func (o Order) carryOut(s *bridge.State, app *mapping.App, now time.Time) (string, error) {
	switch o.Verb {
	case Resolve:
		return o.resolve(s, app, now)
	case PauseIt:
		s.Paused = &bridge.Pause{Since: now, Why: "by " + o.By + ": " + o.Why}
		return "paused; nothing is sent until it is resumed", nil
	case Resume:
		if s.Paused == nil {
			return "", errors.New("cannot resume: the app is not paused")
		}
		s.Paused = nil
		return "resumed", nil
	case Mute:
		if !o.Until.After(now) {
			return "", fmt.Errorf("cannot mute until %s: it is past", o.Until.Format(time.RFC3339))
		}
		m := s.Mute(bridge.Mute{Audience: o.Audience, Template: o.Template, Until: o.Until, Why: "by " + o.By + ": " + o.Why})
		return fmt.Sprintf("muted as %s until %s", m.ID, m.Until.Format(time.RFC3339)), nil
	case Unmute:
		if !s.Unmute(o.Mute) {
			return "", fmt.Errorf("cannot unmute %q: no such mute", o.Mute)
		}
		return "unmuted", nil
	case Spend:
		if o.At.After(now) {
			return "", fmt.Errorf("cannot record a send at %s: it is in the future", o.At.Format(time.RFC3339))
		}
		s.Ledger.External(o.ID, o.At, "by "+o.By+": "+o.Why)
		return "recorded; it counts against the quota", nil
	}
	return "", fmt.Errorf("cannot carry out %q: no such verb", o.Verb)
}

func (o Order) resolve(s *bridge.State, app *mapping.App, now time.Time) (string, error) {
	if err := s.Resolve(app, o.Broadcast, o.Sent, "by "+o.By, now); err != nil {
		return "", err
	}
	if o.Sent {
		return o.Broadcast + " counts as sent", nil
	}
	return o.Broadcast + " counts as not sent: its items are back in their digest, the send is refunded", nil
}
