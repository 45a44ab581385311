package main

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/belfry-bridge/belfry/bridge"
)

// A new version is rolled out while events come in: whoever owns the app is
// asked to stop, at any moment of a send, and finishes what is under way.
func TestChaosARollingRestartLeavesNothingInDoubt(t *testing.T) {
	t.Parallel()
	natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
	c := newChaos(t, natsURL, 1, 500)
	c.launchAll(2)
	c.publish()
	for i := range max(4, *chaosKills/5) {
		calls := len(c.provider.Requests())
		c.until("a send is under way", func() bool { return len(c.provider.Requests()) > calls })
		for at, r := range c.town {
			if r.status().Role == bridge.RoleOwner {
				r.signal(syscall.SIGTERM)
				if code := r.exit(chaosPatience); code != exitOK {
					t.Fatalf("exit code %d after SIGTERM", code)
				}
				c.town[at] = c.launch("")
			}
		}
		c.oneMore(fmt.Sprintf("after stop %d", i+1))
	}
	if result := c.settle("2 replicas, stopped in good order one after the other"); result.once != result.events {
		t.Errorf("%d of %d events left for certain, want all", result.once, result.events)
	}
}
