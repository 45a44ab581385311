package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/belfry-bridge/belfry/bridge"
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
