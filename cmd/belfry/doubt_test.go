package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/sandbox"
)

// cli runs a verb in this process, as main does.
func cli(t testing.TB, args ...string) (code int, out, errs string) {
	t.Helper()
	return cliIn(t, nil, args...)
}

// cliIn has an environment of NAME=value on top.
func cliIn(t testing.TB, env []string, args ...string) (code int, out, errs string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	lookup := func(name string) (string, bool) {
		for _, v := range env {
			if value, ok := strings.CutPrefix(v, name+"="); ok {
				return value, true
			}
		}
		return os.LookupEnv(name)
	}
	var stdout, stderr safeBuffer // a connection's last words may come after its end
	code = run(ctx, args, stdio{env: lookup, in: strings.NewReader(""), out: &stdout, err: &stderr})
	return code, stdout.String(), stderr.String()
}

// overview is what a daemon's page shows; empty while it does not answer.
func overview(page string) (o bridge.Overview) {
	if _, body := get(page + "/status"); json.Unmarshal([]byte(body), &o) != nil {
		return bridge.Overview{}
	}
	return o
}

// overviewOf is that of its only app.
func overviewOf(t testing.TB, page string) bridge.Status {
	t.Helper()
	if o := overview(page); len(o.Apps) == 1 {
		return o.Apps[0]
	}
	return bridge.Status{}
}

func TestABroadcastInDoubtIsHeldUntilAnOperatorDecides(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		flag      string
		broadcast int // that the provider has at the end
		used      int // sends charged at the end
		states    []bridge.ResultState
	}{
		{"as sent: it stays charged and nothing is sent again", "--sent", 1, 1, []bridge.ResultState{bridge.ResultInDoubt, bridge.ResultSent}},
		{"as not sent: its items go again, and the send is refunded", "--not-sent", 2, 1, []bridge.ResultState{bridge.ResultInDoubt, bridge.ResultNotSent, bridge.ResultSent}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			provider := startSandbox(t, sandbox.Config{})
			provider.Script(sandbox.Step{Status: http.StatusGatewayTimeout, Code: 1050, Accept: new(true)})
			natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
			nc, js := connect(t, natsURL)
			createSchool(t, js)
			results := follow(t, nc)
			_, page := startBelfry(t, provider, natsURL, writeFile(t, "rules.yaml", e2eRules))

			lesson(t, js, 7, "Maths", 30)
			eventually(t, "the broadcast is in doubt", func() bool { return len(overviewOf(t, page).InDoubt) == 1 })
			id := overviewOf(t, page).InDoubt[0].ID
			code, out, errs := cli(t, "status", "--nats", natsURL)
			if code != exitOK || !strings.Contains(out, "belfry resolve "+id+" --sent --nats "+natsURL+"\n") || !strings.Contains(out, "belfry resolve "+id+" --not-sent --nats "+natsURL+"\n") {
				t.Errorf("status says (exit %d):\n%s%s", code, out, errs)
			}
			if code, out, _ := cli(t, "digests", "--nats", natsURL); code != exitOK || !strings.Contains(out, "IN DOUBT") || !strings.Contains(out, "• Maths") {
				t.Errorf("digests says (exit %d):\n%s", code, out)
			}
			if code, _, errs := cli(t, "resolve", "other-1", "--sent", "--nats", natsURL); code != exitFailed || !strings.Contains(errs, "no such broadcast is in doubt") {
				t.Errorf("resolving another broadcast: exit %d, %s", code, errs)
			}
			if code, _, _ := cli(t, "resolve", id, "--nats", natsURL); code != exitUsage {
				t.Errorf("resolving without a word on how: exit %d, want %d", code, exitUsage)
			}
			if code, out, errs := cli(t, "resolve", id, tt.flag, "--nats", natsURL); code != exitOK {
				t.Fatalf("resolve %s: exit %d, %s%s", tt.flag, code, out, errs)
			}
			eventually(t, "every step has its result", func() bool { return len(results()) == len(tt.states) })
			for i, r := range results() {
				if r.State != tt.states[i] {
					t.Errorf("result %d is %s, want %s", i, r.State, tt.states[i])
				}
			}
			eventually(t, "nothing is left over", func() bool {
				s := overviewOf(t, page)
				return len(s.InDoubt) == 0 && s.Waiting == 0 && s.Counts.Sent == 1 && s.Quota[0].Used == tt.used
			})
			if n := len(provider.Broadcasts()); n != tt.broadcast {
				t.Errorf("the provider has %d broadcasts, want %d", n, tt.broadcast)
			}
		})
	}
}

func TestOperatorsPauseMuteAndRecordSpends(t *testing.T) {
	t.Parallel()
	provider, natsURL, nc, js := startSchool(t)
	_, page := startBelfry(t, provider, natsURL, writeFile(t, "rules.yaml", e2eRules))
	eventually(t, "the app is owned", func() bool { return overviewOf(t, page).Role == bridge.RoleOwner })
	give := func(args ...string) string {
		t.Helper()
		code, out, errs := cli(t, append(args, "--nats", natsURL)...)
		if code != exitOK {
			t.Fatalf("%v: exit %d, %s", args, code, errs)
		}
		return out
	}

	give("pause", "--why", "exam week")
	lesson(t, js, 7, "Maths", 30)
	eventually(t, "the digest waits for the pause to end", func() bool {
		s := overviewOf(t, page)
		return len(s.Digests) == 1 && s.Digests[0].State == bridge.StatePaused
	})
	if said := give("send", overviewOf(t, page).Digests[0].Digest, "--why", "parents call"); !strings.Contains(said, "; the app is paused") {
		t.Errorf("the order to send it is answered by %q", said)
	}
	if code, _, errs := cli(t, "send", "nothing-7", "--why", "parents call", "--nats", natsURL); code != exitFailed || !strings.Contains(errs, `cannot send "nothing-7": no such digest waits`) {
		t.Errorf("to send what is not there: exit %d, %s", code, errs)
	}
	muted := give("mute", "--audience", "students", "--for", "1h", "--why", "concert")
	give("resume")
	eventually(t, "the digest waits for the mute to end", func() bool {
		s := overviewOf(t, page)
		return len(s.Digests) == 1 && s.Digests[0].State == bridge.StateMuted
	})
	give("quota", "spend", "--why", "the shop's own console", "--id", "x1", "--at", time.Now().Add(-time.Minute).Format(time.RFC3339))
	give("quota", "spend", "--why", "the shop's own console", "--id", "x1", "--at", time.Now().Add(-time.Minute).Format(time.RFC3339))
	// Another system tells of its own sends, as docs/operations.md says.
	give("quota", "trust-clock", "--why", "NTP was away")
	spend := fmt.Appendf(nil, `{"verb": "spend", "by": "shop", "why": "flash sale", "at": %q, "id": "x2"}`, time.Now().Format(time.RFC3339))
	if m, err := nc.Request("belfry.control.order.campus", spend, patience); err != nil || !strings.Contains(string(m.Data), "recorded") {
		t.Fatalf("another system's spend is answered by %v, %v", m, err)
	}
	id := strings.Fields(muted)[2]
	give("unmute", id)
	eventually(t, "the digest waits for the quota that others have used", func() bool {
		s := overviewOf(t, page)
		return s.Left == 0 && s.Quota[0].Used == 2 && len(s.Digests) == 1 && s.Digests[0].State == bridge.StateNext && strings.Contains(s.Digests[0].Why, "It is wanted at once by ")
	})
	if n := len(provider.Broadcasts()); n != 0 {
		t.Errorf("%d broadcasts left through pause, mute and an empty quota", n)
	}
	if code, _, errs := cli(t, "resume", "--nats", natsURL); code != exitFailed || !strings.Contains(errs, "neither paused nor backing off") {
		t.Errorf("resuming what is not paused: exit %d, %s", code, errs)
	}
	if code, _, errs := cli(t, "status", "--nats", "nats://127.0.0.1:1"); code != exitFailed || !strings.Contains(errs, "cannot connect") {
		t.Errorf("status without NATS: exit %d, %s", code, errs)
	}
}
