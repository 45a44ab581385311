package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"
)

// configFile is Config as a person writes it: the same switches, with
// durations, the zone and the webhook as text.
type configFile struct {
	Apps                   map[string]string `json:"apps"`
	LockedApps             []string          `json:"locked_apps"`
	ServiceDisabled        bool              `json:"service_disabled"`
	DenyIP                 bool              `json:"deny_ip"`
	Senders                []string          `json:"senders"`
	Packages               []string          `json:"packages"`
	RejectUnknownPackage   bool              `json:"reject_unknown_package"`
	IsToAll                Spelling          `json:"is_to_all"`
	AllowNoCriterion       bool              `json:"allow_no_criterion"`
	CaseSensitivePlatforms bool              `json:"case_sensitive_platforms"`
	MaxContent             int               `json:"max_content"`
	ModeratedWords         []string          `json:"moderated_words"`
	ClockTolerance         Duration          `json:"clock_tolerance"`
	AcceptSeconds          bool              `json:"accept_seconds"`
	AcceptLongNonce        bool              `json:"accept_long_nonce"`
	RejectReplay           bool              `json:"reject_replay"`
	Quota                  quotaFile         `json:"quota"`
	RecallQuota            quotaFile         `json:"recall_quota"`
	Latency                Duration          `json:"latency"`
	RetryAfter             bool              `json:"retry_after"`
	Webhook                string            `json:"webhook"`
}

type quotaFile struct {
	PerHour         int    `json:"per_hour"`
	PerDay          int    `json:"per_day"`
	ClockHour       bool   `json:"clock_hour"`
	DayZone         string `json:"day_zone"` // a name of the time zone database
	Shared          bool   `json:"shared"`
	UncountRejected bool   `json:"uncount_rejected"`
}

// ReadConfig reads the switches from a JSON object whose keys are the names
// of Config's fields in snake case. Unknown keys are errors. Clock, Logger and
// HTTP cannot be set this way.
func ReadConfig(r io.Reader) (Config, error) {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	var f configFile
	if err := dec.Decode(&f); err != nil {
		return Config{}, fmt.Errorf("cannot read the sandbox's switches: %w", err)
	}
	if dec.More() {
		return Config{}, errors.New("cannot read the sandbox's switches: more follows the object")
	}
	cfg := Config{
		Apps: f.Apps, LockedApps: f.LockedApps, ServiceDisabled: f.ServiceDisabled, DenyIP: f.DenyIP,
		Senders: f.Senders, Packages: f.Packages, RejectUnknownPackage: f.RejectUnknownPackage,
		IsToAll: f.IsToAll, AllowNoCriterion: f.AllowNoCriterion, CaseSensitivePlatforms: f.CaseSensitivePlatforms,
		MaxContent: f.MaxContent, ModeratedWords: f.ModeratedWords,
		ClockTolerance: time.Duration(f.ClockTolerance), AcceptSeconds: f.AcceptSeconds,
		AcceptLongNonce: f.AcceptLongNonce, RejectReplay: f.RejectReplay,
		Latency: time.Duration(f.Latency), RetryAfter: f.RetryAfter,
	}
	var errs [3]error
	cfg.Quota, errs[0] = f.Quota.read()
	cfg.RecallQuota, errs[1] = f.RecallQuota.read()
	cfg.Webhook, errs[2] = readWebhook(f.Webhook)
	return cfg, errors.Join(errs[:]...)
}

func (f quotaFile) read() (Quota, error) {
	q := Quota{PerHour: f.PerHour, PerDay: f.PerDay, ClockHour: f.ClockHour, Shared: f.Shared, UncountRejected: f.UncountRejected}
	if f.DayZone == "" {
		return q, nil
	}
	zone, err := time.LoadLocation(f.DayZone)
	if err != nil {
		return q, fmt.Errorf("cannot use day_zone %q: %w", f.DayZone, err)
	}
	q.DayZone = zone
	return q, nil
}

func readWebhook(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no webhook is the default
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("cannot use webhook: want an http or https URL")
	}
	return u, nil
}
