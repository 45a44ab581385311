package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
)

// natsCluster is three nats-server processes.
type natsCluster struct {
	t       *testing.T
	ports   [3]int
	routes  [3]int
	folders [3]string
	nodes   [3]*process
	lines   [3][3]*line // from a node to another, where they can be cut
}

func startNATSCluster(t *testing.T) *natsCluster {
	t.Helper()
	n := newNATSCluster(t)
	for i := range n.nodes {
		n.start(i)
	}
	return n
}

func newNATSCluster(t *testing.T) *natsCluster {
	t.Helper()
	n := &natsCluster{t: t}
	for i := range n.nodes {
		n.ports[i], n.routes[i], n.folders[i] = freePort(t), freePort(t), t.TempDir()
	}
	return n
}

func (n *natsCluster) start(i int) {
	n.t.Helper()
	var peers []string
	for j, port := range n.routes {
		peer := fmt.Sprintf("nats://127.0.0.1:%d", port)
		if l := n.lines[i][j]; l != nil {
			peer = l.url()
		}
		peers = append(peers, peer)
	}
	// Nodes tell each other addresses as well: one that leads nowhere, so that
	// no way leads around a line.
	n.nodes[i] = start(n.t, nil, built(n.t, "nats-server"), "-n", fmt.Sprint("node", i), "-a", "127.0.0.1", "-p", fmt.Sprint(n.ports[i]),
		"-js", "-sd", n.folders[i], "--cluster_name", "school", "--cluster", fmt.Sprintf("nats://127.0.0.1:%d", n.routes[i]),
		"--no_advertise", "--cluster_advertise", "127.0.0.1:1", "--routes", strings.Join(peers, ","))
}

func (n *natsCluster) url() string {
	var list []string
	for _, port := range n.ports {
		list = append(list, fmt.Sprintf("nats://127.0.0.1:%d", port))
	}
	return strings.Join(list, ",")
}

// whole reports whether every stream has a leader and all its replicas.
func (c *chaos) whole() bool {
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Second)
	defer cancel()
	for _, name := range []string{"SCHOOL", "BELFRY", "BELFRY_RESULTS"} {
		stream, err := c.js.Stream(ctx, name)
		if err != nil || !inSync(stream.CachedInfo()) {
			return false
		}
	}
	return true
}

func inSync(info *jetstream.StreamInfo) bool {
	if info.Cluster == nil || info.Cluster.Leader == "" || len(info.Cluster.Replicas) != 2 {
		return false
	}
	for _, peer := range info.Cluster.Replicas {
		if !peer.Current || peer.Offline {
			return false
		}
	}
	return true
}

// oneMore publishes an event and waits until it is accounted for.
func (c *chaos) oneMore(when string) {
	c.t.Helper()
	key := fmt.Sprintf("more%d", c.published())
	c.event(key)
	c.until("an event is accounted for "+when, func() bool {
		c.read()
		_, claims := judge(c.results, &tally{}, func(string, ...any) {})
		return len(claims[key]) > 0
	})
}

// The nodes of the cluster are killed and paused in turn, and the owner is
// killed while a node is missing. At night each node suffers both.
func TestChaosEveryEventLeavesOnceOnAClusterThatLosesNodes(t *testing.T) {
	long(t)
	t.Parallel()
	cluster := startNATSCluster(t)
	awaitNATS(t, cluster.url())
	c := newChaos(t, cluster.url(), 3, 500)
	c.launchAll(3)
	c.until("all streams have three replicas", c.whole)
	c.publish()
	lost, night := 0, *chaosKills > 20
	for i := range cluster.nodes {
		if night || i != 1 {
			lost++
			cluster.nodes[i].kill()
			c.oneMore(fmt.Sprintf("while node %d is dead", i))
			cluster.start(i)
			c.until("the killed node has caught up", c.whole)
		}
		if night || i == 1 {
			lost++
			cluster.nodes[i].pause()
			c.killOwner()
			c.oneMore(fmt.Sprintf("while node %d is paused", i))
			cluster.nodes[i].resume()
			c.until("the paused node has caught up", c.whole)
		}
	}
	c.settle(fmt.Sprintf("3 replicas on a cluster of 3 nodes, %d times without one", lost))
}

// killOwner kills the owner, if there is one, and starts another replica.
func (c *chaos) killOwner() {
	c.t.Helper()
	for i, r := range c.town {
		if r.status().Role == bridge.RoleOwner {
			r.kill()
			c.kills["random"]++
			c.town[i] = c.launch("")
			return
		}
	}
}
