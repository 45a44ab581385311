package bridge

import (
	"context"
	"errors"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// Store holds the one state message of one app. Both methods are a single
// try; the protocol around them is in commit.go.
type Store interface {
	// Put stores data if the subject's last sequence is still expect (0: the
	// subject is empty) and returns the new sequence. Any error means that
	// the outcome is unknown.
	Put(ctx context.Context, data []byte, token string, expect uint64) (uint64, error)
	// Get reads the last state from the stream leader. A zero Record means
	// that there is none.
	Get(ctx context.Context) (Record, error)
}

// Record is a stored state as the leader has it.
type Record struct {
	Data     []byte
	Token    string    // the Belfry-Commit header: "<replica>/<epoch>/<commit>"
	Sequence uint64    // 0: nothing is stored
	Time     time.Time // when it was stored, by the store's clock; zero: not known
}

// Lease says who should own an app. It is for liveness only: that two owners
// never both send rests on the Store.
type Lease interface {
	// Acquire waits until this replica may claim the app. The returned
	// channel is closed when the lease was lost or must be given up.
	Acquire(ctx context.Context) (lost <-chan struct{}, err error)
	// Holds reports whether the lease is ours at this very moment. It reads
	// the clock itself: a process that was suspended past its lease is told
	// so at once, even before lost is closed.
	Holds() bool
	// Emptied tells the owner that the store has lost everything of the app,
	// so that it is stored again although nothing has changed.
	Emptied() <-chan struct{}
	// Alone reports whether no other replica had the lease, as far as we saw,
	// between the last two times that it was acquired.
	Alone() bool
	// Vanished names the replica (Config.Replica) that was the last owner
	// when the store lost everything of the app, "unknown" included; empty:
	// this replica knows of no loss.
	Vanished() string
	// Release gives the lease up, so that another replica takes over at once.
	Release(ctx context.Context) error
}

// Source delivers the events of one app.
type Source interface {
	// Read delivers batches to out, in stream order per stream, starting
	// after each checkpoint in from, until ctx ends. It survives every
	// trouble of the connection. Streams without a checkpoint start as their
	// rules say. A batch's memory belongs to the receiver.
	//
	// A stream that has nothing new says so at once with an empty batch, so
	// that the receiver knows when it has caught up: until then nothing is
	// sent, since a later event may cancel what an earlier one asked for. So
	// does a stream in from that is not read any more: nobody waits for it.
	Read(ctx context.Context, subjects []string, sources []mapping.Source, from map[string]Checkpoint, out chan<- Batch) error
	// Get fetches one message again, for a dead letter.
	Get(ctx context.Context, stream string, sequence uint64) (mapping.Message, error)
}

// ErrMessageGone is returned by Source.Get for a message that its stream no longer has.
var ErrMessageGone = errors.New("the stream no longer has this message")

// ErrPermanent is what errors.Is finds in an error of a port that no retry can
// mend: a configuration that can never work.
var ErrPermanent = errors.New("retrying cannot help")

// Batch is a run of events from one stream, or the news that there is a gap
// in it, or only a newer checkpoint (nothing of ours up to Checkpoint).
type Batch struct {
	Stream     string
	Messages   []mapping.Message
	Gap        *Gap
	Checkpoint Checkpoint // after this batch
	Pending    uint64     // events for us that the stream still has after this batch; 0: caught up
}

// Checkpoint is how far a stream has been folded.
type Checkpoint struct {
	Created  time.Time `json:"created"`  // of the stream: tells a recreated one
	Sequence uint64    `json:"sequence"` // the last one folded

	// The last event folded, and when it was stored: where the stream has another
	// one there, it has lost what it had. 0 if that is not known. After a gap, and
	// before the first event, only the time up to which nothing is new is known.
	Event  uint64    `json:"event,omitempty"`
	Stored time.Time `json:"stored,omitzero"`
}

// AfterEvent is the checkpoint of a stream right after one of its events.
func AfterEvent(created time.Time, m *mapping.Message) Checkpoint {
	return Checkpoint{Created: created, Sequence: m.Sequence, Event: m.Sequence, Stored: m.Time}
}

// Gap is a stretch of a stream that could not be read, or not all of it.
type Gap struct {
	Stream string    `json:"stream"` // that the events were in
	From   uint64    `json:"from"`   // first missing sequence
	To     uint64    `json:"to"`     // last missing sequence; 0: unknown
	Why    string    `json:"why"`    // "recreated", "truncated", "rewound"
	At     time.Time `json:"at"`     // when it was noticed
}

// Provider hands one broadcast over, at most once.
type Provider interface {
	// Send returns what became of it; it never returns before that is known
	// or the answer has been waited for long enough. No first byte is written
	// after the deadline, when ctx has ended before, or against the permit.
	Send(ctx context.Context, s Send) Outcome
}

// Send is one broadcast ready to leave.
type Send struct {
	ID       string // at most 36 characters
	Body     []byte
	Deadline time.Time
	Host     string // base URL to try first; empty: the primary

	// Again is asked before a second call, should the first be refused, and an
	// error of it means that there is none; nil allows it.
	Again func() error

	// Permit is asked right before the first byte, and an error of it keeps
	// that byte from leaving; nil allows it.
	Permit func() error
}

// Publisher publishes results and dead letters.
type Publisher interface {
	// Latest is the last of the app's results that the stream has.
	Latest(ctx context.Context, app string) (LatestResult, error)
	// Publish returns nil when the stream has the message; the same id again
	// within the stream's duplicate window is not stored twice.
	Publish(ctx context.Context, p Publication) error
}

// LatestResult is what is known of the last result of an app.
type LatestResult struct {
	At     time.Time // zero: there is none
	Commit string    // CommitHeader of it; empty if an older build has published it
}

// CommitHeader is the header that says which stored state a result is from:
// its Born, a slash, and its token.
const CommitHeader = "Belfry-Commit"

// Publication is one message for subscribers.
type Publication struct {
	ID      string              `json:"id"` // Nats-Msg-Id
	Subject string              `json:"subject"`
	Header  map[string][]string `json:"header,omitempty"`
	Data    []byte              `json:"data"`
}
