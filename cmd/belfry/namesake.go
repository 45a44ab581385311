package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/unnamed"
	"github.com/belfry-bridge/belfry/mapping"
)

// namesakes are the states of the apps that the rules do not name. Every app
// asks for them with every claim, and at a start all of them do at once: so those
// who ask at the same time share what is read. If each read for itself, their
// leases could not be renewed beside that, and all would be claimed again, for ever.
type namesakes struct {
	asking atomic.Int32
	turn   chan struct{} // capacity 1: of whoever reads or looks, and of all that follows

	begun  time.Time // the reading
	rules  *mapping.RuleSet
	states map[string]*bridge.State
}

func newNamesakes() *namesakes { return &namesakes{turn: make(chan struct{}, 1)} }

// use lets look see what was read after it had been asked for.
func (n *namesakes) use(ctx context.Context, read func(context.Context) (*mapping.RuleSet, map[string]*bridge.State, error), look func(*mapping.RuleSet, map[string]*bridge.State) error) error {
	asked := time.Now()
	n.asking.Add(1)
	select {
	case n.turn <- struct{}{}:
	case <-ctx.Done():
		n.asking.Add(-1)
		return ctx.Err()
	}
	defer func() {
		if n.asking.Add(-1) == 0 { // they may be large
			n.rules, n.states, n.begun = nil, nil, time.Time{}
		}
		<-n.turn
	}()
	if !n.begun.After(asked) {
		begun := time.Now()
		rules, states, err := read(ctx)
		if err != nil {
			return err
		}
		n.begun, n.rules, n.states = begun, rules, states
	}
	return look(n.rules, n.states)
}

// unnamedStates reads the states that can be decoded of apps that the rules do not
// name. It keeps those that may be an app of the rules: another daemon's may be many.
func (d *daemon) unnamedStates(ctx context.Context) (*mapping.RuleSet, map[string]*bridge.State, error) {
	rs := d.rulesFile.current()
	names, err := unnamedApps(ctx, d.js, rs)
	if err != nil {
		return nil, nil, err
	}
	states := map[string]*bridge.State{}
	for _, name := range names {
		s, err := readState(ctx, d.js, name)
		if err != nil {
			return nil, nil, err
		}
		if s != nil && slices.ContainsFunc(sortedKeys(rs.Apps), func(app string) bool { return !s.OtherKey(rs.Apps[app]) }) {
			states[name] = s
		}
	}
	return rs, states, nil
}

// namesake says why an app must not send yet: it has sent under another name
// since an instant (zero: ever, it begins without a state). What the rules
// name, too, is another app.
func (d *daemon) namesake(ctx context.Context, name string, since time.Time) (string, error) {
	if d.opts.dryRun {
		return "", nil
	}
	var why []string
	err := d.namesakes.use(ctx, d.unnamedStates, func(rs *mapping.RuleSet, states map[string]*bridge.State) error {
		app := rs.Apps[name]
		if app == nil {
			return nil
		}
		for _, other := range sortedKeys(states) {
			s := states[other]
			if s.OtherKey(app) {
				continue
			}
			runs, err := d.js.Runs(ctx, other)
			if err != nil {
				return err
			}
			keyed, sent := s.Key != "", s.SentWith(app, since)
			u := unnamed.Of(other, s, rs, nil, time.Now())
			loses := u.Renamed([]string{name})
			if !since.IsZero() {
				loses = u.Returned(name)
			}
			switch {
			case keyed && runs && (sent || since.IsZero()):
				why = append(why, fmt.Sprintf("a replica with other rules runs %s, which has the same App Key: both would send what they read, each with a quota of its own; %s", other, loses))
			case keyed && sent:
				why = append(why, fmt.Sprintf("the stream %s has the state of %s, which has the same App Key and has sent; %s", d.opts.stateStream, other, loses))
			case !keyed && sent && !runs && len(u.Sends) > 0: // of an older build, which did not say whose key it is
				why = append(why, fmt.Sprintf("the stream %s has the state of %s, which the rules do not name and which may have the same App Key; %s", d.opts.stateStream, other, loses))
			}
		}
		return nil
	})
	return strings.Join(why, "; and "), err
}
