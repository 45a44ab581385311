package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

// stateToken is who stored the state that is in force, and at which commit:
// "<replica>/<epoch>/<commit>".
func (c *chaos) stateToken() (owner, epoch string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	stream, err := c.js.Stream(ctx, "BELFRY")
	if err != nil {
		c.t.Fatal(err)
	}
	m, err := stream.GetLastMsgForSubject(ctx, "belfry.state.campus")
	if err != nil {
		c.t.Fatal(err)
	}
	parts := strings.Split(m.Header.Get("Belfry-Commit"), "/")
	if len(parts) != 3 {
		c.t.Fatalf("the state has the token %q", m.Header.Get("Belfry-Commit"))
	}
	return parts[0], parts[1]
}

// An owner is suspended for longer than its lease, at the worst moments. When
// it goes on, another one owns the app.
func TestChaosAnOwnerThatSleptPastItsLeaseSendsAndCommitsNothing(t *testing.T) {
	long(t)
	tests := []struct {
		name  string
		fate  string // of the old owner
		calls int    // that the provider got from it, before it slept
		state bridge.ResultState
	}{
		{"while it gathers", "stop@after-checkpoint-commit:2", 0, bridge.ResultSent},
		{"before sending is committed", "stop@before-sending-commit", 0, bridge.ResultSent},
		{"after sending is committed", "stop@after-sending-commit", 0, bridge.ResultInDoubt},
		{"right before it sends", "stop@before-send", 0, bridge.ResultInDoubt},
		{"with the answer in its hands", "stop@before-outcome-commit", 1, bridge.ResultInDoubt},
	}
	t.Parallel()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
			c := newChaos(t, natsURL, 1, 100)
			old := c.launch(tt.fate)
			c.until("the first owner is there", func() bool { return old.status().Role == bridge.RoleOwner })
			c.launchAll(1)
			c.event("k0")
			c.until("the owner sleeps", old.sleeps)
			c.until("the other one owns the app", func() bool { return c.ownerStatus().Role == bridge.RoleOwner })
			c.until("the event has its result", func() bool {
				c.read()
				return len(c.results) == 1
			})
			owner, epoch := c.stateToken()
			calls := len(c.provider.Requests())

			old.resume()
			c.until("the old owner has left the app", func() bool { return old.status().Role == bridge.RoleStandby })
			c.until("its log says so", func() bool { return strings.Contains(old.log.String(), "lost the lease; leaves the app") })
			if n := len(c.provider.Requests()); n != calls || tt.state == bridge.ResultInDoubt && n != tt.calls {
				t.Errorf("the provider got %d calls, want %d: the old owner sent after all", n, calls)
			}
			for _, r := range c.results {
				if r.State != tt.state {
					t.Errorf("the result is %s, want %s", r.State, tt.state)
				}
			}
			c.event("k1")
			c.until("the new owner goes on", func() bool {
				_, faults := account(c.record())
				return len(faults) == 0
			})
			if nowOwner, nowEpoch := c.stateToken(); nowOwner != owner || nowEpoch != epoch {
				t.Errorf("the state is %s's of epoch %s, want %s's of %s: the old owner has committed", nowOwner, nowEpoch, owner, epoch)
			}
			c.town = append(c.town, old)
			c.settle(fmt.Sprintf("an owner that slept %s", tt.name))
		})
	}
}

// sleeps reports whether the process is stopped by a signal: nothing answers.
func (r *replica) sleeps() bool {
	if !strings.Contains(r.log.String(), "failpoint") {
		return false
	}
	client := http.Client{Timeout: 200 * time.Millisecond}
	response, err := client.Get(r.page + "/healthz")
	if err == nil {
		_ = response.Body.Close()
	}
	return err != nil
}
