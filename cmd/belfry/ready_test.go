package main

import (
	"testing"

	"github.com/belfry-bridge/belfry/bridge"
)

func TestAReplicaIsReadyAsLongAsItCanDoAnythingForOneOfItsApps(t *testing.T) {
	apps := []bridge.Status{{App: "campus", Role: bridge.RoleOwner}, {App: "annex", Role: bridge.RoleStandby}}
	for name, tt := range map[string]struct {
		conditions []bridge.Condition
		apps       []bridge.Status
		want       bool
	}{
		"no trouble":               {nil, apps, true},
		"no apps":                  {nil, nil, true},
		"one app cannot be stored": {[]bridge.Condition{{Name: "state.unreachable", About: "campus"}}, apps, true},
		"none can":                 {[]bridge.Condition{{Name: "state.unreachable", About: "campus"}, {Name: "lease.unavailable", About: "annex"}}, apps, false},
		"the only one is corrupt":  {[]bridge.Condition{{Name: "state.corrupt", About: "campus"}}, apps[:1], false},
		"new rules are refused, and old ones go on": {[]bridge.Condition{{Name: "provider.unusable", About: "campus"}}, apps[:1], true},
		"the rules are refused at the start":        {[]bridge.Condition{{Name: "provider.unusable", About: "annex"}}, apps[1:], false},
		"trouble of the stream of events":           {[]bridge.Condition{{Name: "stream.missing", About: "campus"}}, apps[:1], true},
	} {
		if got := canWork(&bridge.Overview{Conditions: tt.conditions, Apps: tt.apps}); got != tt.want {
			t.Errorf("%s: ready %v, want %v", name, got, tt.want)
		}
	}
}
