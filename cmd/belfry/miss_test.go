package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/belfry-bridge/belfry/bridge"
)

func TestADigestThatWillMissItsTimeIsToldOfOnceBeforeItExpires(t *testing.T) {
	t.Parallel()
	provider, natsURL, nc, js := startSchool(t)
	results := followAll(t, nc)
	rules := writeFile(t, "rules.yaml", strings.Replace(e2eRules, "expires_after: 1h", "expires_after: 3s", 1))
	daemon, page := startBelfry(t, provider, natsURL, rules)
	for _, id := range []string{"x1", "x2", "x3"} { // all of the day's
		if code, out, errs := cli(t, "quota", "spend", "--why", "a campaign", "--id", id, "--nats", natsURL); code != exitOK {
			t.Fatalf("quota spend: exit %d, %s%s", code, out, errs)
		}
	}

	lesson(t, js, 7, "Maths", 30)
	lesson(t, js, 8, "Music", 30)
	of := func(state bridge.ResultState) (found []bridge.Result) {
		for _, r := range results() {
			if r.State == state {
				found = append(found, r)
			}
		}
		return found
	}
	items := func() (n int) {
		for _, r := range of(bridge.ResultExpired) {
			n += r.Items
		}
		return n
	}
	eventually(t, "both items have expired", func() bool { return items() == 2 })

	missed := of(bridge.ResultWillMiss)
	if len(missed) != 1 {
		t.Fatalf("%d warnings, want one for the digest: %+v", len(missed), missed)
	}
	w := missed[0]
	if w.Audience != "students" || w.Template != "lessons" || w.Digest == "" || w.Package != "com.example.student" || len(w.EventIDs) == 0 ||
		!strings.HasPrefix(w.Reason, "the next send is free ") {
		t.Errorf("the warning is %+v", w)
	}
	all := results()
	index := func(state bridge.ResultState) int {
		return slices.IndexFunc(all, func(r bridge.Result) bool { return r.State == state })
	}
	if index(bridge.ResultWillMiss) > index(bridge.ResultExpired) {
		t.Errorf("the warning came after the end: %+v", all)
	}
	for _, r := range of(bridge.ResultExpired) {
		if r.Digest != w.Digest {
			t.Errorf("digest %s has expired, and the warning was of %s", r.Digest, w.Digest)
		}
	}
	if n := len(provider.Requests()); n != 0 {
		t.Errorf("the provider got %d requests without a send left", n)
	}
	eventually(t, "the daemon counts both", func() bool {
		s := overviewOf(t, page)
		return s.Waiting == 0 && s.Counts.Expired == 2
	})
	if log := daemon.log.String(); !strings.Contains(log, "a digest will not leave before its first item expires") || strings.Contains(log, `"why":"will_miss"`) {
		t.Errorf("the log does not say it: %s", log)
	}
}
