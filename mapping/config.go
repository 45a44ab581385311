package mapping

import (
	"log/slog"
	"time"
)

// RuleSet is a rules file, parsed, checked and compiled as a whole. It never
// changes; a reload makes a new one.
type RuleSet struct {
	File    string
	Apps    map[string]*App
	Sources []Source // in the order of the file
}

// App is one provider App Key with everything that is sent under it.
type App struct {
	Name      string
	Key       string
	Secret    Secret
	BaseURLs  []string // primary, then backup if there is one: "https://host", no trailing slash
	Sender    string   // fromUserId
	Packages  []string // the only packages that can be addressed
	Everyone  bool
	Quota     Quota
	Audiences map[string]*Audience
	Templates map[string]*Template // those that the app's rules use
	Rules     []*Rule              // those whose audience belongs to the app, in the order of the file

	matcher *matcher
}

// Secret is text that never shows itself: not in logs, errors, JSON or %v.
type Secret string

const redacted = "[secret]"

// String returns a placeholder.
func (Secret) String() string { return redacted }

// GoString returns a placeholder.
func (Secret) GoString() string { return redacted }

// MarshalText returns a placeholder.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns a placeholder.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Reveal returns the secret itself, for the one place that signs.
func (s Secret) Reveal() string { return string(s) }

// Quota is an app's share of sends and how to spend it.
type Quota struct {
	PerHour       int                  // 0 or more; the provider allows 2 (seed)
	PerDay        int                  // 0 or more; the provider allows 3 (seed)
	Location      *time.Location       // of the provider's calendar day; nil: any 25 hours
	Policy        Policy               // how to choose the moment of a send
	Slots         []time.Duration      // times of day since midnight, ascending; only with PolicySlots
	SlotLocation  *time.Location       // of the slots; UTC unless Location is set
	Reserve       map[Priority]int     // sends of a day that only this priority and above may use
	Worth         map[Priority]float64 // of one item, always complete
	CountRejected bool                 // refused calls count against the quota
	UrgentAtOnce  bool                 // an urgent digest goes as soon as a send is left; default true
}

// Policy names a way to choose the moment of a send.
type Policy string

// The policies of the planner.
const (
	PolicyPrice Policy = "price" // weigh a send now against what it could earn later
	PolicyASAP  Policy = "asap"  // as soon as a window closes and the quota allows
	PolicySlots Policy = "slots" // only at fixed times of the day; urgent may pass
)

// Source names a stream that events are read from.
type Source struct {
	Stream string
	Start  Start
}

// Start says where reading begins when there is no checkpoint yet.
type Start struct {
	Mode StartMode
	Time time.Time // with StartAtTime
}

// StartMode is one of three ways to begin.
type StartMode uint8

// The ways to begin reading a stream. The zero value is the default.
const (
	StartNew    StartMode = iota // only what is stored from now on
	StartAll                     // everything that the stream still has
	StartAtTime                  // everything stored at or after Start.Time
)

// Audience is who receives.
type Audience struct {
	Name       string
	App        string
	Package    string
	Platforms  []string // as sent: "ios", "android", "harmonyOS"
	TagsAll    []string
	TagsAny    []string
	Everyone   bool // isToAll; only together with App.Everyone
	HasUsers   bool // a user audience: digests gather user ids, at most 1,000
	Location   *time.Location
	QuietHours *QuietHours // nil: none
}

// QuietHours is a daily stretch in which an audience is left alone.
type QuietHours struct {
	From, To time.Duration // since midnight in the audience's zone; From > To spans midnight
	ForAll   bool          // urgent items wait too
}

// Has reports whether the audience is left alone when its clocks show so much
// since midnight.
func (q *QuietHours) Has(clock time.Duration) bool {
	if q.From > q.To {
		return clock >= q.From || clock < q.To
	}
	return q.From <= clock && clock < q.To
}

// Template is what is said, and how long to gather before saying it.
type Template struct {
	Gather       Gather
	Keep         int // items whose text and data are kept, at least 1
	ExpiresAfter time.Duration
	WhenInDoubt  WhenInDoubt
}

// WhenInDoubt says what becomes of a broadcast of which nobody knows whether it was sent.
type WhenInDoubt string

// The ways to treat a broadcast in doubt.
const (
	HoldInDoubt WhenInDoubt = "hold"        // an operator decides
	AssumeSent  WhenInDoubt = "assume_sent" // count it as sent, say so in the result
)

// Rule maps matching events to an audience and a template. Its expressions
// are compiled and private; what is public describes it to operators.
type Rule struct {
	Name         string
	On           []string // NATS subjects, wildcards allowed
	Audience     string
	Template     string
	Cancels      []string
	When         string // CEL, as written; empty: always
	Key          string // CEL, as written; empty: the event's id
	Item         string // template, as written
	GroupBy      string // CEL, the rule's own or the template's; empty: one digest
	Priority     Priority
	Gather       Gather // effective: the template's with the rule's overrides
	ExpiresAfter time.Duration
	Line         int // in the rules file
}
