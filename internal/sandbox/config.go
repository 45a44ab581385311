package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"
)

// Config is how strictly and by which reading the sandbox behaves. The zero
// value of every field is the simulator default of section 12 of the provider
// reference, so that only Apps is required. Row numbers are section 12's.
type Config struct {
	// Apps are the App Keys and their App Secrets.
	Apps map[string]string `json:"apps"`
	// LockedApps are App Keys that are locked or deleted: 401, code 1006.
	LockedApps []string `json:"locked_apps"`
	// ServiceDisabled switches the Broadcast Service off: 430, code 1009 (row 17).
	ServiceDisabled bool `json:"service_disabled"`
	// DenyIP answers every call with 403, code 1007 (row 24).
	DenyIP bool `json:"deny_ip"`

	// Senders are the users that obtained a token; empty: everybody did.
	// Others get 400, code 400 (row 6).
	Senders []string `json:"senders"`
	// Packages are the known package names; empty: all are known.
	Packages []string `json:"packages"`
	// RejectUnknownPackage answers 400, code 1002 to a package that is not
	// in Packages, instead of success that reaches nobody (row 5).
	RejectUnknownPackage bool `json:"reject_unknown_package"`
	// IsToAll is the spelling that is read (row 1); a missing flag in that
	// spelling is 400, code 1002 (row 2).
	IsToAll Spelling `json:"is_to_all"`
	// AllowNoCriterion accepts isToAll false without any criterion, which
	// reaches nobody, instead of 400, code 1002 (row 3).
	AllowNoCriterion bool `json:"allow_no_criterion"`
	// CaseSensitivePlatforms accepts only ios, android and harmonyOS as the
	// examples and the settings spell them (row 4).
	CaseSensitivePlatforms bool `json:"case_sensitive_platforms"`
	// MaxContent bounds message.content in bytes; 131,072 (row 7).
	MaxContent int `json:"max_content"`
	// ModeratedWords make a message reach nobody although it is answered
	// with code 0 (row 23).
	ModeratedWords []string `json:"moderated_words"`

	// ClockTolerance is how far a timestamp may be off; 300 s (row 8).
	ClockTolerance time.Duration `json:"-"`
	// AcceptSeconds also takes timestamps in seconds, of 10 digits (row 8).
	AcceptSeconds bool `json:"accept_seconds"`
	// AcceptLongNonce takes nonces over the documented 18 characters.
	AcceptLongNonce bool `json:"accept_long_nonce"`
	// RejectReplay refuses a nonce that was seen before: 401, code 1004 (row 9).
	RejectReplay bool `json:"reject_replay"`

	Quota Quota `json:"-"`
	// RecallQuota is of the recall endpoint, which has its own counter
	// unless Quota.Shared is set.
	RecallQuota Quota `json:"-"`

	// Latency delays every answer.
	Latency time.Duration `json:"-"`
	// RetryAfter adds the header to answers of the limiter, with the seconds
	// until it has room (row 15).
	RetryAfter bool `json:"retry_after"`
	// Webhook, if set, receives a signed message:send event for every
	// broadcast (row 20). See webhook.go.
	Webhook *url.URL `json:"-"`

	Clock  func() time.Time `json:"-"` // time.Now
	Logger *slog.Logger     `json:"-"` // nothing is logged without one
}

// Spelling is how the flag for a broadcast to everyone is spelled.
type Spelling string

// The readings of section 3.3.
const (
	CamelCase      Spelling = "isToAll"   // the parameter table; the default
	SnakeCase      Spelling = "is_to_all" // the published example
	EitherSpelling Spelling = "either"
)

// Quota is what the limiter allows per App Key.
type Quota struct {
	PerHour int `json:"per_hour"` // 2; negative: no limit
	PerDay  int `json:"per_day"`  // 3; negative: no limit
	// ClockHour counts from the full hour instead of the last 60 minutes (row 11).
	ClockHour bool `json:"clock_hour"`
	// DayZone is where the calendar day begins at midnight; UTC+8 (row 12).
	DayZone *time.Location `json:"-"`
	// Shared lets recalls count against the broadcasts' quota (row 13).
	// Only read in Config.Quota.
	Shared bool `json:"shared"`
	// UncountRejected leaves calls that were refused out of the count (row 14).
	UncountRejected bool `json:"uncount_rejected"`
}

const (
	defaultMaxContent     = 131_072
	defaultClockTolerance = 300 * time.Second
	webhookTimeout        = 5 * time.Second
)

func (c *Config) setDefaults() error {
	if len(c.Apps) == 0 {
		return errors.New("cannot simulate without an App Key and its App Secret")
	}
	switch c.IsToAll {
	case "":
		c.IsToAll = CamelCase
	case CamelCase, SnakeCase, EitherSpelling:
	default:
		return fmt.Errorf("cannot read isToAll as %q: want isToAll, is_to_all or either", c.IsToAll)
	}
	c.MaxContent = cmp.Or(max(0, c.MaxContent), defaultMaxContent)
	c.ClockTolerance = cmp.Or(max(0, c.ClockTolerance), defaultClockTolerance)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	if c.Clock == nil {
		c.Clock = time.Now
	}
	c.Quota.setDefaults()
	c.RecallQuota.setDefaults()
	return nil
}

func (q *Quota) setDefaults() {
	q.PerHour, q.PerDay = cmp.Or(q.PerHour, 2), cmp.Or(q.PerDay, 3)
	q.DayZone = cmp.Or(q.DayZone, time.FixedZone("UTC+8", 8*60*60))
}
