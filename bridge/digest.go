package bridge

import (
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// Digest is the items gathered for one (audience, template, group). It
// becomes one broadcast, or ends empty when its items expire.
//
// Only Items carry text and data, at most the template's keep; what comes on
// top is counted in Rest. Count and Events stay true whatever is left out.
type Digest struct {
	ID       string         `json:"id"`
	Audience string         `json:"audience"`
	Template string         `json:"template"`
	Group    string         `json:"group,omitempty"`
	Part     int            `json:"part,omitempty"` // of a user audience that outgrew 1,000 ids: 1, 2 …
	Opened   time.Time      `json:"opened"`         // arrival of the first item
	Latest   time.Time      `json:"latest"`         // arrival of the last item
	IdleBy   time.Time      `json:"idle_by"`        // Latest + idle; zero: no idle window
	ReadyBy  time.Time      `json:"ready_by"`       // the earliest arrival + at_most
	Full     bool           `json:"full,omitempty"` // max_items reached: ready at once
	Items    []mapping.Item `json:"items"`          // the kept items, in order of arrival
	Rest     []Bucket       `json:"rest,omitempty"` // what is counted only, in order of expiry
	Users    []string       `json:"users,omitempty"`
}

// Bucket counts items whose text and data were not kept.
type Bucket struct {
	Priority mapping.Priority `json:"priority"`
	ReadyBy  time.Time        `json:"ready_by"` // the latest of its items
	Expires  time.Time        `json:"expires"`  // the latest of its items
	Count    int              `json:"count"`
}

// Ready is when the gathering window closes: the digest may be sent from then on.
func (d *Digest) Ready() time.Time {
	if d.Full {
		return d.Opened
	}
	if !d.IdleBy.IsZero() && d.IdleBy.Before(d.ReadyBy) {
		return d.IdleBy
	}
	return d.ReadyBy
}
