package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/impact"
	"github.com/belfry-bridge/belfry/internal/sandbox"
	"github.com/belfry-bridge/belfry/internal/simulate"
	"github.com/belfry-bridge/belfry/mapping"
)

func TestTextsOfOthersCannotForgeLinesOrColours(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain, 日本語 and é 👩‍🏫":       "plain, 日本語 and é 👩‍🏫",
		"red \x1b[31m":               `red \u001b[31m`,
		"two\nlines\r\x00":           `two\nlines\u000d\u0000`,
		"turned \u202e round \u2066": `turned \u202e round \u2066`,
		"\u009b31m":                  `\u009b31m`,
	} {
		if got := printable(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
	all := []bridge.Overview{{
		Conditions: []bridge.Condition{{Message: "a\nb"}},
		Apps: []bridge.Status{{
			Paused: &bridge.Pause{Why: "x\x1b"}, Mutes: []bridge.Mute{{Why: "y\r"}}, Failed: map[string]int{"rule": 1},
			Sources: map[string]bridge.SourceStatus{"S": {}},
		}},
	}}
	makePrintable(&all)
	want := []string{`a\nb`, `x\u001b`, `y\u000d`}
	got := []string{all[0].Conditions[0].Message, all[0].Apps[0].Paused.Why, all[0].Apps[0].Mutes[0].Why}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatAnErrorQuotesMovesNoTerminal(t *testing.T) {
	t.Parallel()
	natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
	nc, _ := connect(t, natsURL)
	_, err := nc.Subscribe("belfry.control.>", func(m *nats.Msg) {
		answer := nats.NewMsg(m.Reply)
		answer.Data = []byte(`{"apps": [{"app": "campus", "role": "owner"}]}`)
		answer.Header.Set(micro.ErrorHeader, "cannot pause: it is paused already by eve: \x1b[2J\u202e")
		_ = m.RespondMsg(answer)
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	code, _, errs := cli(t, "pause", "--why", "x", "--nats", natsURL)
	if code != exitFailed || !strings.HasPrefix(errs, `belfry: cannot pause: it is paused already by eve: \u001b[2J\u202e`+"\n") {
		t.Errorf("exit %d: %q", code, errs)
	}
}

func TestNoVerbPrintsTextsOfOthersAsTheyAre(t *testing.T) {
	t.Parallel()
	const evil = "\x1b[2J\u009b2J\u202e\nforged"
	var out strings.Builder
	printImpacts(&out, []impact.App{{App: "campus", Digests: []impact.Digest{{Audience: "a", Template: "t", Group: evil, Items: 1}}}}, &mapping.RuleSet{})
	printFindings(&out, []finding{{App: "campus", What: "events of " + evil}})
	printReplayed(&out, []replayed{{ID: evil, As: evil}})
	if err := printTrials(&out, false, []simulate.Trial{{Name: "as it is", Notes: []string{evil}}}); err != nil {
		t.Fatal(err)
	}
	show := newShow(&out, false)
	show.digests(bridge.Status{Digests: []bridge.DigestStatus{{Explanation: bridge.Explanation{Why: evil}}}})
	show.result(&nats.Msg{Subject: "belfry.deadletter.undecodable", Header: nats.Header{"Belfry-Error": {evil}}})
	show.broadcasts([]sandbox.Broadcast{{Title: evil}})
	if err := show.summary(bridge.Overview{Apps: []bridge.Status{{Digests: []bridge.DigestStatus{{Explanation: bridge.Explanation{Why: evil}}}}}}, nil); err == nil {
		t.Error("a demo without a broadcast is none")
	}
	rules := writeFile(t, "rules.yaml", strings.NewReplacer("    key: ", "    group_by: event.data.group\n    key: ", `["${PRIMARY}", "${BACKUP}"]`, `["https://api.example.com"]`).Replace(e2eRules))
	history := writeFile(t, "history.jsonl", `{"at":"2026-11-02T09:00:00Z","subject":"school.lesson.cancelled","data":{"lesson_id":"7","notice_minutes":5,"course":"Maths","group":"\u001b[2J\u009b2J\u202e\nforged"}}`)
	code, text, errs := cli(t, "simulate", "--rules", rules, "--events", history, "--no-bound")
	if code != exitOK || !strings.Contains(text, "forged") {
		t.Errorf("exit %d: %s%s", code, text, errs)
	}
	for line := range strings.Lines(out.String() + text) {
		if strings.ContainsAny(line, "\x1b\u009b\u202e") || strings.HasPrefix(line, "forged") {
			t.Errorf("printed as it is: %q", line)
		}
	}
}
