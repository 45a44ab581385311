package bridge

import (
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// BroadcastState says how far a broadcast has come. How each is left:
//
//	sending   -> sent | rejected | in_doubt | back to its digest
//	in_doubt  -> sent, by an operator or where the template assumes it | back to its digest, by an operator
//	sent, rejected: final
type BroadcastState string

// The states of a broadcast.
const (
	Sending  BroadcastState = "sending"  // committed; a byte may leave at any moment
	Sent     BroadcastState = "sent"     // the provider accepted it
	Rejected BroadcastState = "rejected" // the provider refused it for good
	InDoubt  BroadcastState = "in_doubt" // nobody knows; held, or assumed sent
)

// Broadcast is the durable unit of sending: one digest on its way.
type Broadcast struct {
	ID          string         `json:"id"` // unique for ever, at most 36 characters; also X-Request-ID
	State       BroadcastState `json:"state"`
	Digest      *Digest        `json:"digest"`
	RequestHash string         `json:"request_hash"` // SHA-256 of the body, hex
	Epoch       uint64         `json:"epoch"`        // of the owner that started it
	Started     time.Time      `json:"started"`
	Deadline    time.Time      `json:"deadline"` // no first byte is written after it
	Reason      string         `json:"reason"`   // the planner's, for people
	Package     string         `json:"package,omitempty"`
	Cuts        []mapping.Cut  `json:"cuts,omitempty"`
	Outcome     *Outcome       `json:"outcome,omitempty"`
}

// Arrived is from when on what the provider's record shows is final: until
// then the request of a broadcast in doubt may still be on its way. Whatever
// was answered, and a connection that the other side has closed, show that it
// has arrived, or never will; but not a gateway that has waited in vain itself.
func (b *Broadcast) Arrived() time.Time {
	o := b.Outcome
	if o == nil || o.Closed || o.HTTPStatus > 0 && (o.HTTPStatus != gatewayTimeout || orZero(o.Code) != 0) {
		return time.Time{}
	}
	return later(o.At, b.Deadline).Add(lateArrival)
}

const gatewayTimeout = 504

// Fates says what has become, since a broadcast left, of the items that it
// holds: so many go again if it turns out that it was not sent.
type Fates struct {
	Again     int `json:"again"`
	Expired   int `json:"expired,omitempty"`
	Cancelled int `json:"cancelled,omitempty"`
	Replaced  int `json:"replaced,omitempty"` // by newer news with the same key
}

// Fates are those of its items at now.
func (b *Broadcast) Fates(now time.Time) Fates {
	var f Fates
	for i := range b.Digest.Items {
		switch it := &b.Digest.Items[i]; {
		case it.Replaced:
			f.Replaced++
		case it.Cancelled:
			f.Cancelled++
		case !it.Expires.After(now):
			f.Expired++
		default:
			f.Again++
		}
	}
	for _, g := range b.Digest.gone() { // of those below
		i, _ := b.Digest.whose(g.Key)
		if i < 0 {
			continue
		}
		if g.Cancelled {
			f.Cancelled++
		} else {
			f.Replaced++
		}
		if b.Digest.Rest[i].ends().After(now) {
			f.Again--
		} else {
			f.Expired--
		}
	}
	for i := range b.Digest.Rest {
		if r := &b.Digest.Rest[i]; r.ends().After(now) {
			f.Again += r.Count
		} else {
			f.Expired += r.Count
		}
	}
	return f
}

// String is empty where all items go again.
func (f Fates) String() string {
	var gone []string
	for _, g := range []struct {
		n         int
		one, many string
	}{{f.Expired, "has expired", "have expired"}, {f.Cancelled, "was cancelled", "were cancelled"}, {f.Replaced, "was replaced by newer news", "were replaced by newer news"}} {
		if g.n > 0 {
			gone = append(gone, Plural(g.n, g.one, g.many))
		}
	}
	switch {
	case len(gone) == 0:
		return ""
	case f.Again == 0:
		return "nothing of it goes again: " + strings.Join(gone, ", ")
	}
	return Plural(f.Again, "item goes", "items go") + " again; " + strings.Join(gone, ", ")
}

// OutcomeKind is the class of what a send came to (architecture, section 6).
type OutcomeKind string

// The kinds of outcome.
const (
	Accepted        OutcomeKind = "accepted"  // HTTP 200 and code 0
	OutcomeRejected OutcomeKind = "rejected"  // certainly not sent; the same body would be refused again
	NotSent         OutcomeKind = "not_sent"  // certainly not sent; worth another try
	Throttled       OutcomeKind = "throttled" // certainly not sent; the provider counts more than we know
	Blocked         OutcomeKind = "blocked"   // certainly not sent; nothing will be until an operator acts
	DryRun          OutcomeKind = "dry_run"   // certainly not sent, on purpose: belfry run --dry-run
	Doubtful        OutcomeKind = "in_doubt"  // a byte may have left and no clear answer came
)

// Outcome is what a send came to.
type Outcome struct {
	Kind       OutcomeKind   `json:"kind"`
	ProviderID string        `json:"provider_id,omitempty"`
	MessageID  string        `json:"message_id,omitempty"`
	HTTPStatus int           `json:"http_status,omitempty"` // 0: no answer was read
	Code       *int          `json:"code,omitempty"`        // the provider's business code; nil: the answer, if any, had none
	Message    string        `json:"message,omitempty"`     // for people; never holds the secret
	RetryAfter time.Time     `json:"retry_after,omitzero"`  // with Throttled, if the provider named a time
	Attempts   []Attempt     `json:"attempts,omitempty"`
	Host       string        `json:"host,omitempty"` // base URL that the next send should try first
	Skew       time.Duration `json:"skew,omitempty"` // the provider's clock minus ours
	SkewKnown  bool          `json:"skew_known,omitempty"`
	At         time.Time     `json:"at"`               // when the outcome was known
	Closed     bool          `json:"closed,omitempty"` // with Doubtful: no answer, and the other side closed the connection
	Lost       bool          `json:"lost,omitempty"`   // with Doubtful: its owner was lost, and what the provider answered with it
	CalledOff  bool          `json:"-"`                // with NotSent: Belfry was to stop, or had lost the app
}

// counts reports whether a broadcast that was not sent counts against the quota
// all the same: the provider may have counted the call (provider-api.md, section
// 5). One in doubt does not, once an operator says that it was not sent.
func (b *Broadcast) counts(app *mapping.App) bool {
	if !app.Quota.CountRejected || b.Outcome == nil {
		return false
	}
	switch b.Outcome.Kind {
	case Throttled, Doubtful:
		return false
	case OutcomeRejected:
		return true
	}
	return b.written() > 0
}

// written counts the attempts that reached the provider; an answer shows one.
func (b *Broadcast) written() (n int) {
	if b.Outcome == nil {
		return 0
	}
	for _, a := range b.Outcome.Attempts {
		if a.Written {
			n++
		}
	}
	if b.Outcome.HTTPStatus > 0 {
		n = max(n, 1)
	}
	return n
}

// secondCall is what the ledger calls one beyond the first.
func (b *Broadcast) secondCall() string { return b.ID + "-refused-1" }

// Attempt is one try of a send at one host.
type Attempt struct {
	Host    string    `json:"host"`    // base URL of the provider's host
	At      time.Time `json:"at"`      // when it began
	Written bool      `json:"written"` // at least one byte of the request may have left
	Result  string    `json:"result"`  // for people: "connection refused", "HTTP 200 code 0"
}
