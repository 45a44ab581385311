package simulate

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// Report is what a simulated run came to.
type Report struct {
	App        string         `json:"app"`
	Policy     mapping.Policy `json:"policy"`
	From       time.Time      `json:"from"`
	To         time.Time      `json:"to"`
	Since      time.Time      `json:"since,omitzero"` // what arrived before only taught the planner, and is not counted
	Counts     bridge.Counts  `json:"counts"`
	Broadcasts []Broadcast    `json:"broadcasts"`
	Earned     float64        `json:"earned"`
	Bound      float64        `json:"bound"`   // no scheduler could have earned more; 0 if it was not asked for
	Reached    float64        `json:"reached"` // a schedule exists that earns this, with hindsight
	Score      float64        `json:"score"`   // Earned / Bound, 0 to 1
	Priorities []ByPriority   `json:"priorities"`
	Days       []Day          `json:"days"`
	Events     []Fate         `json:"events"`          // what each item came to, and each event without one, in order of arrival
	Left       int            `json:"events_left_out"` // beyond the ones listed: 10,000 of items, and as many others
	Failures   []string       `json:"failures,omitempty"`
	Failed     map[string]int `json:"failed,omitempty"` // events on which a rule's expression failed, by rule

	quota     mapping.Quota
	audiences map[string]*mapping.Audience
	location  *time.Location
	arrivals  []mark
	expiries  []mark
}

// Broadcast is one send.
type Broadcast struct {
	At       time.Time        `json:"at"`
	Audience string           `json:"audience"`
	Template string           `json:"template"`
	Group    string           `json:"group,omitempty"`
	Priority mapping.Priority `json:"priority"`
	Items    int              `json:"items"`
	EventIDs []string         `json:"event_ids"`
	Worth    float64          `json:"worth"`
	Reason   string           `json:"reason"`
}

// ByPriority sums up the items of one priority.
type ByPriority struct {
	Priority  mapping.Priority `json:"priority"`
	Items     int              `json:"items"`
	Delivered int              `json:"delivered"`
	Late      int              `json:"late"` // delivered when less than half of their usefulness was left
	Expired   int              `json:"expired"`
	Replaced  int              `json:"replaced"`
	Cancelled int              `json:"cancelled"`
	Waiting   int              `json:"waiting"`
	Median    Seconds          `json:"median_delay_seconds"` // from arrival to delivery
	Worst     Seconds          `json:"worst_delay_seconds"`
}

// Seconds is a duration that encodes as a number of seconds.
type Seconds time.Duration

// MarshalJSON implements json.Marshaler.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, int64(time.Duration(s)/time.Second), 10), nil
}

// Day sums up one day, in the zone whose days the app lives by.
type Day struct {
	Date       string  `json:"date"`
	Arrived    int     `json:"arrived"`
	Broadcasts int     `json:"broadcasts"`
	Expired    int     `json:"expired"`
	Earned     float64 `json:"earned"`
}

// Fate is what one item came to, or an event that has become none: of that it has
// no more than when it arrived.
type Fate struct {
	Event     string            `json:"event"`
	Rule      string            `json:"rule,omitempty"`
	Audience  string            `json:"audience,omitempty"`
	Template  string            `json:"template,omitempty"`
	Priority  *mapping.Priority `json:"priority,omitempty"`
	Arrived   time.Time         `json:"arrived"`
	Came      string            `json:"came"` // see Delivered and Unmatched
	Ended     time.Time         `json:"ended,omitzero"`
	Broadcast int               `json:"broadcast"` // index into the broadcasts, -1 without
}

// report draws the sum.
func (t *tally) report(r *Report, keep int) {
	r.Broadcasts = t.sent
	if r.Broadcasts == nil {
		r.Broadcasts = []Broadcast{}
	}
	for _, b := range t.sent {
		r.Earned += b.Worth
	}
	for _, p := range slices.Backward(mapping.Priorities()) {
		if s := t.priority(p); s.Items > 0 {
			r.Priorities = append(r.Priorities, s)
		}
	}
	r.Days = t.days(r.location)
	for _, o := range t.items[:min(len(t.items), keep)] {
		r.Events = append(r.Events, Fate{
			Event: o.event, Rule: o.rule, Audience: o.place.audience, Template: o.place.template,
			Priority: &o.priority, Arrived: o.arrived, Came: o.came, Ended: o.ended, Broadcast: o.by,
		})
	}
	r.Events = append(r.Events, t.barren...)
	r.Left = len(t.items) + t.others - len(r.Events)
	slices.SortStableFunc(r.Events, func(a, b Fate) int { return a.Arrived.Compare(b.Arrived) })
	r.arrivals, r.expiries = t.marks(r.location)
}

func (t *tally) priority(p mapping.Priority) ByPriority {
	s := ByPriority{Priority: p}
	var delays []time.Duration
	for _, o := range t.items {
		if o.priority != p || !t.counts(o) {
			continue
		}
		s.Items++
		switch o.came {
		case Delivered:
			s.Delivered++
			delays = append(delays, o.ended.Sub(o.arrived))
			if bridge.Usefulness(o.ready, o.expires, o.ended) < 0.5 {
				s.Late++
			}
		case Expired:
			s.Expired++
		case Replaced:
			s.Replaced++
		case Cancelled:
			s.Cancelled++
		default:
			s.Waiting++
		}
	}
	if len(delays) > 0 {
		slices.Sort(delays)
		s.Median, s.Worst = Seconds(delays[len(delays)/2]), Seconds(delays[len(delays)-1])
	}
	return s
}

// days lists every day from the first arrival to the last happening.
func (t *tally) days(loc *time.Location) []Day {
	by := map[string]*Day{}
	var first, last time.Time
	on := func(at time.Time) *Day {
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
		date := at.In(loc).Format(time.DateOnly)
		if by[date] == nil {
			by[date] = &Day{Date: date}
		}
		return by[date]
	}
	for _, o := range t.items {
		on(o.arrived).Arrived++
		if o.came == Expired {
			on(o.ended).Expired++
		}
	}
	for _, b := range t.sent {
		d := on(b.At)
		d.Broadcasts++
		d.Earned += b.Worth
	}
	var out []Day
	if first.IsZero() {
		return out
	}
	y, m, d := first.In(loc).Date()
	for i := 0; ; i++ {
		date := time.Date(y, m, d+i, 12, 0, 0, 0, loc).Format(time.DateOnly)
		if date > last.In(loc).Format(time.DateOnly) {
			return out
		}
		out = append(out, *cmp.Or(by[date], &Day{Date: date}))
	}
}
