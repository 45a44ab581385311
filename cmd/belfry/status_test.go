package main

import (
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

// What --json has is in the text too, if there is any of it.
func TestStatusTellsInWordsWhatIsWrongWithAnApp(t *testing.T) {
	s := bridge.Status{App: "campus", Role: bridge.RoleOwner, CaughtUp: true, At: time.Now()}
	until := time.Date(2026, 11, 2, 15, 4, 5, 0, time.UTC)
	text := func() string {
		var out strings.Builder
		printApp(&out, s, until, " --nats nats://n1:4222")
		return out.String()
	}
	quiet := text()
	for _, not := range []string{"gaps", "letters  ", "orphaned", "overflow", "failing", "muted  ", "IN DOUBT", "dry run", "THROTTLED", "CANNOT SEND"} {
		if strings.Contains(quiet, not) {
			t.Errorf("nothing is wrong, and it says %q:\n%s", not, quiet)
		}
	}
	s.Counts = bridge.Counts{Read: 9, Matched: 7, Unmatched: 1, Dead: 1, DeadLetters: 3, Items: 7, Gaps: 1, Overflowed: 1}
	s.Digests = []bridge.DigestStatus{
		{Explanation: bridge.Explanation{State: bridge.StateOrphaned}, Events: 3},
		{Explanation: bridge.Explanation{State: bridge.StateHeld}, Events: 4},
	}
	s.Failed = map[string]int{"moved": 1}
	s.InDoubt = []bridge.BroadcastStatus{{ID: "b3", Audience: "parents", Template: "trips", Group: "north", Count: 2, Started: until, Message: "no answer"}}
	s.Backoff = &bridge.Backoff{Since: until, Until: s.At.Add(time.Hour), Times: 2, Throttled: true, Why: "rate limit exceeded"}
	s.Mutes = []bridge.Mute{{ID: "m7", Audience: "parents", Until: until, Why: "by Ann: a move"}}
	loud := text()
	for _, want := range []string{
		"1 dead letter\n", "letters   3 dead letters in all (belfry deadletter list --app campus --nats nats://n1:4222)\n", "gaps      1: events were lost", "overflow  1 item found no room", "rule moved: an expression failed on 1 event\n",
		"m7: audience parents until " + until.Local().Format("2006-01-02 15:04:05 MST") + ", by Ann: a move (belfry unmute m7 --app campus --nats nats://n1:4222)",
		"IN DOUBT  b3, parents / trips / north, 2 items, since ", "belfry resolve b3 --not-sent --nats nats://n1:4222\n",
		"THROTTLED 2 times since " + until.Local().Format("2006-01-02 15:04:05 MST") + "; nothing is sent before ", "rate limit exceeded\n            somebody else sends with the same App Key",
		"digests   2, 1 of them orphaned with 3 events: the rules no longer have its audience or template",
	} {
		if !strings.Contains(loud, want) {
			t.Errorf("it lacks %q:\n%s", want, loud)
		}
	}
	for read, want := range map[time.Time]string{
		until.Add(time.Second):  "  failing   rule moved: an expression failed on 1 event, the last at ",
		until.Add(-time.Second): ", before the rules in force were loaded: when: no such key (",
	} {
		s.FailedOn = map[string]bridge.FailedEvent{"moved": {Stream: "SCHOOL", Sequence: 3, At: until.Add(-time.Hour), Read: read, Part: "when", Error: "no such key"}}
		if got := text(); !strings.Contains(got, want) || strings.Contains(got, "before the rules") != read.Before(until) {
			t.Errorf("a rule that failed at %s, under rules of %s:\n%s", read, until, got)
		}
	}
	s.Backoff.Throttled = false
	if got := text(); !strings.Contains(got, "CANNOT SEND 2 times since ") || strings.Contains(got, "THROTTLED") {
		t.Errorf("a provider that is out of reach:\n%s", got)
	}
	s.Mutes[0].Void = true
	if got := text(); !strings.Contains(got, "m7: audience parents (which the rules do not have: NOTHING IS MUTED) until ") {
		t.Errorf("a mute of what was renamed:\n%s", got)
	}
	s.App, s.Counts.DryRun = "campus"+dryRunSuffix, 1
	if got := text(); !strings.Contains(got, "1 item would have been sent") {
		t.Errorf("a dry run says\n%s", got)
	}
}

func TestAProposedCommandSaysWhereToAndKeepsPasswords(t *testing.T) {
	for want, o := range map[string]natsOptions{
		"":                                  {},
		" --nats nats://n1:4222,n2:4222":    {url: "nats://ann:s3cret@n1:4222, n2:4222"},
		" --nats nats://n1 --nats-user ann": {url: "ann:s3cret@n1", user: "ann", password: "s3cret"},
		" --nats-creds 'my creds' --nats-password-file /run/p": {creds: "my creds", passwordFile: "/run/p"},
	} {
		if got := o.again(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestDigestsShowWhatIsOnItsWay(t *testing.T) {
	s := bridge.Status{App: "campus", Role: bridge.RoleOwner}
	text := func() string {
		var out strings.Builder
		printDigests(&out, s)
		return out.String()
	}
	if got := text(); !strings.Contains(got, "no digests; nothing waits") {
		t.Errorf("without any: %s", got)
	}
	s.Waiting = 300 // and what holds them was left out
	if got := text(); strings.Contains(got, "nothing waits") || !strings.Contains(got, "300 items wait, whose digests had no room") {
		t.Errorf("without room for them: %s", got)
	}
	s.Sending = &bridge.BroadcastStatus{ID: "b7", Audience: "parents", Template: "trips", Texts: []string{"Zoo"}}
	if got := text(); !strings.Contains(got, "b7  parents / trips  being sent since") || !strings.Contains(got, "• Zoo") || strings.Contains(got, "nothing waits") {
		t.Errorf("with one under way: %s", got)
	}
}

func TestDigestsNameTheOneThatWillMissItsTime(t *testing.T) {
	s := bridge.Status{App: "campus", Role: bridge.RoleOwner}
	for id, state := range map[string]string{"d1": bridge.StateHeld, "d2": bridge.StateMuted} {
		s.Digests = append(s.Digests, bridge.DigestStatus{Explanation: bridge.Explanation{Digest: id, State: state, Why: "of " + id}, WillMiss: true})
	}
	var out strings.Builder
	printDigests(&out, s)
	if text := out.String(); !strings.Contains(text, "  WILL NOT LEAVE before its first item expires. of d1\n") || !strings.Contains(text, "  of d2\n") {
		t.Errorf("it says\n%s", text)
	}
}

func TestDigestsOfSeveralAppsAreToldApart(t *testing.T) {
	app := func(name string) bridge.Status {
		return bridge.Status{App: name, Role: bridge.RoleOwner, Digests: []bridge.DigestStatus{{Explanation: bridge.Explanation{Digest: name + "-1"}}}}
	}
	for want, apps := range map[string][]bridge.Status{"app campus\ncampus-1 ": {app("campus"), app("club")}, "campus-1 ": {app("campus")}} {
		var out strings.Builder
		printAllDigests(&out, apps)
		if !strings.HasPrefix(out.String(), want) {
			t.Errorf("of %d apps: %s", len(apps), out.String())
		}
	}
}

func TestStatusTellsOfReplicasWithDifferentRules(t *testing.T) {
	app := "campus"
	text := func(versions ...string) string {
		var all []bridge.Overview
		for i, v := range versions {
			o := bridge.Overview{Name: string(rune('a' + i)), Rules: bridge.RulesStatus{File: "rules.yaml", Version: v}, Apps: []bridge.Status{{App: "campus"}}}
			if i == len(versions)-1 {
				o.Apps[0].App = app
			}
			all = append(all, o)
		}
		var out strings.Builder
		printStatus(&out, all, "")
		return out.String()
	}
	for _, same := range [][]string{{}, {"1"}, {"1", "1"}, {"1", ""}} {
		if got := text(same...); strings.Contains(got, "DIFFER") {
			t.Errorf("%q: it says\n%s", same, got)
		}
	}
	if got := text("1", "1", "2"); !strings.Contains(got, "RULES DIFFER between replicas") || !strings.Contains(got, "replica c\trules.yaml, version 2, ") {
		t.Errorf("it says\n%s", got)
	}
	app = "campus" + dryRunSuffix
	if got := text("1", "1", "2"); strings.Contains(got, "DIFFER") {
		t.Errorf("of a dry run of other rules it says\n%s", got)
	}
}

func TestStatusTellsWhichReplicaHasAnotherBuild(t *testing.T) {
	text := func(app string, builds ...string) string {
		var all []bridge.Overview
		for i, v := range builds {
			all = append(all, bridge.Overview{Name: string(rune('a' + i)), Version: v, Apps: []bridge.Status{{App: "campus"}}})
		}
		all[len(all)-1].Apps[0].App = app
		var out strings.Builder
		printStatus(&out, all, "")
		return out.String()
	}
	if got := text("campus", "v1", "v1"); strings.Contains(got, "DIFFER") {
		t.Errorf("of the same build it says\n%s", got)
	}
	if got := text("campus", "v1", "v1", "v2"); !strings.Contains(got, "BUILDS DIFFER between replicas") || !strings.Contains(got, "replica c\tv2\n") {
		t.Errorf("it says\n%s", got)
	}
	if got := text("campus"+dryRunSuffix, "v1", "v2"); strings.Contains(got, "DIFFER") {
		t.Errorf("of a dry run of another build it says\n%s", got)
	}
}

func TestDigestsOfNoAppAreAListToPrograms(t *testing.T) {
	var out strings.Builder
	if err := printJSON(&out, owned([]bridge.Overview{{Name: "waits for its streams"}})); err != nil || out.String() != "[]\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
