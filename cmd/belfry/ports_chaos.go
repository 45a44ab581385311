//go:build chaos

package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// failpointVar names the point at which this process ends itself, and how:
// "[stop@]<point>[:<n>]". At the n-th time that the point is reached (the
// first, without n) the process kills itself with SIGKILL, or suspends itself
// with SIGSTOP. Only builds with the tag chaos have this.
//
// The points are before- and after- each of: claim-commit, checkpoint-commit,
// sending-commit, outcome-commit, send, publish.
const failpointVar = "BELFRY_FAILPOINT"

// wrapPorts puts failpoints around the ports of an app. It panics when the
// variable is malformed: a harness that does not do what it says is worse
// than none.
func wrapPorts(c bridge.Config) bridge.Config {
	f := parseFailpoint(os.Getenv(failpointVar))
	if f == nil {
		return c
	}
	c.Store = &failingStore{Store: c.Store, failpoint: f, app: c.Rules.App.Name}
	c.Publisher = &failingPublisher{c.Publisher, f}
	provider := c.Provider
	c.Provider = func(app *mapping.App) (bridge.Provider, error) {
		p, err := provider(app)
		return &failingProvider{p, f}, err
	}
	return c
}

type failpoint struct {
	name   string
	signal syscall.Signal

	mu   sync.Mutex // guards left
	left int        // times until it acts
}

func parseFailpoint(text string) *failpoint {
	if text == "" {
		return nil
	}
	f := &failpoint{signal: syscall.SIGKILL, left: 1}
	if rest, ok := strings.CutPrefix(text, "stop@"); ok {
		f.signal, text = syscall.SIGSTOP, rest
	}
	name, times, counted := strings.Cut(text, ":")
	if f.name = name; !counted {
		return f
	}
	n, err := strconv.Atoi(times)
	if err != nil || n < 1 {
		panic(fmt.Sprintf("cannot use %s=%s: want a number of 1 or more after the colon", failpointVar, text))
	}
	f.left = n
	return f
}

// reach acts if this is the point and the time for it. After SIGKILL it does
// not return; after SIGSTOP it returns when the process goes on.
func (f *failpoint) reach(name string) {
	if name != f.name {
		return
	}
	f.mu.Lock()
	f.left--
	now := f.left == 0
	f.mu.Unlock()
	if !now {
		return
	}
	fmt.Fprintln(os.Stderr, "failpoint", name, f.signal)
	before := time.Now()
	_ = syscall.Kill(os.Getpid(), f.signal)
	if f.signal == syscall.SIGKILL {
		select {} // the signal is on its way
	}
	// This thread may run on for a moment before all are stopped, and must
	// go on at once when they are not any more: so it looks for the jump.
	for now := time.Now(); now.Sub(before) < time.Second; now = time.Now() {
		before = now
		time.Sleep(100 * time.Microsecond)
	}
}

type failingStore struct {
	bridge.Store
	*failpoint
	app string

	token, kind string // of the latest commit, which may be tried again
	epoch       uint64
	sending     bool
}

func (s *failingStore) Put(ctx context.Context, data []byte, token string, expect uint64) (uint64, error) {
	kind := s.kindOf(data, token)
	s.reach("before-" + kind)
	sequence, err := s.Store.Put(ctx, data, token, expect)
	s.reach("after-" + kind)
	return sequence, err
}

// kindOf says what a commit is for: it is told by what it changes.
func (s *failingStore) kindOf(data []byte, token string) string {
	if token == s.token {
		return s.kind
	}
	state, err := bridge.Decode(s.app, data)
	if err != nil {
		panic(fmt.Sprintf("cannot read what is about to be committed: %v", err))
	}
	switch {
	case state.Epoch != s.epoch:
		s.kind = "claim-commit"
	case state.Sending != nil && !s.sending:
		s.kind = "sending-commit"
	case state.Sending == nil && s.sending:
		s.kind = "outcome-commit"
	default:
		s.kind = "checkpoint-commit"
	}
	s.token, s.epoch, s.sending = token, state.Epoch, state.Sending != nil
	return s.kind
}

type failingProvider struct {
	bridge.Provider
	*failpoint
}

func (p *failingProvider) Send(ctx context.Context, s bridge.Send) bridge.Outcome {
	p.reach("before-send")
	defer p.reach("after-send")
	return p.Provider.Send(ctx, s)
}

type failingPublisher struct {
	bridge.Publisher
	*failpoint
}

func (p *failingPublisher) Publish(ctx context.Context, m bridge.Publication) error {
	p.reach("before-publish")
	err := p.Publisher.Publish(ctx, m)
	if err == nil {
		p.reach("after-publish")
	}
	return err
}
