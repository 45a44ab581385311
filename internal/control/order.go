package control

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

// Verb is what an order asks for.
type Verb string

// The verbs.
const (
	Resolve Verb = "resolve" // end the doubt about a broadcast
	PauseIt Verb = "pause"   // send nothing until resumed
	Resume  Verb = "resume"  // also after the provider blocked the app, and before a back-off is over
	Mute    Verb = "mute"    // keep some digests from being sent for a while
	Unmute  Verb = "unmute"
	Send    Verb = "send"        // let a digest go with the next send that is left
	Trust   Verb = "trust_clock" // the owner's clock is right now, after it was ahead
	Spend   Verb = "spend"       // record a send that somebody else made under the same quota
	Unspend Verb = "unspend"     // take such a record back
)

// Order is one change of an app's state that an operator asks for.
type Order struct {
	Verb      Verb      `json:"verb"`
	By        string    `json:"by"`                  // who asks, for the log and the result
	Why       string    `json:"why,omitempty"`       // of pause, mute, send, spend and trust_clock
	Broadcast string    `json:"broadcast,omitempty"` // of resolve
	Sent      bool      `json:"sent,omitempty"`      // of resolve: it was sent
	Audience  string    `json:"audience,omitempty"`  // of mute; empty: all
	Template  string    `json:"template,omitempty"`  // of mute; empty: all
	Until     time.Time `json:"until,omitzero"`      // of mute
	Seconds   float64   `json:"seconds,omitempty"`   // of mute: how long, by the owner's clock, in place of until
	Mute      string    `json:"mute,omitempty"`      // of unmute: its id
	Digest    string    `json:"digest,omitempty"`    // of send: its id
	At        time.Time `json:"at,omitzero"`         // of spend
	Now       bool      `json:"now,omitempty"`       // of spend: at this moment, by the owner's clock, in place of at
	ID        string    `json:"id,omitempty"`        // of spend: the same id again is not counted twice; of unspend
}

// Answer is what came of an order.
type Answer struct {
	Text string `json:"text"`
	Mute string `json:"mute,omitempty"` // its id, for unmute
}

// What the state keeps of orders is bounded like all else that it keeps.
const (
	maxWhy   = 1000 // bytes
	maxName  = 200  // bytes of by and id, and of why a digest is wanted
	maxMutes = 100
)

// wellFormed refuses what the state has no room for, and what nobody can make
// sense of later.
func (o Order) wellFormed() error {
	for _, f := range []struct {
		name, value string
		most        int
	}{{"why", o.Why, maxWhy}, {"by", o.By, maxName}, {"id", o.ID, maxName}} {
		if o.Verb == Send {
			f.most = maxName // 128 digests may have one
		}
		if len(f.value) > f.most {
			return fmt.Errorf("cannot %s: %q has %d bytes, and may have %d: shorten it", o.Verb, f.name, len(f.value), f.most)
		}
	}
	switch {
	case strings.TrimSpace(o.By) == "":
		return fmt.Errorf(`cannot %s: give "by", the name of who asks`, o.Verb)
	case slices.Contains([]Verb{PauseIt, Mute, Send, Spend, Trust}, o.Verb) && strings.TrimSpace(o.Why) == "":
		return fmt.Errorf(`cannot %s: give "why", for those who come upon it later`, o.Verb)
	}
	return nil
}

// carryOut changes the state. It runs in the goroutine that owns it.
func (o Order) carryOut(s *bridge.State, app *mapping.App, now time.Time) (Answer, error) {
	if err := o.wellFormed(); err != nil {
		return Answer{}, err
	}
	switch o.Verb {
	case Resolve:
		return o.resolve(s, app, now)
	case PauseIt:
		if p := s.Paused; p != nil { // why it is, is worth more than a second reason
			return Answer{}, fmt.Errorf("cannot pause: it is paused already, since %s: %s", p.Since.Format(time.RFC3339), p.Why)
		}
		s.Paused = &bridge.Pause{Since: now, Why: "by " + o.By + ": " + o.Why, Ordered: true}
		return Answer{Text: "paused; nothing is sent until it is resumed" + underWay(s)}, nil
	case Resume:
		return resume(s, now)
	case Mute:
		if o.Until.IsZero() && o.Seconds > 0 {
			o.Until = now.Add(time.Duration(o.Seconds * float64(time.Second))).Round(0)
		}
		if !o.Until.After(now) {
			return Answer{}, fmt.Errorf("cannot mute until %s: it is past", o.Until.Format(time.RFC3339))
		}
		if err := o.known(app); err != nil {
			return Answer{}, err
		}
		if s.Mutes = s.Muting(now); len(s.Mutes) >= maxMutes {
			return Answer{}, fmt.Errorf("cannot mute: there are %d mutes already; end some with belfry unmute, belfry status lists them", maxMutes)
		}
		m := s.Mute(bridge.Mute{Audience: o.Audience, Template: o.Template, Until: o.Until, Why: "by " + o.By + ": " + o.Why})
		return Answer{Text: fmt.Sprintf("muted as %s until %s: %s", m.ID, m.Until.Format(time.RFC3339), m.Scope()), Mute: m.ID}, nil
	case Unmute:
		if s.Mutes = s.Muting(now); !s.Unmute(o.Mute) {
			return Answer{}, fmt.Errorf("cannot unmute %q: no such mute, or it has run out", o.Mute)
		}
		return Answer{Text: "unmuted"}, nil
	case Send:
		return o.send(s, app, now)
	case Trust:
		s.TrustClock(now)
		return Answer{Text: fmt.Sprintf("the owner's clock, %s, is trusted: nothing counts until a later time than it says", now.UTC().Format(time.RFC3339))}, nil
	case Spend:
		return o.spend(s, app, now)
	case Unspend:
		return o.unspend(s)
	}
	return Answer{}, fmt.Errorf("cannot carry out %q: the build that owns the app knows no such verb", o.Verb)
}

// send lets a digest go, as far as the quota and those who may not be disturbed allow.
func (o Order) send(s *bridge.State, app *mapping.App, now time.Time) (Answer, error) {
	i := slices.IndexFunc(s.Digests, func(d *bridge.Digest) bool { return d.ID == o.Digest })
	if i < 0 {
		return Answer{}, fmt.Errorf("cannot send %q: no such digest waits (belfry digests); it may have gone, or have expired", o.Digest)
	}
	d := s.Digests[i]
	if orphaned := d.Orphaned(app); orphaned != "" {
		return Answer{}, fmt.Errorf("cannot send %q: %s", o.Digest, orphaned)
	}
	if d.Wanted != "" {
		return Answer{}, fmt.Errorf("cannot send %q: it is wanted at once already, %s", o.Digest, d.Wanted)
	}
	s.Want(d, "by "+o.By+": "+o.Why, now)
	return Answer{Text: bridge.DigestName(d.Audience, d.Template, d.Group) + " " + goes(s, d, now)}, nil
}

// goes says when a digest goes that is wanted at once, and what holds it nevertheless.
func goes(s *bridge.State, d *bridge.Digest, now time.Time) string {
	when := "goes with the next send that is left, outside of quiet hours"
	if until, muted := s.MutedUntil(d, now); muted {
		when += "; it is muted until " + until.Format(time.RFC3339) + " (belfry unmute)"
	}
	if s.Paused != nil {
		when += "; the app is paused (belfry resume)"
	}
	if n := len(s.Held); n >= bridge.MaxInDoubt {
		when += fmt.Sprintf("; %d broadcasts are in doubt, and nothing is sent until one is resolved (belfry resolve)", n)
	}
	return when
}

// resume ends a pause, or else a back-off: its cause may be mended long before
// it is over.
func resume(s *bridge.State, now time.Time) (Answer, error) {
	switch {
	case s.Paused != nil:
		s.Paused = nil
		return Answer{Text: "resumed"}, nil
	case s.Backoff.Holds(now):
		s.EndBackoff()
		return Answer{Text: "it may send again at once"}, nil
	}
	return Answer{}, errors.New("cannot resume: the app is neither paused nor backing off")
}

// underWay warns of a broadcast that an order may have come too late for.
func underWay(s *bridge.State) string {
	if s.Sending == nil {
		return ""
	}
	return fmt.Sprintf("; the broadcast %s is under way: it is called off unless its first byte has left, see belfry status", s.Sending.ID)
}

// otherClocks is how far the clock of those who record a send may be ahead of
// ours. Until then it counts, and for that much longer.
const otherClocks = 5 * time.Minute

func (o Order) spend(s *bridge.State, app *mapping.App, now time.Time) (Answer, error) {
	if o.Now {
		o.At = now
	}
	switch {
	case o.At.IsZero():
		return Answer{}, errors.New(`cannot record a send without its time: give "at", such as 2026-11-02T15:04:05Z, or "now": true`)
	case o.At.After(now.Add(otherClocks)):
		return Answer{}, fmt.Errorf("cannot record a send at %s: it is in the future", o.At.Format(time.RFC3339))
	case o.ID == "":
		o.ID = fmt.Sprintf("external-%d", o.At.UnixMilli())
	}
	known, ok := s.Ledger.Find(o.ID)
	switch {
	case ok && known.Origin != quota.External:
		return Answer{}, fmt.Errorf("cannot record %q: that is a broadcast of this app's own, which counts already", o.ID)
	case ok:
		return Answer{Text: fmt.Sprintf("the send %s is recorded already, at %s; it is not counted twice (belfry quota take-back)",
			o.ID, known.At.UTC().Format(time.RFC3339))}, nil
	}
	if why := "by " + o.By + ": " + o.Why; o.Now {
		s.Ledger.ExternalNow(o.ID, o.At, why)
	} else {
		s.Ledger.External(o.ID, o.At, why)
	}
	if !bridge.LimitsFor(app.Quota).Frees(&s.Ledger, o.At).After(now) {
		return Answer{Text: "recorded; it is too long ago to count against the quota"}, nil
	}
	return Answer{Text: fmt.Sprintf("recorded; it counts against the quota from %s on, as %s", o.At.UTC().Format(time.RFC3339), o.ID)}, nil
}

// unspend takes back what was recorded by mistake, and never a send of ours.
func (o Order) unspend(s *bridge.State) (Answer, error) {
	known, ok := s.Ledger.Find(o.ID)
	switch {
	case !ok:
		return Answer{}, fmt.Errorf("cannot take back %q: no such send is recorded (belfry status lists those of others)", o.ID)
	case known.Origin != quota.External:
		return Answer{}, fmt.Errorf("cannot take back %q: it is a broadcast of this app's own", o.ID)
	}
	s.Ledger.Refund(o.ID)
	return Answer{Text: "taken back; it no longer counts"}, nil
}

// known refuses names that the rules do not have: who mutes by a misspelt one
// would believe that nothing is sent.
func (o Order) known(app *mapping.App) error {
	if _, ok := app.Audiences[o.Audience]; o.Audience != "" && !ok {
		return fmt.Errorf("cannot mute the audience %q: the rules of %s have %s", o.Audience, app.Name, names(app.Audiences))
	}
	if _, ok := app.Templates[o.Template]; o.Template != "" && !ok {
		return fmt.Errorf("cannot mute the template %q: the rules of %s have %s", o.Template, app.Name, names(app.Templates))
	}
	return nil
}

func names[V any](m map[string]V) string { return strings.Join(slices.Sorted(maps.Keys(m)), ", ") }

func (o Order) resolve(s *bridge.State, app *mapping.App, now time.Time) (Answer, error) {
	fates := "its items are back in their digest"
	var wanted *bridge.Digest
	if i := slices.IndexFunc(s.Held, func(b *bridge.Broadcast) bool { return b.ID == o.Broadcast }); i >= 0 {
		f := s.Held[i].Fates(now)
		fates = cmp.Or(f.String(), fates)
		if orphaned := s.Held[i].Digest.Orphaned(app); orphaned != "" && f.Again > 0 {
			fates = "but nothing of it goes again until the rules have a place for it: " + orphaned
		} else if s.Held[i].Digest.Wanted != "" && f.Again > 0 {
			wanted = s.Held[i].Digest
		}
	}
	if err := s.Resolve(app, o.Broadcast, o.Sent, "by "+o.By, now); err != nil {
		return Answer{}, err
	}
	if o.Sent {
		return Answer{Text: o.Broadcast + " counts as sent"}, nil
	}
	if wanted != nil {
		fates += "; it is wanted at once " + wanted.Wanted + ", and " + goes(s, wanted, now)
	}
	return Answer{Text: o.Broadcast + " counts as not sent, the send is refunded; " + fates}, nil
}
