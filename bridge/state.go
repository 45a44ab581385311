package bridge

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/internal/forecast"
	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

// State is everything durable about one app: one message, committed as a
// whole. It is owned by the goroutine of Bridge.Run; every change is a method
// that takes the time as an argument.
type State struct {
	App    string    `json:"app"`
	Born   string    `json:"born"`             // random, once per state: makes ids unique even if the state is ever lost
	Births []string  `json:"births,omitempty"` // of the states that this one has come after, the latest few
	Began  time.Time `json:"began,omitzero"`   // zero in old states
	Epoch  uint64    `json:"epoch"`            // one more with every owner
	Commit uint64    `json:"commit"`
	Owner  string    `json:"owner"` // replica id of the last committer

	Sealed   time.Time `json:"sealed,omitzero"`   // when it was committed last, by its owner's clock
	Taken    time.Time `json:"taken,omitzero"`    // by the store's clock, from a claim on until its owner's clock was compared
	Unasked  string    `json:"unasked,omitempty"` // token of the state that was loaded, until it is known that no result is later
	Restored time.Time `json:"restored,omitzero"` // when an older state was noticed last: ids of before are of another series
	NextID   uint64    `json:"next_id"`
	Key      string    `json:"key,omitempty"` // of which App Key, as a hash; empty in old states

	Sources  map[string]Checkpoint  `json:"sources"`
	Folded   map[string]Span        `json:"folded,omitempty"`   // by stream; see accounting.go
	Subjects string                 `json:"subjects,omitempty"` // under which Folded was counted, as a hash
	Digests  []*Digest              `json:"digests"`            // in the order of their keys
	Ledger   quota.Ledger           `json:"ledger"`
	Forecast forecast.Forecast      `json:"forecast"`
	Mutes    []Mute                 `json:"muted,omitempty"`
	Paused   *Pause                 `json:"paused,omitempty"`
	Backoff  *Backoff               `json:"backoff,omitempty"`
	Sending  *Broadcast             `json:"sending,omitempty"`
	Held     []*Broadcast           `json:"held,omitempty"` // in doubt, until somebody resolves them
	Outbox   []OutboxEntry          `json:"outbox,omitempty"`
	Drops    []Drop                 `json:"drops,omitempty"` // become results with the next commit
	Counts   Counts                 `json:"counts"`
	GapAt    time.Time              `json:"gap_at,omitzero"`     // when the latest gap was reported
	Failed   map[string]int         `json:"failed,omitempty"`    // events on which a rule's expression failed, by rule
	FailedOn map[string]FailedEvent `json:"failed_on,omitempty"` // the latest of them, for maxFailedOn rules
	Host     string                 `json:"host,omitempty"`      // base URL to try first
	Low      int                    `json:"low,omitempty"`       // how low the quota was when last looked at: 0, 1 or 2

	used    int             // bytes that the digests take, about; see room.go
	failing map[string]bool // rules that failed since the log was told
	tight   bool            // key sets were shrunk to save room
	apart   *bool           // no two parts have a user in common; nil: not known
}

// SentWith reports whether anything may have been sent with an app's key since
// an instant (zero: ever). A state of an older build does not say whose it is,
// and may be anybody's.
func (s *State) SentWith(app *mapping.App, since time.Time) bool {
	sent := s.Counts.Sent > 0 || s.Sending != nil || len(s.Held) > 0
	if !sent || s.OtherKey(app) {
		return false
	}
	latest := s.Ledger.Seen.Add(-quota.KeepAtLeast) // nothing later is forgotten
	for _, spend := range s.Ledger.Spends {
		if spend.Origin == quota.Own {
			latest = later(latest, spend.At)
		}
	}
	return since.IsZero() || latest.After(since)
}

// OtherKey reports whether the state is known to be another App Key's.
func (s *State) OtherKey(app *mapping.App) bool { return s.Key != "" && s.Key != keyHash(app) }

// pause keeps the reason of one that there is: it is not over with another's.
func (s *State) pause(why string, now time.Time) {
	p := Pause{Since: now, Why: why}
	if was := s.Paused; was != nil {
		if strings.Contains(was.Why, why) { // said already
			return
		}
		p.Since, p.Code = was.Since, was.Code
		p.Why = fmt.Sprintf("%s; and since %s: %s", was.Why, now.UTC().Format("2 Jan 15:04 MST"), why)
	}
	s.Paused = &p
}

func keyHash(app *mapping.App) string {
	sum := sha256.Sum256([]byte("belfry app key " + app.Key))
	return hex.EncodeToString(sum[:8])
}

// Mute keeps digests from being sent for a while. Empty fields match all.
type Mute struct {
	ID       string    `json:"id"`
	Audience string    `json:"audience,omitempty"`
	Template string    `json:"template,omitempty"`
	Until    time.Time `json:"until"`
	Why      string    `json:"why"`

	Void bool `json:"void,omitempty"` // in a status: the rules do not have what it names, and nothing is muted
}

// Scope says in words what is muted.
func (m Mute) Scope() string {
	switch {
	case m.Audience == "" && m.Template == "":
		return "everything"
	case m.Template == "":
		return "audience " + m.Audience
	case m.Audience == "":
		return "template " + m.Template
	}
	return "audience " + m.Audience + ", template " + m.Template
}

// Pause stops all sending of the app until an operator resumes it.
type Pause struct {
	Since time.Time `json:"since"`
	Code  int       `json:"code,omitempty"` // the provider's, 0 if an operator paused, or Belfry itself after a loss
	Why   string    `json:"why"`

	Ordered bool `json:"ordered,omitempty"` // by an operator, and for no other reason since
}

// Backoff stops all sending of the app until a time.
type Backoff struct {
	Since     time.Time `json:"since,omitzero"` // the first in a row
	Until     time.Time `json:"until"`
	Throttled bool      `json:"throttled"` // by the provider; else a send could not leave
	Times     int       `json:"times"`     // in a row
	Doubled   int       `json:"doubled"`   // how often the wait was made longer; not by what the provider asks for
	Why       string    `json:"why"`
}

// Holds reports whether it still stops all sending; nil never does.
func (b *Backoff) Holds(at time.Time) bool { return b != nil && b.Until.After(at) }

// Remedy is what an operator can do about it.
func (b *Backoff) Remedy() string {
	if b.Throttled {
		return "somebody else sends with the same App Key, or the provider counts more strictly than the quota in the rules file: see to it, and record what others have sent with belfry quota spend; belfry resume tries again at once"
	}
	return "it is tried again by itself, or at once with belfry resume; is the provider's host within reach from here?"
}

// NewState is the state of an app that has never run. born must be unique
// among all states of the app that ever were: 4 to 8 letters or digits.
func NewState(app, born string) *State {
	return &State{App: app, Born: born, Sources: map[string]Checkpoint{}}
}

// newID returns an id that is unique for ever: born and NextID never repeat together.
func (s *State) newID() string {
	s.NextID++
	return fmt.Sprintf("%s-%d", s.Born, s.NextID)
}

// maxBirths is how many lives of an app are told apart.
const maxBirths = 16

// comesAfter notes that results of another birth are of before.
func (s *State) comesAfter(born string) {
	if born != "" && !slices.Contains(s.Births, born) {
		s.Births = append(s.Births, born)
		s.Births = s.Births[max(0, len(s.Births)-maxBirths):]
	}
}

// rebear begins a new series of ids, where those to come may have been used:
// by digests that are still gathered here, too.
func (s *State) rebear(born, later string, now time.Time) {
	s.comesAfter(s.Born)
	s.comesAfter(later)
	s.Born, s.Restored = born, now.Round(0)
	for _, d := range s.Digests {
		d.ID = s.newID()
	}
}

// Seal prepares the state for its next commit: results for what was dropped,
// the next number, nothing in the ledger that no longer counts.
func (s *State) Seal(app *mapping.App, owner string, now time.Time) {
	s.Commit++
	s.Owner = owner
	if s.Taken.IsZero() {
		s.Sealed = now.Round(0)
	}
	if !now.Before(s.Ledger.Seen) { // a clock that is behind corrects nothing
		s.Forecast.Correct(now.In(ForecastZone(app)))
	}
	s.reportDrops(app, now)
	s.warnOfQuota(app, now)
	s.Ledger.Prune(now, LimitsFor(app.Quota))
}

func (s *State) find(k digestKey) (int, bool) {
	return slices.BinarySearchFunc(s.Digests, k, func(d *Digest, k digestKey) int { return d.key().compare(k) })
}

// digest returns the digest for the key, a new one if there is none.
func (s *State) digest(k digestKey) *Digest {
	i, ok := s.find(k)
	if !ok {
		d := &Digest{
			ID: s.newID(), Audience: k.audience, Template: k.template, Group: k.group, Part: k.part, Personal: k.personal,
			Rules: map[string]int{},
		}
		if s.tight {
			d.Keys.shrink(minKeys)
		}
		s.Digests = slices.Insert(s.Digests, i, d)
		s.used += d.size()
	}
	return s.Digests[i]
}

// change runs f on the digest and keeps the account of its size; an empty
// digest ends.
func (s *State) change(d *Digest, f func()) {
	s.used -= d.size()
	f()
	if d.Events > 0 {
		s.used += d.size()
		return
	}
	if i, ok := s.find(d.key()); ok && s.Digests[i] == d {
		s.Digests = slices.Delete(s.Digests, i, i+1)
	}
}

// Want lets a digest go with the next send that is left, whatever it is worth.
// Quiet hours, mutes and pauses still hold it.
func (s *State) Want(d *Digest, who string, now time.Time) {
	s.change(d, func() { d.Wanted, d.WantedAt = who, now })
}

// Mute adds a mute, and gives it its id.
func (s *State) Mute(m Mute) Mute {
	m.ID = s.newID()
	s.Mutes = append(s.Mutes, m)
	return m
}

// Muting lists the mutes that have not run out.
func (s *State) Muting(now time.Time) []Mute {
	return slices.DeleteFunc(slices.Clone(s.Mutes), func(m Mute) bool { return !m.Until.After(now) })
}

// mutes are those of a status.
func (s *State) mutes(app *mapping.App, now time.Time) []Mute {
	mutes := s.Muting(now)
	for i := range mutes {
		m := &mutes[i]
		m.Void = m.Audience != "" && app.Audiences[m.Audience] == nil || m.Template != "" && app.Templates[m.Template] == nil
	}
	return mutes
}

// VoidMutes are those that mute nothing, since the rules do not have what they
// name: it was renamed, say, and the same people are addressed all the same.
func (s *State) VoidMutes(app *mapping.App, now time.Time) []Mute {
	return slices.DeleteFunc(s.mutes(app, now), func(m Mute) bool { return !m.Void })
}

// Unmute ends a mute.
func (s *State) Unmute(id string) bool {
	n := len(s.Mutes)
	s.Mutes = slices.DeleteFunc(s.Mutes, func(m Mute) bool { return m.ID == id })
	return len(s.Mutes) < n
}

// MutedUntil says whether and how long a digest is muted.
func (s *State) MutedUntil(d *Digest, now time.Time) (until time.Time, muted bool) {
	for _, m := range s.Mutes {
		if (m.Audience == "" || m.Audience == d.Audience) && (m.Template == "" || m.Template == d.Template) && m.Until.After(now) {
			until, muted = later(until, m.Until), true
		}
	}
	return until, muted
}

// Waiting is how many items wait in digests, are being sent or are in doubt.
func (s *State) Waiting() int {
	n := 0
	for _, d := range s.Digests {
		n += d.Events
	}
	for _, b := range s.underWay() {
		n += b.Digest.Events
	}
	return n
}

func keepOf(app *mapping.App, template string) int {
	if t := app.Templates[template]; t != nil {
		return max(1, t.Keep)
	}
	return 1000 // the template may come back: what its items say is not to be lost meanwhile
}
