package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
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
