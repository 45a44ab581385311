package contract_test

import (
	"log/slog"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/stream"
	"github.com/belfry-bridge/belfry/mapping"
)

func guide(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/results.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheGuideListsEveryStateWithItsTypeAndWhetherItIsFinal(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| `(dev\\.[^`]+)` \\| .* \\| ?(yes|no|) ?\\|$").FindAllStringSubmatch(guide(t), -1)
	states := bridge.ResultStates()
	if len(rows) != len(states) {
		t.Fatalf("%d rows for %d states", len(rows), len(states))
	}
	for i, state := range states {
		if row := rows[i]; row[1] != string(state) || row[2] != state.Type() || (row[3] == "yes") != state.Final() {
			t.Errorf("row %d is %v, want %s, %s, final: %v", i, row[1:], state, state.Type(), state.Final())
		}
	}
}

func TestTheGuideExplainsEveryPropertyOfAResult(t *testing.T) {
	text := guide(t)
	table := text[strings.Index(text, "## The data"):strings.Index(text, "## Read them")]
	for _, of := range []reflect.Type{reflect.TypeFor[bridge.Result](), reflect.TypeFor[bridge.ResultTimes]()} {
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if name != "gap" && !strings.Contains(table, "`"+name+"`") {
				t.Errorf("the property %q of %s is not explained", name, of.Name())
			}
		}
	}
}

func TestTheGuideExplainsEveryHeaderOfADeadLetter(t *testing.T) {
	text := guide(t)
	table := text[strings.Index(text, "## Dead letters"):]
	m := &mapping.Message{Header: map[string][]string{"x\x7f": {"1"}, "Belfry-Replay-Of": {"dl-1"}}}
	d := bridge.DeadLetter{Rule: "fees-due"}
	for _, p := range []bridge.Publication{d.Publication("dl-2", m, ""), d.Publication("dl-2", nil, "gone")} {
		for name := range p.Header {
			if !strings.Contains(table, "`"+name+"`") {
				t.Errorf("the header %s is not explained", name)
			}
		}
	}
}

// The nats tool's subscriptions of the guide are tried with the client
// library that the tool is made of.
func TestTheGuidesSubscriptionsGetTheResultsThatTheyAreFor(t *testing.T) {
	server, err := stream.StartEmbedded(t.Context(), stream.EmbeddedOptions{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	nc, err := nats.Connect(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	want := map[string]int{
		"belfry.result.>": len(bridge.ResultStates()), "belfry.result.*.*.sent": 1,
		"belfry.result.*.*.in_doubt": 1, "belfry.result.*._.blocked": 1,
	}
	commands := regexp.MustCompile(`(?m)^nats sub (?:--all )?'([^']+)'$`).FindAllStringSubmatch(guide(t), -1)
	subs := map[string]*nats.Subscription{}
	for _, c := range commands {
		if subs[c[1]], err = nc.SubscribeSync(c[1]); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range examples() {
		p, err := r.Publication(exampleID(&r))
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.Publish(p.Subject, p.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.FlushTimeout(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	for subject, n := range want {
		if subs[subject] == nil {
			t.Errorf("the guide has no subscription to %s", subject)
			continue
		}
		if got, _, err := subs[subject].Pending(); err != nil || got != n {
			t.Errorf("%s gets %d results, want %d (%v)", subject, got, n, err)
		}
	}
	if len(subs) != len(want) {
		t.Errorf("the guide subscribes to %d subjects, of which %d are tried", len(subs), len(want))
	}
}
