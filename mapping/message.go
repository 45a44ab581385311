package mapping

import "time"

// Message is one message as it was read from a JetStream stream: the raw
// form of an event, before anything is known about it.
//
// Data and Header belong to the reader and may be reused after the batch was
// folded; what is kept of them must be copied.
type Message struct {
	Subject  string
	Stream   string
	Sequence uint64              // in the stream, from 1
	Time     time.Time           // when the server stored it; the arrival time of everything that comes of it
	Header   map[string][]string // as in the NATS message, nil without headers
	Data     []byte
}

// Event is the envelope of a message after decoding: the CloudEvents 1.0
// attributes, or what stands in for them on plain JSON.
type Event struct {
	ID      string    `json:"id"`                // CloudEvents id; else Nats-Msg-Id; else "<stream>:<sequence>"
	Type    string    `json:"type"`              // CloudEvents type; else the subject
	Source  string    `json:"source"`            // CloudEvents source; else the stream
	Subject string    `json:"subject,omitempty"` // CloudEvents subject, not the NATS one; often empty
	Time    time.Time `json:"time"`              // CloudEvents time; else the time of storing
}

// Decision is what the rules of one app make of one message.
//
// An unmatched message has none of the three lists filled. A message may at
// once match some rules and fail on others.
type Decision struct {
	Event    Event
	Matches  []Match
	Failures []Failure    // expressions that failed on this event: no match, counted per rule
	Dead     []DeadLetter // at most one per rule, or a single one with an empty Rule when nothing could be decoded
	Foreign  bool         // no rule listens to its subject
}

// Match is one rule's consequence for one event: an item for a digest, or,
// when Cancels is set, the removal of pending items.
type Match struct {
	Rule     string
	Audience string
	Template string
	Group    string   // value of group_by; empty without
	Item     Item     // Key is always set, the rest only when Cancels is empty
	Users    []string // user ids that this item adds to a user audience
	Cancels  []string // names of rules whose pending items with Item.Key are removed
	Gather   Gather   // the rule's own window, or the template's
}

// Failure says that one expression of a rule could not be evaluated on an event.
type Failure struct {
	Rule string
	Part string // "when", "key", "item", "with", "users", "group_by"
	Err  error
}

// DeadLetter says that a message, or one rule's view of it, goes to the
// dead-letter subject.
type DeadLetter struct {
	Reason string // one token of the subject: "undecodable", "batch", "expression", "oversized"
	Rule   string // empty when the message itself could not be decoded
	Err    error
}
