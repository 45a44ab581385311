package main

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/sandbox"
)

// line is one replica's way to NATS. It can be cut so that neither end
// notices: bytes wait, and arrive when it is mended, however late they are.
type line struct {
	listener net.Listener
	server   string
	there    sync.RWMutex // held for writing while nothing reaches NATS
	back     sync.RWMutex // held for writing while nothing reaches the replica

	mu    sync.Mutex // guards conns
	conns []net.Conn
}

func startLine(t testing.TB, natsURL string) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{listener: listener, server: strings.TrimPrefix(natsURL, "nats://")}
	var work sync.WaitGroup
	work.Go(func() { l.accept(&work) })
	t.Cleanup(func() {
		_ = listener.Close()
		l.mu.Lock()
		for _, c := range l.conns {
			_ = c.Close()
		}
		l.mu.Unlock()
		work.Wait()
	})
	return l
}

func (l *line) url() string { return "nats://" + l.listener.Addr().String() }

func (l *line) accept(work *sync.WaitGroup) {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", l.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		l.mu.Lock()
		l.conns = append(l.conns, client, server)
		l.mu.Unlock()
		work.Go(func() { pipe(client, server, &l.back) })
		work.Go(func() { pipe(server, client, &l.there) })
	}
}

func pipe(to, from net.Conn, cut *sync.RWMutex) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		cut.RLock()
		_, writeErr := to.Write(buf[:n])
		cut.RUnlock()
		if err != nil || writeErr != nil {
			_ = to.Close()
			_ = from.Close()
			return
		}
	}
}

// cut cuts the line in one direction, or in both, until it is mended.
func (l *line) cut(there, back bool) (mend func()) {
	if there {
		l.there.Lock()
	}
	if back {
		l.back.Lock()
	}
	return func() {
		if there {
			l.there.Unlock()
		}
		if back {
			l.back.Unlock()
		}
	}
}

// The network is cut between NATS and one replica, mostly the owner, again and
// again, while the provider can be reached from both sides. Some cuts are
// shorter than a lease; after the others two replicas have believed to own the
// app, and what the old one wrote meanwhile arrives late.
func TestChaosEveryEventLeavesOnceWhateverPartOfTheNetworkIsCut(t *testing.T) {
	long(t)
	t.Parallel()
	natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
	c := newChaos(t, natsURL, 1, 20+30**chaosKills, func(s *sandbox.Config) { s.Latency = 500 * time.Millisecond }) // many cuts fall into a send
	var lines []*line
	for range 3 {
		l := startLine(t, natsURL)
		c.natsURL = l.url()
		lines, c.town = append(lines, l), append(c.town, c.launch(""))
	}
	c.natsURL = natsURL
	c.publish()
	// Whether a cut makes another replica the owner is a matter of chance: so
	// there are more of them until that has happened.
	least := max(4, *chaosKills/4)
	owners, last := 0, ""
	for cuts := 0; cuts < least || owners < 3 && cuts < 5*least; cuts++ {
		c.until("somebody owns the app", func() bool {
			c.resolve()
			return c.ownerStatus().Role == bridge.RoleOwner
		})
		if owner, _ := c.stateToken(); owner != last {
			owners, last = owners+1, owner
		}
		victim := c.random.IntN(len(lines))
		for i, r := range c.town {
			if c.random.IntN(4) > 0 && r.status().Role == bridge.RoleOwner {
				victim = i
			}
		}
		oneWay := c.random.IntN(4) // 2: only what it asks is late, 3: only what it is answered
		mend := lines[victim].cut(oneWay != 3, oneWay != 2)
		time.Sleep(time.Duration(200+c.random.IntN(6000)) * time.Millisecond) // how long it is cut
		mend()
	}
	result := c.settle("3 replicas, each cut off from NATS at times")
	if result.once == 0 || owners < 3 {
		t.Errorf("the run has proved nothing: %d owners, %v", owners, result)
	}
}
