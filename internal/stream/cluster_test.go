package stream

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
)

// natsCluster is three servers, each of which can be stopped and started again.
type natsCluster struct {
	t     *testing.T
	opts  [3]*server.Options
	nodes [3]*Embedded
}

func startCluster(t *testing.T) *natsCluster {
	t.Helper()
	c := &natsCluster{t: t}
	var routes []*url.URL
	var ports [6]int
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		ports[i] = l.Addr().(*net.TCPAddr).Port
		if i >= 3 {
			routes = append(routes, &url.URL{Scheme: "nats", Host: "127.0.0.1:" + strconv.Itoa(ports[i])})
		}
	}
	for i := range c.opts {
		o := EmbeddedOptions{Dir: t.TempDir(), Port: ports[i], Logger: quiet()}.serverOptions()
		o.ServerName = fmt.Sprint("node", i)
		o.Cluster = server.ClusterOpts{Name: "school", Host: "127.0.0.1", Port: ports[3+i]}
		o.Routes = routes
		c.opts[i] = o
	}
	t.Cleanup(func() {
		for i := range c.nodes {
			c.stop(i)
		}
	})
	return c
}

func (c *natsCluster) start(nodes ...int) {
	c.t.Helper()
	for _, i := range nodes {
		s, err := server.NewServer(c.opts[i].Clone())
		if err != nil {
			c.t.Fatal(err)
		}
		s.Start()
		c.nodes[i] = unwatched(s)
	}
}

func (c *natsCluster) stop(i int) {
	if c.nodes[i] != nil {
		c.nodes[i].Shutdown()
		c.nodes[i] = nil
	}
}

func (c *natsCluster) url() string {
	var list []string
	for _, o := range c.opts {
		list = append(list, "nats://127.0.0.1:"+strconv.Itoa(o.Port))
	}
	return strings.Join(list, ",")
}

// wait calls f until it succeeds, as someone does to whom nodes are lost.
func (c *natsCluster) wait(what string, f func() error) {
	c.t.Helper()
	ctx := within(c.t, 40*time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			c.t.Fatalf("%s: %v", what, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Each node is stopped in turn while the reader reads and states are put.
func TestClusterThatLosesEachNodeInTurnLosesNoEventAndNoState(t *testing.T) {
	t.Parallel()
	const each = 100
	cluster := startCluster(t)
	cluster.start(0, 1, 2)
	c := connect(t, cluster.url(), "a", func(cfg *Config) { cfg.Replicas = 3 })
	if err := c.Provision(within(t, 40*time.Second)); err != nil {
		t.Fatal(err)
	}
	cluster.wait("creating the input stream", func() error {
		_, err := c.js.CreateStream(within(t, 5*time.Second), jetstream.StreamConfig{Name: "SCHOOL", Subjects: []string{"SCHOOL.>"}, Replicas: 3})
		return err
	})
	r := c.read(t, []string{"SCHOOL.lesson"}, fromStart("SCHOOL"), nil)
	store, expect := c.Store("school"), uint64(0)
	publish := func(from, to int) {
		for i := from; i <= to; i++ {
			cluster.wait("publishing", func() error {
				_, err := c.js.Publish(within(t, 2*time.Second), "SCHOOL.lesson", []byte(strconv.Itoa(i)), jetstream.WithMsgID(strconv.Itoa(i)))
				return err
			})
		}
	}
	put := func(token string) {
		cluster.wait("storing the state", func() error {
			sequence, err := store.Put(within(t, 2*time.Second), []byte(token), token, expect)
			if err != nil {
				var rec bridge.Record
				if rec, err = store.Get(within(t, 2*time.Second)); err == nil && rec.Token != token {
					err = errors.New("not stored yet")
				}
				sequence = rec.Sequence
			}
			if err == nil {
				expect = sequence
			}
			return err
		})
	}
	publish(1, each)
	put("before")
	for i := range cluster.nodes {
		cluster.stop(i)
		publish(each*(i+1)+1, each*(i+2))
		put(fmt.Sprint("without node ", i))
		r.untilMessages(each * (i + 2))
		cluster.start(i)
		cluster.wait("all replicas to be current", func() error {
			for _, name := range []string{"SCHOOL", "BELFRY"} {
				info, err := c.streamInfo(within(t, 2*time.Second), name)
				if err != nil {
					return err
				}
				for _, peer := range replicasOf(info) {
					if !peer.Current {
						return fmt.Errorf("%s of %s is not", peer.Name, name)
					}
				}
			}
			return nil
		})
	}
	r.untilCaughtUp()
	r.wantRun(1, 4*each)
	if len(r.gaps) > 0 {
		t.Errorf("gaps reported: %v", r.gaps)
	}
	cluster.wait("reading the state", func() error {
		rec, err := store.Get(within(t, 2*time.Second))
		if err == nil && rec.Token != "without node 2" {
			t.Errorf("the state is %+v", rec)
		}
		return err
	})
}
