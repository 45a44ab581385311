package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/stream"
	"github.com/belfry-bridge/belfry/internal/unnamed"
	"github.com/belfry-bridge/belfry/mapping"
)

// unnamedEvery is how often the stream is searched for such states: one small
// request, unless there is one.
const unnamedEvery = time.Minute

// findUnnamed searches the stream for states of apps that the rules do not
// name. Those that a replica runs are another daemon's, and left out, unless
// leaving says that the rules would take them away.
func findUnnamed(ctx context.Context, js *stream.JetStream, rs *mapping.RuleSet, leaving func(app string) bool, now time.Time) ([]unnamed.App, error) {
	apps, err := unnamedApps(ctx, js, rs)
	if err != nil {
		return nil, err
	}
	var idle []string
	for _, app := range apps {
		runs, err := js.Runs(ctx, app)
		if err != nil {
			return nil, err
		}
		if !runs || leaving(app) {
			idle = append(idle, app)
		}
	}
	states, err := readStates(ctx, js, idle)
	if err != nil || len(states) == 0 {
		return nil, err
	}
	named, err := readStates(ctx, js, sortedKeys(rs.Apps))
	if err != nil {
		return nil, err
	}
	return unnamed.Find(states, named, rs, now), nil
}

// unnamedApps are the apps of the stream that the rules do not name. A dry run
// is nobody's.
func unnamedApps(ctx context.Context, js *stream.JetStream, rs *mapping.RuleSet) ([]string, error) {
	apps, err := js.Apps(ctx)
	return slices.DeleteFunc(apps, func(app string) bool { return rs.Apps[app] != nil || isDryRun(app) }), err
}

// readState returns nil where there is no state that can be decoded.
func readState(ctx context.Context, js *stream.JetStream, app string) (*bridge.State, error) {
	record, err := js.Store(app).Get(ctx)
	if err != nil || record.Sequence == 0 {
		return nil, err
	}
	s, err := bridge.Decode(app, record.Data)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // its owner complains, where it has one
	}
	return s, nil
}

// readStates reads the states of apps, as far as there are any.
func readStates(ctx context.Context, js *stream.JetStream, apps []string) (map[string]*bridge.State, error) {
	states := map[string]*bridge.State{}
	for _, app := range apps {
		s, err := readState(ctx, js, app)
		if err != nil {
			return nil, err
		}
		if s != nil {
			states[app] = s
		}
	}
	return states, nil
}

// watchUnnamed keeps the condition true, beginning at once and after every
// reload. The quota of a dry run is nobody's.
func (d *daemon) watchUnnamed(ctx context.Context) {
	if d.opts.dryRun {
		return
	}
	tick := time.NewTicker(unnamedEvery)
	defer tick.Stop()
	said := map[string]bool{}
	for {
		if err := d.lookForUnnamed(ctx, said); err != nil && ctx.Err() == nil {
			d.log.Debug("cannot look for the states of apps that the rules do not name", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-d.reloaded:
			clear(said)
		case <-tick.C:
		}
	}
}

// lookForUnnamed looks once. said are the apps without sends of which the log
// has told.
func (d *daemon) lookForUnnamed(ctx context.Context, said map[string]bool) error {
	rs := d.rulesFile.current()
	all, err := findUnnamed(ctx, d.js, rs, func(string) bool { return false }, time.Now())
	if err != nil {
		return err
	}
	holds := map[string]bool{}
	for _, u := range all {
		remedy := "name it again, if it is still wanted"
		if len(u.Names) > 0 {
			remedy += "; " + u.Outlook()
		}
		switch {
		case u.Matters():
			holds[u.Name] = true
			counts := ""
			if len(u.Sends) > 0 {
				counts = ", and sends of it that count until " + u.Until.UTC().Format("2 Jan 15:04 MST")
			}
			d.conditions.Set(stream.AppUnnamed, u.Name, fmt.Sprintf("the stream %s has the state of the app %s, which the rules do not name, with %s%s: nobody sends what waits; %s",
				d.opts.stateStream, u.Name, u.Holds(), counts, remedy))
		case !said[u.Name]:
			said[u.Name] = true
			d.log.Info("the stream has the state of an app that the rules do not name; nothing of it waits", "app", u.Name)
		}
	}
	for _, c := range d.conditions.Active() {
		if c.Name == string(stream.AppUnnamed) && !holds[c.About] {
			d.conditions.Clear(stream.AppUnnamed, c.About)
		}
	}
	return nil
}
