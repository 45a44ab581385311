package main

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/sandbox"
	"github.com/belfry-bridge/belfry/internal/stream"
	"github.com/belfry-bridge/belfry/internal/unnamed"
	"github.com/belfry-bridge/belfry/mapping"
)

// embeddedNATS is a server in this process, for what needs no other.
func embeddedNATS(t *testing.T) (url string) {
	t.Helper()
	embedded, err := stream.StartEmbedded(t.Context(), stream.EmbeddedOptions{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(embedded.Shutdown)
	return embedded.URL()
}

// emptyStates is a stream that has no state yet, and what writes one.
func emptyStates(t *testing.T) (*stream.JetStream, *bridge.Codec) {
	t.Helper()
	nc, _ := connect(t, embeddedNATS(t))
	js, err := stream.New(nc, stream.Config{Replica: "test", Provision: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := js.Provision(t.Context()); err != nil {
		t.Fatal(err)
	}
	codec, err := bridge.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	return js, codec
}

func TestTheStateOfARenamedAppIsFoundUnlessAReplicaRunsIt(t *testing.T) {
	js, codec := emptyStates(t)
	rules := &mapping.RuleSet{Apps: map[string]*mapping.App{"annex": {Name: "annex", Quota: mapping.Quota{PerHour: 2, PerDay: 3}}}}
	now := time.Now().UTC()
	sequences := map[string]uint64{}
	store := func(app string, spends ...string) {
		t.Helper()
		s := bridge.NewState(app, "born")
		s.Epoch, s.Commit = 1, 1
		s.Ledger.External("long-ago", now.Add(-48*time.Hour), "")
		for i, id := range spends {
			s.Ledger.External(id, now.Add(time.Duration(i-10)*time.Hour), "")
		}
		data, err := codec.Encode(s)
		if err == nil {
			sequences[app], err = js.Store(app).Put(t.Context(), data, "test", sequences[app])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	find := func() []unnamed.App {
		t.Helper()
		all, err := findUnnamed(t.Context(), js, rules, func(string) bool { return false }, now)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if all := find(); len(all) > 0 {
		t.Errorf("an empty stream has %+v", all)
	}
	store("annex")
	store("campus"+dryRunSuffix, "born-7")
	store("campus", "born-1", "born-2")
	all := find()
	if len(all) != 1 || all[0].Name != "campus" || len(all[0].Sends) != 2 || !all[0].Until.After(now.Add(15*time.Hour)) {
		t.Fatalf("found %+v, want campus with two sends that count", all)
	}
	store("annex", "born-1", "born-2")
	if all := find(); len(all) != 1 || len(all[0].Sends) != 0 {
		t.Errorf("found %+v although annex was told", all)
	}

	store("annex")
	lease := js.Leases().Lease("campus")
	if _, err := lease.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all := find(); len(all) != 0 {
		t.Errorf("found %+v, which another replica runs", all)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all := find(); len(all) != 1 || len(all[0].Sends) != 2 {
		t.Errorf("found %+v once nobody runs it", all)
	}
}

func TestARenamedAppIsAConditionThatNamesBothAndTheRemedy(t *testing.T) {
	t.Parallel()
	provider, url, _, js := startSchool(t)
	env := rulesEnv(provider)
	rules := writeFile(t, "rules.yaml", e2eRules)
	p, page := startBelfry(t, provider, url, rules)
	lesson(t, js, 7, "Maths", 30)
	eventually(t, "a send is in the ledger", func() bool { s := overviewOf(t, page); return s.Counts.Sent == 1 })

	renamed := strings.ReplaceAll(e2eRules, "campus", "annex")
	code, out, errs := cliIn(t, env, "check", writeFile(t, "rules.yaml", renamed), "--against", url)
	if want := "if campus goes on as annex, tell it of the 1 send"; code != exitOK || !strings.Contains(out, want) {
		t.Errorf("check --against: exit %d, want %q in\n%s%s", code, want, out, errs)
	}

	if err := os.WriteFile(rules, []byte(renamed), 0o600); err != nil {
		t.Fatal(err)
	}
	condition := func(page string) func() bool {
		return func() bool {
			return strings.Contains(unnamedCondition(page, "campus"), "belfry quota spend --app annex")
		}
	}
	eventually(t, "the condition after the reload", condition(page))
	// The same lesson waits again under the new name. Nobody must get it twice.
	eventually(t, "the new name waits for its operator", func() bool {
		s := overviewOf(t, page)
		return s.App == "annex" && s.Paused != nil && strings.Contains(s.Paused.Why, "the state of campus, which has the same App Key")
	})
	if want := "belfry resume --app annex"; !strings.Contains(p.log.String(), want) {
		t.Errorf("the log does not say %q", want)
	}
	if n := strings.Count(p.log.String(), `"condition":"`+string(stream.AppUnnamed)); n != 1 {
		t.Errorf("the log tells of it %d times, want once", n)
	}
	p.kill()
	_, page = startBelfry(t, provider, url, rules)
	eventually(t, "the condition after a restart", condition(page))
	code, out, errs = cliIn(t, env, "check", rules, "--against", url)
	if want := "app campus: unnamed"; code != exitOK || !strings.Contains(out, want) {
		t.Errorf("check --against: exit %d, want %q in\n%s%s", code, want, out, errs)
	}

	// The other way round it is the same: the old name has not sent what the new one has.
	lesson(t, js, 8, "Music", 30)
	eventually(t, "both lessons wait", func() bool { return overviewOf(t, page).Waiting == 2 })
	if code, out, errs := cliIn(t, env, "resume", "--app", "annex", "--nats", url); code != exitOK {
		t.Fatalf("resume: exit %d\n%s%s", code, out, errs)
	}
	eventually(t, "the new name sends", func() bool { return overviewOf(t, page).Counts.Broadcasts == 1 })
	old := writeFile(t, "rules.yaml", e2eRules)
	code, out, errs = cliIn(t, env, "check", old, "--against", url)
	if want := "if annex goes on as campus, campus goes on from where it was left, and reads again what annex has sent since; tell it of the "; code != exitOK || !strings.Contains(out, want) ||
		!strings.Contains(out, "the stream has a state of it, and it goes on from there") {
		t.Errorf("check --against: exit %d, want %q in\n%s%s", code, want, out, errs)
	}
	sent := len(provider.Broadcasts())
	if err := os.WriteFile(rules, []byte(e2eRules), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old name waits for its operator", func() bool {
		s := overviewOf(t, page)
		return s.App == "campus" && s.Paused != nil && strings.Contains(s.Paused.Why, "the state of annex, which has the same App Key") &&
			strings.Contains(s.Paused.Why, "belfry quota spend --app campus") && s.Waiting == 1 && s.CaughtUp
	})
	if n := len(provider.Broadcasts()); n != sent {
		t.Errorf("%d broadcasts were sent, want %d", n, sent)
	}
}

// unnamedCondition is what the daemon says of an app that its rules do not name.
func unnamedCondition(page, app string) string {
	for _, c := range overview(page).Conditions {
		if c.Name == string(stream.AppUnnamed) && c.About == app {
			return c.Message
		}
	}
	return ""
}

func TestWhatWaitsInAnAppThatIsRenamedBeforeItsFirstSendStaysInSight(t *testing.T) {
	t.Parallel()
	url, _ := startNATS(t, t.TempDir(), freePort(t))
	_, js := connect(t, url)
	createSchool(t, js)
	rules := writeFile(t, "rules.yaml", e2eRules)
	_, page := startBelfry(t, startSandbox(t, sandbox.Config{}), url, rules)
	if code, out, errs := cli(t, "pause", "--app", "campus", "--why", "test", "--nats", url); code != exitOK {
		t.Fatalf("pause: exit %d\n%s%s", code, out, errs)
	}
	lesson(t, js, 7, "Maths", 30)
	eventually(t, "the item waits", func() bool { return overviewOf(t, page).Waiting == 1 })
	if err := os.WriteFile(rules, []byte(strings.ReplaceAll(e2eRules, "campus", "annex")), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the condition tells of it", func() bool {
		return strings.Contains(unnamedCondition(page, "campus"), "with 1 item waiting: nobody sends what waits; name it again")
	})
}

// Two replicas with different rules, as during an update: both names would
// send the same news.
func TestAnAppKeyThatALivingReplicaUsesUnderAnotherNameIsNotUsedTwice(t *testing.T) {
	t.Parallel()
	provider, url, _, js := startSchool(t)
	_, first := startBelfry(t, provider, url, writeFile(t, "rules.yaml", e2eRules))
	eventually(t, "the first one owns the app", func() bool { return overviewOf(t, first).Role == bridge.RoleOwner })
	_, second := startBelfry(t, provider, url, writeFile(t, "rules.yaml", strings.ReplaceAll(e2eRules, "campus", "annex")))
	eventually(t, "the other name waits for its operator", func() bool {
		s := overviewOf(t, second)
		return s.App == "annex" && s.Paused != nil && strings.Contains(s.Paused.Why, "a replica with other rules runs campus, which has the same App Key")
	})
	lesson(t, js, 7, "Maths", 30)
	eventually(t, "the first one sends", func() bool { return overviewOf(t, first).Counts.Broadcasts == 1 })
	eventually(t, "the other one holds it", func() bool { return overviewOf(t, second).Waiting == 1 })
	if n := len(provider.Broadcasts()); n != 1 {
		t.Errorf("%d broadcasts were sent, want 1", n)
	}
}
