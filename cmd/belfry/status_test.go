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
	text := func() string {
		var out strings.Builder
		printApp(&out, s)
		return out.String()
	}
	quiet := text()
	for _, not := range []string{"gaps", "orphaned", "overflow", "failing", "muted  ", "IN DOUBT", "dry run"} {
		if strings.Contains(quiet, not) {
			t.Errorf("nothing is wrong, and it says %q:\n%s", not, quiet)
		}
	}
	until := time.Date(2026, 11, 2, 15, 4, 5, 0, time.UTC)
	s.Counts = bridge.Counts{Read: 9, Matched: 7, Unmatched: 1, Dead: 1, Items: 7, Gaps: 1, Overflowed: 1}
	s.Digests = []bridge.DigestStatus{
		{Explanation: bridge.Explanation{State: bridge.StateOrphaned}, Events: 3},
		{Explanation: bridge.Explanation{State: bridge.StateHeld}, Events: 4},
	}
	s.Failed = map[string]int{"moved": 1}
	s.Mutes = []bridge.Mute{{ID: "m7", Audience: "parents", Until: until, Why: "by Ann: a move"}}
	loud := text()
	for _, want := range []string{
		"1 dead letter\n", "gaps      1: events were lost", "overflow  1 item found no room", "rule moved: an expression failed on 1 event\n",
		"m7: audience parents until " + until.Local().Format("2006-01-02 15:04:05 MST") + ", by Ann: a move",
		"digests   2, 1 of them orphaned with 3 events: the rules no longer have its audience or template",
	} {
		if !strings.Contains(loud, want) {
			t.Errorf("it lacks %q:\n%s", want, loud)
		}
	}
	s.App, s.Counts.DryRun = "campus"+dryRunSuffix, 1
	if got := text(); !strings.Contains(got, "1 item would have been sent") {
		t.Errorf("a dry run says\n%s", got)
	}
}
