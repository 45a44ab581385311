package main

import (
	"strings"
	"testing"

	"github.com/belfry-bridge/belfry/bridge"
)

func TestADryRunDoesEverythingButSend(t *testing.T) {
	provider, natsURL, nc, js := startSchool(t)
	results := follow(t, nc)
	rules := writeFile(t, "rules.yaml", e2eRules)
	_, dryPage := startBelfry(t, provider, natsURL, rules, "--name", "dry", "--dry-run")
	lesson(t, js, 7, "Maths", 30)
	eventually(t, "the dry run has a result", func() bool { return len(results()) == 1 })
	r := results()[0]
	if r.State != bridge.ResultDryRun || r.App != "campus~dry" || r.Audience != "students" || r.Items != 1 || r.RequestHash == "" || r.ProviderID != "" {
		t.Errorf("result %+v; want a dry run's", r)
	}
	if r.Quota[0].Used != 1 {
		t.Errorf("quota %+v; want the send to count, so that the plan is a real one's", r.Quota)
	}
	if n := len(provider.Requests()); n != 0 {
		t.Fatalf("the provider got %d requests of a dry run", n)
	}
	eventually(t, "its counters say so", func() bool {
		s := overviewOf(t, dryPage)
		return s.App == "campus~dry" && s.Counts.DryRun == 1 && s.Counts.Sent == 0 && s.Waiting == 0
	})

	_, page := startBelfry(t, provider, natsURL, rules, "--name", "real")
	eventually(t, "the real one sends the same event", func() bool { return len(provider.Broadcasts()) == 1 && len(results()) == 2 })
	if last := results()[1]; last.State != bridge.ResultSent || last.App != "campus" || last.Quota[0].Used != 1 {
		t.Errorf("result %+v; want the real quota to know of one send", last)
	}
	eventually(t, "the real counters know of one send", func() bool {
		s := overviewOf(t, page)
		return s.App == "campus" && s.Counts.Sent == 1 && s.Counts.DryRun == 0
	})
	if code, out, errs := cli(t, "reconcile", "--nats", natsURL, "--strict"); code != exitOK || !strings.Contains(out, "app campus~dry") {
		t.Errorf("reconcile of both: exit %d\n%s%s", code, out, errs)
	}
	if code, out, errs := cli(t, "pause", "--why", "test", "--nats", natsURL); code != exitOK || overviewOf(t, dryPage).Paused != nil {
		t.Errorf("an order without --app: exit %d, %s%s; want it to go to the real app", code, out, errs)
	}
}
