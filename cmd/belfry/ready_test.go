package main

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/sandbox"
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

// A scrape or a probe that waits for a network that swallows everything looks as
// if the replica were gone.
func TestPagesDoNotWaitForAServerThatDoesNotAnswerAnyMore(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	natsURL, server := startNATS(t, t.TempDir(), port)
	_, page := startBelfry(t, startSandbox(t, sandbox.Config{}), natsURL, writeFile(t, "rules.yaml", e2eRules))
	server.kill()
	silent, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	tried, err := silent.Accept() // and for seconds from now on
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tried.Close() }()
	if code, body := get(page + "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "nats.disconnected") {
		t.Errorf("readyz answers %d: %s", code, body)
	}
}

// Who asks at three in the morning why nothing starts is told, and not that
// there is nobody.
func TestStatusTellsWhatADaemonWaitsForBeforeItIsReady(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	bare := start(t, nil, built(t, "nats-server"), "-a", "127.0.0.1", "-p", strconv.Itoa(port)) // without JetStream
	natsURL := fmt.Sprintf("nats://127.0.0.1:%d", port)
	p := start(t, rulesEnv(startSandbox(t, sandbox.Config{})), built(t, "belfry"), "run", "--nats", natsURL,
		"--rules", writeFile(t, "rules.yaml", e2eRules), "--http", "")
	var out string
	eventually(t, "status tells of the missing JetStream", func() bool {
		var code int
		code, out, _ = cli(t, "status", "--nats", natsURL)
		return code == 0 && strings.Contains(out, "NOT READY") && strings.Contains(out, "JetStream")
	})
	if !strings.Contains(out, "stream.unavailable") || !strings.Contains(out, "nats-server -js") {
		t.Errorf("the condition and its remedy are not named:\n%s", out)
	}
	bare.kill()
	startNATS(t, t.TempDir(), port)
	eventually(t, "it is ready", func() bool {
		_, out, _ = cli(t, "status", "--nats", natsURL)
		return strings.Contains(out, "  ready  ") && !strings.Contains(out, "NOT READY")
	})
	p.signal(syscall.SIGTERM)
	if code := p.exit(patience); code != 0 {
		t.Errorf("the exit code is %d", code)
	}
}
