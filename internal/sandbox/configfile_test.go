package sandbox_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/belfry-bridge/belfry/internal/sandbox"
)

const everySwitch = `{
 "apps": {"a": "b"}, "locked_apps": ["c"], "service_disabled": true, "deny_ip": true,
 "senders": ["ops"], "packages": ["p"], "reject_unknown_package": true, "is_to_all": "either",
 "allow_no_criterion": true, "case_sensitive_platforms": true, "max_content": 5, "moderated_words": ["w"],
 "clock_tolerance": "10s", "accept_seconds": true, "accept_long_nonce": true, "reject_replay": true,
 "quota": {"per_hour": 1, "per_day": 2, "clock_hour": true, "day_zone": "Asia/Singapore", "shared": true, "uncount_rejected": true},
 "recall_quota": {"per_hour": 3, "per_day": 4, "clock_hour": true, "day_zone": "UTC", "shared": true, "uncount_rejected": true},
 "latency": "1s", "retry_after": true, "webhook": "https://hook.example/"
}`

func TestEverySwitchCanBeSetFromAFile(t *testing.T) {
	cfg, err := sandbox.ReadConfig(strings.NewReader(everySwitch))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []any{cfg, cfg.Quota, cfg.RecallQuota} {
		v := reflect.ValueOf(x)
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if v.Field(i).IsZero() && !slices.Contains([]string{"Clock", "Logger"}, name) {
				t.Errorf("%s.%s cannot be set", v.Type().Name(), name)
			}
		}
	}
	if cfg.Quota.DayZone.String() != "Asia/Singapore" || cfg.RecallQuota.PerDay != 4 || cfg.ClockTolerance.String() != "10s" {
		t.Errorf("it was read as %+v", cfg)
	}
}

func TestAFileOfSwitchesIsReadStrictly(t *testing.T) {
	for text, want := range map[string]string{
		``:                                       "it is empty",
		`[]`:                                     "cannot be a list",
		`{"colour": 1}`:                          "colour",
		`{"apps": {}} {}`:                        "more follows",
		`{"clock_tolerance": 5}`:                 "clock_tolerance",
		`{"latency": "soon"}`:                    "soon",
		`{"quota": {"day_zone": "Moon/Crater"}}`: "Moon/Crater",
		`{"webhook": "mailto:x"}`:                "webhook",
	} {
		if _, err := sandbox.ReadConfig(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), "cannot ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that names %q", text, err, want)
		}
	}
}
