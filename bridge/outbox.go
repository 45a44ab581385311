package bridge

import (
	"maps"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// OutboxEntry is a result or a dead letter that subscribers have not been
// shown to have. It is published after the commit that holds it and leaves
// with a later commit, so after a crash it may be published again: with the
// same id.
type OutboxEntry struct {
	ID     string      `json:"id"`
	Result *Result     `json:"result,omitempty"`
	Dead   *DeadLetter `json:"dead,omitempty"`

	commit string // of a state that is stored and has it; see CommitHeader
}

// DeadLetter names an event that could not be decoded or evaluated. Its
// bytes stay where they are, in the stream, and are fetched to be published:
// so a megabyte of nonsense costs the state a few hundred bytes.
type DeadLetter struct {
	App      string    `json:"app"`
	Stream   string    `json:"stream"`
	Sequence uint64    `json:"sequence"`
	Subject  string    `json:"subject"`
	Reason   string    `json:"reason"` // the last token of its subject
	Rule     string    `json:"rule,omitempty"`
	Error    string    `json:"error"`
	At       time.Time `json:"at"` // when the event was stored
}

// Drop gathers what one digest lost for one reason since the last commit:
// one result instead of one for each item.
type Drop struct {
	Kind   ResultState `json:"kind"`   // expired, muted, cancelled or overflowed
	Digest Digest      `json:"digest"` // its names only
	Events int         `json:"events"`
	IDs    []string    `json:"ids,omitempty"`
	Reason string      `json:"reason,omitempty"` // the planner's last word on the digest
}

func (s *State) drop(kind ResultState, d *Digest, events int, ids []string) {
	if events == 0 {
		return
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == "" })
	for i := range s.Drops {
		if o := &s.Drops[i]; o.Kind == kind && o.Digest.ID == d.ID {
			o.Events += events
			o.IDs = append(o.IDs, ids[:max(0, min(len(ids), maxIDs-len(o.IDs)))]...)
			return
		}
	}
	name := Digest{ID: d.ID, Audience: d.Audience, Template: d.Template, Group: d.Group, Part: d.Part, Opened: d.Opened, ReadyBy: d.Ready(), Trace: d.Trace, Rules: maps.Clone(d.Rules)}
	s.Drops = append(s.Drops, Drop{Kind: kind, Digest: name, Events: events, IDs: ids[:min(len(ids), maxIDs)]})
}

// explainDrops adds the planner's last word on a digest to what it has lost.
func (s *State) explainDrops(why func(digest string) string) {
	for i := range s.Drops {
		if d := &s.Drops[i]; d.Reason == "" && (d.Kind == ResultExpired || d.Kind == ResultMuted) {
			d.Reason = why(d.Digest.ID)
		}
	}
}

func (s *State) deadLetter(m *mapping.Message, d *mapping.DeadLetter) {
	s.Counts.DeadLetters++
	s.Outbox = append(s.Outbox, OutboxEntry{
		ID: deadLetterID(s.App, m, d.Rule),
		Dead: &DeadLetter{
			App: s.App, Stream: m.Stream, Sequence: m.Sequence, Subject: m.Subject,
			Reason: d.Reason, Rule: d.Rule, Error: beginning(d.Err.Error(), 500), At: m.Time,
		},
	})
}

// crowded reports whether reading must wait until subscribers' streams have
// taken what is in the outbox.
func (s *State) crowded() bool {
	if len(s.Outbox) >= maxOutbox || len(s.Drops) >= maxDrops {
		return true
	}
	n := 0
	for i := range s.Outbox {
		n += s.Outbox[i].size()
	}
	for i := range s.Drops {
		n += listSize(s.Drops[i].IDs)
	}
	return n >= maxOutSize
}

// roomy reports whether a crowded outbox has emptied far enough to read on.
func (s *State) roomy() bool { return len(s.Outbox) <= maxOutbox/4 }

func (e *OutboxEntry) size() int {
	n := 400
	if e.Dead != nil {
		n += len(e.Dead.Error) + len(e.Dead.Subject)
	}
	if e.Result != nil {
		n += listSize(e.Result.EventIDs)
	}
	return n
}

func listSize(ids []string) (n int) {
	for _, id := range ids {
		n += idSize(id)
	}
	return n
}

// published takes an acknowledged entry out of the outbox.
func (s *State) published(id string) {
	s.Outbox = slices.DeleteFunc(s.Outbox, func(e OutboxEntry) bool { return e.ID == id })
}
