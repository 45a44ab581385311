package sandbox

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"
)

// configFile is Config as a person writes it: the same switches, with
// durations, the zone and the webhook as text.
type configFile struct {
	Config
	ClockTolerance Duration  `json:"clock_tolerance"`
	Quota          quotaFile `json:"quota"`
	RecallQuota    quotaFile `json:"recall_quota"`
	Latency        Duration  `json:"latency"`
	Webhook        string    `json:"webhook"`
}

type quotaFile struct {
	Quota
	DayZone string `json:"day_zone"` // a name of the time zone database
}

// ReadConfig reads the switches from a JSON object whose keys are the names
// of Config's fields in snake case. Unknown keys are errors. Clock and
// Logger cannot be set this way.
func ReadConfig(r io.Reader) (Config, error) {
	var f configFile
	if err := readJSON(r, &f); err != nil {
		return Config{}, fmt.Errorf("cannot read the sandbox's switches: %w", err)
	}
	cfg := f.Config
	cfg.ClockTolerance, cfg.Latency = time.Duration(f.ClockTolerance), time.Duration(f.Latency)
	var errs [3]error
	cfg.Quota, errs[0] = f.Quota.read()
	cfg.RecallQuota, errs[1] = f.RecallQuota.read()
	cfg.Webhook, errs[2] = readWebhook(f.Webhook)
	return cfg, errors.Join(errs[:]...)
}

func (f quotaFile) read() (Quota, error) {
	q := f.Quota
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
