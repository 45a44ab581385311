package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

// startSplitCluster is a cluster whose nodes reach each other by lines that
// can be cut.
func startSplitCluster(t *testing.T) *natsCluster {
	t.Helper()
	n := newNATSCluster(t)
	for i := range n.nodes {
		for j := range n.nodes {
			if i != j {
				n.lines[i][j] = startLine(t, fmt.Sprintf("nats://127.0.0.1:%d", n.routes[j]))
			}
		}
	}
	for i := range n.nodes {
		n.start(i)
	}
	return n
}

// isolate cuts a node off from the two others, but not from its clients. What
// the nodes tell each other meanwhile arrives when that is mended.
func (n *natsCluster) isolate(i int) (mend func()) {
	var mends []func()
	for j := range n.nodes {
		if j != i {
			mends = append(mends, n.lines[i][j].cut(true, true), n.lines[j][i].cut(true, true))
		}
	}
	mend = sync.OnceFunc(func() {
		for _, f := range mends {
			f()
		}
	})
	n.t.Cleanup(mend) // of a test that fails
	return mend
}

// ownerPage tells owners from each other.
func (c *chaos) ownerPage() string {
	for _, r := range c.town {
		if r.status().Role == bridge.RoleOwner {
			return r.page
		}
	}
	return ""
}

// Each node of the cluster in turn is cut off from the others, for less and
// for more than they wait before they choose new leaders, while it serves its
// clients: those of the old leader as well.
func TestChaosEveryEventLeavesOnceOnAClusterWhoseNodesLoseEachOther(t *testing.T) {
	long(t)
	t.Parallel()
	cluster := startSplitCluster(t)
	awaitNATS(t, cluster.url())
	c := newChaos(t, cluster.url(), 3, 500)
	c.launchAll(3)
	c.until("all streams have three replicas", c.whole)
	c.publish()
	var owners []string
	for cut := range max(3, *chaosKills/6) {
		c.until("somebody owns the app", func() bool {
			c.resolve()
			return c.ownerPage() != ""
		})
		if page := c.ownerPage(); page != "" && !slices.Contains(owners, page) {
			owners = append(owners, page)
		}
		mend := cluster.isolate(cut % 3)
		time.Sleep(time.Duration(3+c.random.IntN(12)) * time.Second) // how long it is cut off
		mend()
	}
	c.until("all nodes have caught up", c.whole)
	result := c.settle("3 replicas on a cluster whose nodes lose each other at times")
	if result.once == 0 {
		t.Errorf("the run has proved nothing: %d owners, %v", len(owners), result)
	}
}

var connectedTo = regexp.MustCompile(`"connected to NATS","url":"[^"]*:(\d+)"`)

// node is the cluster's node that a replica was the last to connect to.
func (n *natsCluster) node(r *replica) int {
	found := connectedTo.FindAllStringSubmatch(r.log.String(), -1)
	if len(found) == 0 {
		return -1
	}
	return slices.IndexFunc(n.ports[:], func(port int) bool { return fmt.Sprint(port) == found[len(found)-1][1] })
}

// The only replica's node loses the others, and still keeps the connection.
func TestChaosTroubleAReplicaLeavesANodeThatLostItsCluster(t *testing.T) {
	long(t)
	t.Parallel()
	cluster := startSplitCluster(t)
	awaitNATS(t, cluster.url())
	c := newChaos(t, cluster.url(), 3, 100)
	c.launchAll(1)
	c.until("all streams have three replicas", c.whole)
	c.event("k0")
	c.untilSent("k0")
	lonely := cluster.node(c.town[0])
	c.until("the test looks from another node", func() bool {
		nc := c.js.Conn()
		if there := fmt.Sprint(":", cluster.ports[lonely]); strings.HasSuffix(nc.ConnectedUrl(), there) {
			_ = nc.ForceReconnect()
			return false
		}
		return nc.IsConnected()
	})
	mend := cluster.isolate(lonely)
	c.event("k1")
	c.untilSent("k0", "k1")
	mend()
	if now := cluster.node(c.town[0]); now == lonely {
		t.Errorf("the replica is still at node %d", now)
	}
	c.until("all nodes have caught up", c.whole)
	c.settle("1 replica whose node has lost its cluster")
}
