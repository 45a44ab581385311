package mapping

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Item is what one event contributes to a digest. Items of one digest with
// the same Key replace each other, the newer one stays.
//
// All times that decide anything derive from Arrived, the time at which the
// stream stored the event, so that reading an event again gives the same item.
type Item struct {
	Key      string          `json:"key"`
	Text     string          `json:"text,omitempty"` // at most 4 KiB
	Was      int             `json:"was,omitempty"`  // bytes of the text before it was cut to that
	Data     json.RawMessage `json:"data,omitempty"` // at most 8 KiB; what templates see as .Data
	Rule     string          `json:"rule"`
	EventID  string          `json:"event_id"`
	Type     string          `json:"type,omitempty"`
	Time     time.Time       `json:"time,omitzero"` // the event's own time
	Arrived  time.Time       `json:"arrived"`       // when the stream stored it
	ReadyBy  time.Time       `json:"ready_by"`      // Arrived + the rule's at_most: the end of its gathering window
	Expires  time.Time       `json:"expires"`       // Arrived + expires_after: worth nothing from here on
	Priority Priority        `json:"priority"`
	// Cancelled while its broadcast was under way or in doubt: it is not sent again.
	Cancelled bool `json:"cancelled,omitempty"`
	// Replaced by newer news with its key meanwhile: neither.
	Replaced bool `json:"replaced,omitempty"`
	// Outdated for some of its broadcast's users, a bit each, who have newer news with its key.
	Outdated []byte `json:"outdated,omitempty"`
}

// Gather is a coalescing window: how long a digest waits for more items.
type Gather struct {
	Idle     time.Duration `json:"idle"`      // ready when nothing arrived for this long; 0: only AtMost counts
	AtMost   time.Duration `json:"at_most"`   // ready this long after the first item, at the latest
	MaxItems int           `json:"max_items"` // ready at once with this many items; 0: no such limit
}

// Priority orders items and prices sends.
type Priority uint8

// The priorities, from the least to the most pressing.
const (
	Low Priority = iota
	Normal
	High
	Urgent
)

// Priorities lists all priorities in ascending order.
func Priorities() []Priority { return []Priority{Low, Normal, High, Urgent} }

// priorityWords are the rules file's, by priority.
func priorityWords() []string { return []string{"low", "normal", "high", "urgent"} }

// String returns the word that the rules file uses.
func (p Priority) String() string {
	if words := priorityWords(); int(p) < len(words) {
		return words[p]
	}
	return fmt.Sprintf("priority(%d)", uint8(p))
}

// ParsePriority is the inverse of String.
func ParsePriority(s string) (Priority, error) {
	if i := slices.Index(priorityWords(), s); i >= 0 {
		return Priority(i), nil
	}
	return 0, fmt.Errorf("cannot use %q as a priority: want low, normal, high or urgent", s)
}

// MarshalText implements encoding.TextMarshaler.
func (p Priority) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Priority) UnmarshalText(b []byte) error {
	v, err := ParsePriority(string(b))
	if err == nil {
		*p = v
	}
	return err
}
