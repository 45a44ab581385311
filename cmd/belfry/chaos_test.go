package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

// crashTable are the points at which a daemon ends itself: every row of the
// crash table in docs/reliability.md, from both sides of the write.
var crashTable = []string{
	"before-sending-commit",    // folded, not committed
	"after-sending-commit",     // commit without an answer; sending committed, nothing sent
	"before-send",              // the same, a little later
	"after-send",               // sent, outcome not committed
	"before-outcome-commit",    // the same, a little later
	"after-outcome-commit",     // outcome committed, its answer lost
	"before-publish",           // outcome committed, result not published
	"after-publish",            // result published, not cleared
	"before-checkpoint-commit", // cleared, not committed
	"after-checkpoint-commit",  // commit without an answer
	"before-claim-commit",      // lease taken, state not claimed
	"after-claim-commit",       // claimed without an answer
}

// fates are what ends the daemons of a run: first every point of the crash
// table, then random points at random visits, and random times.
func (c *chaos) fates(n int) []string {
	list := make([]string, 0, n)
	for i := range n {
		switch {
		case i < len(crashTable):
			list = append(list, crashTable[i])
		case i%2 == 0:
			list = append(list, "random")
		default:
			list = append(list, fmt.Sprintf("%s:%d", crashTable[c.random.IntN(len(crashTable)-2)], 1+c.random.IntN(3)))
		}
	}
	return list
}

// kill starts replicas and sees to it that each meets its fate, with another
// one in its place, until no fate is left.
func (c *chaos) kill(replicas int, fates []string) {
	c.t.Helper()
	next := func() *replica {
		if len(fates) == 0 {
			return nil
		}
		r := c.launch(fates[0])
		fates = fates[1:]
		return r
	}
	for range replicas {
		c.town = append(c.town, next())
	}
	for left := true; left; {
		left = false
		for i, r := range c.town {
			if r == nil {
				continue
			}
			left = true
			if c.meetsFate(r) {
				c.town[i] = next()
			}
		}
		c.resolve()
		time.Sleep(20 * time.Millisecond) // between two looks
	}
	c.town = nil
}

// launchAll starts replicas that nothing ends.
func (c *chaos) launchAll(replicas int) {
	for range replicas {
		c.town = append(c.town, c.launch(""))
	}
}

// meetsFate reports whether the replica has ended, as it was meant to.
func (c *chaos) meetsFate(r *replica) bool {
	c.t.Helper()
	if r.ended() {
		if s, err := r.signalled(); err != nil || s != syscall.SIGKILL {
			c.t.Fatalf("the daemon with the fate %q ended with %v %v:\n%s", r.fate, s, err, r.log)
		}
		point, _, _ := strings.Cut(r.fate, ":")
		c.kills[point]++
		return true
	}
	switch {
	case r.fate != "random" && time.Since(r.since) > 3*chaosPatience:
		c.t.Fatalf("the daemon never came to %s:\n%s", r.fate, r.log)
	case r.fate != "random":
	case r.doom.IsZero() && c.random.IntN(100) == 0: // some never own the app
		r.doom = time.Now()
	case r.doom.IsZero() && r.owns():
		r.doom = time.Now().Add(time.Duration(c.random.IntN(1500)) * time.Millisecond)
	case !r.doom.IsZero() && time.Now().After(r.doom):
		r.kill()
	}
	return false
}

func TestChaosEveryEventLeavesOnceWhateverDies(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int{1, 3} {
		title := map[int]string{1: "1 replica", 3: "3 replicas"}[replicas]
		t.Run(title, func(t *testing.T) {
			if replicas > 1 {
				long(t)
			}
			t.Parallel()
			natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
			c := newChaos(t, natsURL, 1, 20+5**chaosKills)
			c.publish()
			kills := *chaosKills
			if replicas == 1 {
				kills = (kills + 1) / 2 // whoever has just started leaves a dead owner's lease 6 s
			}
			c.kill(replicas, c.fates(kills))
			c.launchAll(replicas)
			result := c.settle(title)
			if result.once == 0 || kills >= len(crashTable)/2 && result.doubtLeft+result.doubtKept+result.resolved == 0 {
				t.Errorf("the run has proved nothing: %v", result)
			}
		})
	}
}

// Whoever dies, at whatever point of a send: the send stays charged.
func TestChaosNeverExceedsASmallQuota(t *testing.T) {
	long(t)
	t.Parallel()
	const quota = 3
	natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
	c := newChaos(t, natsURL, 1, quota)
	for i, fate := range []string{"after-send", "after-outcome-commit", "after-sending-commit"} {
		c.event(fmt.Sprint("k", i))
		c.kill(1, []string{fate})
	}
	c.event("k3")
	c.launchAll(1)
	c.until("the event waits for the quota, which is used up", func() bool {
		s := c.ownerStatus()
		return s.Left == 0 && len(s.Quota) > 0 && s.Quota[0].Used == quota && len(s.Digests) == 1 && s.Digests[0].State == bridge.StateNext
	})
	r := c.record()
	if n := len(r.calls); n != quota-1 || r.refused > 0 {
		t.Errorf("%d calls, %d refused; want %d: the third was charged and never began", n, r.refused, quota-1)
	}
	if n := len(c.inDoubt()); n != 2 {
		t.Errorf("%d broadcasts in doubt, want 2: %+v", n, c.results)
	}
}

// The only server is killed while commits, sends and results are under way,
// and comes back with its files.
func TestChaosEveryEventLeavesOnceWhileNATSIsKilled(t *testing.T) {
	long(t)
	t.Parallel()
	port, folder := freePort(t), t.TempDir()
	natsURL, server := startNATS(t, folder, port)
	c := newChaos(t, natsURL, 1, 500)
	c.launchAll(2)
	c.publish()
	for i := range max(3, *chaosKills/10) {
		at := len(c.provider.Broadcasts()) + 1
		c.until("another broadcast has left", func() bool { return len(c.provider.Broadcasts()) > at })
		server.kill() // its result is hardly stored by now
		_, server = startNATS(t, folder, port)
		c.oneMore(fmt.Sprintf("after restart %d of NATS", i+1))
	}
	c.settle("2 replicas, NATS killed again and again")
}
