package bridge

import (
	"fmt"
	"hash/fnv"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// Counts says what became of everything that was read, since the state began.
//
// Events are counted first, each once:
//
//	Read = Unmatched + Dead + Cancelling + (Items - Extra)
//
// An event that several rules match, or whose users need several parts,
// becomes several items; Extra are those beyond the first. Items are counted
// at their end, each once:
//
//	Items = Sent + DryRun + Replaced + Cancelled + Expired + Muted + Rejected + Overflowed + State.Waiting
//
// What is in doubt waits, for an operator. Missing checks both.
type Counts struct {
	Read        uint64 `json:"read"`
	Unmatched   uint64 `json:"unmatched"`  // by any rule, or only by rules whose users it does not name
	Matched     uint64 `json:"matched"`    // Cancelling, and those that became items
	Cancelling  uint64 `json:"cancelling"` // events that match cancelling rules only
	Dead        uint64 `json:"dead"`       // events that ended as a dead letter
	Items       uint64 `json:"items"`
	Extra       uint64 `json:"extra,omitempty"`
	Sent        uint64 `json:"sent"`
	DryRun      uint64 `json:"dry_run,omitempty"` // would have been sent
	Replaced    uint64 `json:"replaced"`
	Cancelled   uint64 `json:"cancelled"`
	Expired     uint64 `json:"expired"`
	Muted       uint64 `json:"muted"` // expired while muted
	Rejected    uint64 `json:"rejected"`
	Overflowed  uint64 `json:"overflowed"`   // no room for another digest of a user audience
	DeadLetters uint64 `json:"dead_letters"` // published: one an event that can't be decoded, else one a rule
	Broadcasts  uint64 `json:"broadcasts"`   // accepted by the provider
	Gaps        uint64 `json:"gaps"`
	Cuts        uint64 `json:"cuts,omitempty"` // texts of broadcasts that were shortened to the provider's limits
}

// Missing is how many events and items have no end although nothing may be
// without one; waiting is State.Waiting. Both are 0, always.
func (c *Counts) Missing(waiting int) (events, items int64) {
	ended := c.Sent + c.DryRun + c.Replaced + c.Cancelled + c.Expired + c.Muted + c.Rejected + c.Overflowed
	events = int64(c.Read) - int64(c.Unmatched+c.Dead+c.Cancelling) - int64(c.Items) + int64(c.Extra)
	return events, int64(c.Items) - int64(ended) - int64(waiting)
}

// file counts one event by what it came to: items first, since a dead letter
// of one rule or a cancellation does not undo what another rule made of it.
func (c *Counts) file(items uint64, cancels, dead bool) {
	switch {
	case items > 0:
		c.Matched++
		c.Extra += items - 1
	case cancels:
		c.Matched++
		c.Cancelling++
	case dead:
		c.Dead++
	default:
		c.Unmatched++
	}
}

// Span is a stretch of one stream that was folded without a gap and under the
// same subjects: whoever counts the events between First and Last finds
// Events of them, as long as the stream keeps them.
type Span struct {
	First  uint64 `json:"first"`
	Last   uint64 `json:"last"`
	Events uint64 `json:"events"`
}

func (s *State) countRead(m *mapping.Message) {
	s.Counts.Read++
	if s.Folded == nil {
		s.Folded = map[string]Span{}
	}
	span, begun := s.Folded[m.Stream]
	if !begun {
		span.First = m.Sequence
	}
	span.Last = m.Sequence
	span.Events++
	s.Folded[m.Stream] = span
}

// countUnder starts the spans anew when other subjects are read from now on:
// what was read under the old ones can't be counted again.
func (s *State) countUnder(subjects []string) {
	h := fnv.New64a()
	_, _ = fmt.Fprintln(h, "without foreign ones") // older builds counted them
	for _, subject := range subjects {
		_, _ = fmt.Fprintln(h, subject) // never fails
	}
	if sum := fmt.Sprintf("%016x", h.Sum64()); sum != s.Subjects {
		s.Subjects, s.Folded = sum, nil
	}
}

// Foresee reports, once for each digest, that it is not expected to leave
// before its first item expires, and whether there was such a digest.
func (s *State) Foresee(app *mapping.App, now time.Time) (found bool) {
	for _, d := range s.Digests {
		if d.Warned || d.foreseen.Equal(d.Latest) {
			continue
		}
		d.foreseen = d.Latest
		why, miss := WillMiss(app, d, &s.Ledger, now)
		if !miss {
			continue
		}
		d.Warned, found = true, true
		r := d.result(ResultWillMiss)
		r.Package, r.Reason, r.Quota = packageOf(app, d.Audience), why, LimitsFor(app.Quota).Usage(&s.Ledger, now)
		s.report(d.ID+"."+string(ResultWillMiss), r, now)
	}
	return found
}

// dayWindow is the window whose end subscribers are warned of. The hour's
// comes and goes with every send or two.
const dayWindow = "day"

// warnOfQuota reports that one send, and then that none, is left in the day's
// window: once each, until a send has come back. A window of one send has
// only the second. A send under way may yet be refunded.
func (s *State) warnOfQuota(app *mapping.App, now time.Time) {
	if s.Sending != nil {
		return
	}
	usage := LimitsFor(app.Quota).Usage(&s.Ledger, now)
	for _, u := range usage {
		if u.Window != dayWindow {
			continue
		}
		low := lowness(u.Left, u.Max)
		if low > s.Low {
			message := fmt.Sprintf("%d of %d sends of the %s left; the first comes back at %s", u.Left, u.Max, u.Window, u.Frees.In(zoneOf(app.Quota.Location)).Format("2 Jan 15:04 MST"))
			s.report(s.newID()+"."+string(ResultQuotaLow), Result{State: ResultQuotaLow, Message: message, Quota: usage}, now)
		}
		s.Low = low
	}
}

func lowness(left, most int) int {
	switch {
	case most == 0 || left > 1 || left == most:
		return 0
	case left == 1:
		return 1
	}
	return 2
}

func packageOf(app *mapping.App, audience string) string {
	if a := app.Audiences[audience]; a != nil {
		return a.Package
	}
	return ""
}

// Reported is how many events the final results of each state tell of, all
// added up, once everything has been published.
func (c *Counts) Reported() map[ResultState]uint64 {
	return map[ResultState]uint64{
		ResultSent: c.Sent, ResultDryRun: c.DryRun, ResultRejected: c.Rejected, ResultCancelled: c.Cancelled,
		ResultExpired: c.Expired, ResultMuted: c.Muted, ResultOverflowed: c.Overflowed,
	}
}
