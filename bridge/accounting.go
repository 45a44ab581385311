package bridge

import (
	"fmt"
	"hash/fnv"

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

// Reported is how many events the final results of each state tell of, all
// added up, once everything has been published.
func (c *Counts) Reported() map[ResultState]uint64 {
	return map[ResultState]uint64{
		ResultSent: c.Sent, ResultDryRun: c.DryRun, ResultRejected: c.Rejected, ResultCancelled: c.Cancelled,
		ResultExpired: c.Expired, ResultMuted: c.Muted, ResultOverflowed: c.Overflowed,
	}
}
