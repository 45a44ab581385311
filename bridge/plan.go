package bridge

import (
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/internal/forecast"
	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

// PolicyFIFO sends what has waited longest, whatever its priority. It is the
// baseline of the score table; no rules file can ask for it.
const PolicyFIFO mapping.Policy = "fifo"

// Situation is everything that a plan depends on.
type Situation struct {
	Now      time.Time
	App      *mapping.App
	Digests  []*Digest // in an order that does not depend on their ids
	Ledger   *quota.Ledger
	Paused   bool
	Doubts   int                                         // broadcasts in doubt; with too many, nothing more goes
	Backoff  *Backoff                                    // nil: none; the ledger keeps to it, this only explains
	Busy     bool                                        // no send may begin: one is under way, or First has to happen
	First    string                                      // what must be done before anything is sent, for people; empty: nothing
	Muted    func(*Digest) (until time.Time, muted bool) // nil: nothing is muted; zero until: until told otherwise
	Forecast *forecast.Forecast
	Memo     *Memo // nil: nothing is remembered; it saves work, and changes no plan
}

// Plan says what to do now and when to ask again.
type Plan struct {
	Send         *Digest       // nil: nothing goes now
	Reason       string        // why it goes, for people
	WakeAt       time.Time     // zero: only new input changes anything
	Explanations []Explanation // one for each digest, in the order of the situation
}

// The states of a digest, as explanations name them.
const (
	StateGathering    = "gathering"     // its window is open; left when the window closes
	StateReady        = "ready"         // it may go, and others go before it or a send is under way
	StateHeld         = "held"          // it may go, and a later moment is expected to be worth more, or not yet its slot
	StateQuiet        = "quiet"         // its audience's quiet hours
	StateMuted        = "muted"         // an operator silenced it
	StateWaitingQuota = "waiting_quota" // no send is left for it
	StateOrphaned     = "orphaned"      // the rules no longer know its audience or template, or address others with it
	StatePaused       = "paused"        // the app is paused, or has too many broadcasts in doubt
	StateNext         = "next"          // it goes now, or first of all that wait
)

// Explanation says where a digest stands, in words that a person can check.
type Explanation struct {
	Digest   string             `json:"digest"`
	Audience string             `json:"audience"`
	Template string             `json:"template"`
	Group    string             `json:"group,omitempty"`
	State    string             `json:"state"`
	Since    time.Time          `json:"since,omitzero"`  // when the state began, as far as the digest tells
	Until    time.Time          `json:"until,omitzero"`  // when it is looked at again for itself; zero: not known
	Latest   time.Time          `json:"latest,omitzero"` // by then every item it has now was sent or has expired
	Why      string             `json:"why"`
	Figures  map[string]float64 `json:"figures,omitempty"`
}

// Decide is the planner: what goes now, why, and when to look again. The same
// situation always gives the same plan.
func Decide(s Situation) Plan {
	t := newTable(s)
	t.full = true
	t.choose()
	p := t.plan()
	p.Explanations = t.explain()
	return p
}

// Choose is Decide without the explanations, for callers in a hurry.
func Choose(s Situation) Plan {
	t := newTable(s)
	t.choose()
	return t.plan()
}

// table is one decision in the making: a row for each digest.
type table struct {
	Situation
	limits  quota.Limits
	worths  worths
	left    int       // sends left now, over all windows
	next    time.Time // when a send is left again; now if there is one, zero if never
	dayLeft int       // sends left in the day's window
	day     []quota.Release
	rows    []row
	order   []*row // the rows that may go if quota and price allow, best first
	send    *row
	wake    time.Time
	full    bool                      // explanations are wanted
	spare   map[*time.Location]string // what is left, in words, by the zone that they name times in
}

// row is one digest on the table.
type row struct {
	d        *Digest
	audience *mapping.Audience // nil: the rules no longer have it
	top      mapping.Priority  // of its most pressing item
	worth    float64           // of a send now
	first    time.Time         // the first expiry of an item
	last     time.Time         // the last expiry of an item
	state    string
	was      string // before it was named the next
	since    time.Time
	until    time.Time
	why      string // filled by the part that decided the state
	hold     *hold  // the figures of a priced decision; nil otherwise
}

func newTable(s Situation) *table {
	t := &table{Situation: s, rows: make([]row, len(s.Digests)), limits: LimitsFor(s.App.Quota), worths: flat(s.App.Quota.Worth)}
	day := t.limits.Windows[len(t.limits.Windows)-1]
	t.left, t.next = t.limits.Left(s.Ledger, s.Now), t.limits.Next(s.Ledger, s.Now)
	t.day = t.limits.Counting(day, s.Ledger, s.Now)
	t.dayLeft = max(day.Max-len(t.day), 0)
	for i, d := range s.Digests {
		t.rows[i] = t.weigh(d)
	}
	return t
}

// choose fills every row's state, and names the one to send.
func (t *table) choose() {
	for i := range t.rows {
		r := &t.rows[i]
		t.wakeAt(r.first)
		if t.gate(r); r.state == "" {
			t.order = append(t.order, r)
		}
		t.wakeAt(r.until)
	}
	if len(t.order) == 0 {
		return
	}
	t.rank()
	wanted := slices.IndexFunc(t.order, func(r *row) bool { return r.d.Wanted == "" })
	if wanted < 0 {
		wanted = len(t.order)
	}
	for _, r := range t.order[:wanted] { // whatever it is worth, and also with a send that is kept back
		t.withNextSend(r, mapping.Urgent, "it is wanted at once "+r.d.Wanted)
	}
	switch rest := t.order[wanted:]; t.App.Quota.Policy {
	case mapping.PolicySlots:
		t.bySlots(rest)
	case mapping.PolicyASAP, PolicyFIFO:
		t.asSoonAsPossible(rest)
	default:
		t.byPrice(rest)
	}
}

// plan is what came of it.
func (t *table) plan() Plan {
	p := Plan{WakeAt: t.wake}
	if t.send != nil {
		p.Send, p.Reason = t.send.d, t.send.why
	}
	return p
}

// wakeAt asks for another look at an instant to come.
func (t *table) wakeAt(at time.Time) {
	if at.After(t.Now) && (t.wake.IsZero() || at.Before(t.wake)) {
		t.wake = at
	}
}

// start names the digest that goes now.
func (t *table) start(r *row, reason string) {
	t.send = r
	r.state, r.why = StateNext, reason
}
