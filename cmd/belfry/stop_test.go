package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/control"
	"github.com/belfry-bridge/belfry/internal/sandbox"
)

func TestAStopWaitsForTheAnswerUnderWayUnlessToldTwice(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		signals int
		code    int
		delay   time.Duration
		states  []bridge.ResultState
	}{
		{"one signal: the answer is waited for and stored", 1, exitOK, 3 * time.Second, []bridge.ResultState{bridge.ResultSent}},
		{"two signals: it stops at once, and the next owner finds the broadcast in doubt", 2, exitKilled, 20 * time.Second, []bridge.ResultState{bridge.ResultInDoubt}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			provider := startSandbox(t, sandbox.Config{})
			provider.Script(sandbox.Step{Delay: sandbox.Duration(tt.delay)})
			natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
			nc, js := connect(t, natsURL)
			createSchool(t, js)
			results := follow(t, nc)
			rules := writeFile(t, "rules.yaml", e2eRules)
			daemon, page := startBelfry(t, provider, natsURL, rules)
			lesson(t, js, 7, "Maths", 30)
			eventually(t, "the provider has the request", func() bool { return len(provider.Broadcasts()) == 1 })
			eventually(t, "the send is under way", func() bool { return overviewOf(t, page).Sending != nil })

			daemon.signal(syscall.SIGTERM)
			if tt.signals == 2 {
				eventually(t, "it drains", func() bool { return overviewOf(t, page).Role == bridge.RoleDraining })
				daemon.signal(syscall.SIGTERM)
			}
			if code := daemon.exit(35 * time.Second); code != tt.code {
				t.Fatalf("exit code %d, want %d", code, tt.code)
			}
			startBelfry(t, provider, natsURL, rules)
			eventually(t, "the outcome is told", func() bool { return len(results()) == len(tt.states) })
			for i, r := range results() {
				if r.State != tt.states[i] {
					t.Errorf("result %d is %s, want %s", i, r.State, tt.states[i])
				}
			}
			if n := len(provider.Broadcasts()); n != 1 {
				t.Errorf("the provider has %d broadcasts, want 1", n)
			}
		})
	}
}

// ownerAndStandby are two replicas, with their pages, to which a lesson was
// told, and a provider whose first answer is scripted.
func ownerAndStandby(t *testing.T, step sandbox.Step) (provider *sandbox.Server, owner *process, page, standbyPage, natsURL string) {
	t.Helper()
	provider = startSandbox(t, sandbox.Config{})
	provider.Script(step)
	natsURL, _ = startNATS(t, t.TempDir(), freePort(t))
	_, js := connect(t, natsURL)
	createSchool(t, js)
	rules := writeFile(t, "rules.yaml", e2eRules)
	owner, page = startBelfry(t, provider, natsURL, rules)
	eventually(t, "the first owns the app", func() bool { return overviewOf(t, page).Role == bridge.RoleOwner })
	_, standbyPage = startBelfry(t, provider, natsURL, rules)
	lesson(t, js, 7, "Maths", 30)
	return provider, owner, page, standbyPage, natsURL
}

func TestAnOrderThatComesDuringAHandoverReachesTheNextOwner(t *testing.T) {
	t.Parallel()
	provider, first, page, next, natsURL := ownerAndStandby(t, sandbox.Step{Delay: sandbox.Duration(8 * time.Second)})
	eventually(t, "the provider has the request", func() bool { return len(provider.Broadcasts()) == 1 }) // before that it would be called off
	first.signal(syscall.SIGTERM)
	eventually(t, "it drains", func() bool { return overviewOf(t, page).Role == bridge.RoleDraining })
	if code, out, _ := cli(t, "status", "--nats", natsURL); code != exitOK || !strings.Contains(out, "is being handed over, once the broadcast ") {
		t.Errorf("status, exit %d:\n%s", code, out)
	}
	if code, _, errs := cli(t, "pause", "--why", "stop it", "--nats", natsURL); code != exitOK {
		t.Errorf("the order: exit %d, %s", code, errs)
	}
	if s := overviewOf(t, next); s.Role != bridge.RoleOwner || s.Paused == nil || s.Counts.Sent != 1 {
		t.Errorf("the next owner is %s, paused %v, with %d sent", s.Role, s.Paused, s.Counts.Sent)
	}
}

// Whoever gives an order to an app without an owner is told why nothing happens.
func TestAnOrderThatWaitsForAnOwnerSaysSo(t *testing.T) {
	t.Parallel()
	natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
	nc, _ := connect(t, natsURL)
	asked := 0
	roles := []bridge.Role{bridge.RoleStandby, bridge.RoleClaiming, bridge.RoleOwner}
	_, err := nc.Subscribe("belfry.control.status", func(m *nats.Msg) {
		answer, _ := json.Marshal(bridge.Overview{Apps: []bridge.Status{{App: "campus", Role: roles[min(asked, 2)]}}})
		asked++
		_ = m.Respond(answer)
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	app, err := ownedApp(t.Context(), nc, oneApp("campus"), &told)
	if err != nil || app != "campus" || asked != 3 {
		t.Errorf("the app is %q, %v, after %d looks", app, err, asked)
	}
	if want := "belfry: campus has no owner at this moment; waiting for its next one for up to 50s\n"; told.String() != want {
		t.Errorf("told %q, want %q", told.String(), want)
	}
}

// Which apps there are is known without their owners: who names a wrong one, or
// none of several, is not kept waiting.
func TestAnOrderForNoAppIsRefusedAtOnceWithThoseThatThereAre(t *testing.T) {
	t.Parallel()
	natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
	nc, _ := connect(t, natsURL)
	both := []bridge.Status{{App: "clinic", Role: bridge.RoleOwner}, {App: "campus", Role: bridge.RoleStandby}}
	var apps atomic.Pointer[[]bridge.Status]
	_, err := nc.Subscribe("belfry.control.status", func(m *nats.Msg) {
		answer, _ := json.Marshal(bridge.Overview{Apps: *apps.Load()})
		_ = m.Respond(answer)
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		choose chooser
		apps   []bridge.Status
		want   string
	}{
		{oneApp(""), both, "name one with --app; the replicas run campus, clinic"},
		{oneApp("club"), both, `cannot find the app "club": the replicas run campus, clinic`},
		{oneApp("campus"), nil, "no replica has begun to run an app"},
		{appInDoubt("b-1"), nil, "no replica has begun to run an app"},
	} {
		apps.Store(&c.apps)
		begin := time.Now()
		if _, err := ownedApp(t.Context(), nc, c.choose, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("%q is told after %s", c.want, took)
		}
	}
}

func TestADoubtIsResolvedAlsoWhileItsOwnerHasJustDied(t *testing.T) {
	t.Parallel()
	_, first, page, _, natsURL := ownerAndStandby(t, sandbox.Step{Status: http.StatusGatewayTimeout, Code: 1050})
	eventually(t, "the broadcast is in doubt", func() bool { return len(overviewOf(t, page).InDoubt) == 1 })
	id := overviewOf(t, page).InDoubt[0].ID
	first.signal(syscall.SIGKILL)
	if code := first.exit(10 * time.Second); code == exitOK {
		t.Fatalf("it was to be killed, and exits with %d", code)
	}
	if code, out, errs := cli(t, "resolve", id, "--sent", "--nats", natsURL); code != exitOK || !strings.Contains(out, "counts as sent") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
}

// An owner that does not answer may have the order: a send that is recorded again,
// with another id, would count twice.
func TestAnOrderWithoutAnAnswerIsNotSaidToBeUngiven(t *testing.T) {
	t.Parallel()
	natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
	nc, _ := connect(t, natsURL)
	if _, err := nc.SubscribeSync("belfry.control.order.campus"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := control.Give(ctx, nc, "campus", control.Order{}); err == nil || !strings.Contains(err.Error(), "cannot tell whether the owner of campus has carried out the order") {
		t.Errorf("told %v", err)
	}
}
