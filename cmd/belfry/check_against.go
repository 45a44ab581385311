package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/control"
	"github.com/belfry-bridge/belfry/internal/impact"
	"github.com/belfry-bridge/belfry/internal/stream"
	"github.com/belfry-bridge/belfry/internal/unnamed"
	"github.com/belfry-bridge/belfry/mapping"
)

// compare says what a reload would do to the running daemon.
func (o *checkOptions) compare(ctx context.Context, std stdio, c checked, env func(string) (string, bool)) error {
	if c.rules == nil && !c.problems.HasErrors() {
		return usageError{fmt.Errorf("cannot compare %s with a daemon: it holds tests, not rules", c.file)}
	}
	if c.problems.HasErrors() {
		printChecks(std, o.format, []checked{c})
		if o.format == "text" {
			fmt.Fprintln(std.out, "A reload would refuse this file and change nothing.")
		}
		return errTold
	}
	var was *mapping.RuleSet
	if o.was != "" {
		old, err := checkFiles([]string{o.was}, env)
		if err != nil {
			return usageError{err}
		}
		if was = old[0].rules; was == nil {
			fmt.Fprint(std.err, old[0].problems.Text())
			return fmt.Errorf("cannot compare with %s: it has errors", o.was)
		}
	}
	apps, left, err := o.liveApps(ctx, std, c.rules)
	if err != nil {
		return err
	}
	impacts := impact.Of(was, c.rules, apps, left, time.Now())
	if o.format == "json" {
		return printJSON(std.out, map[string]any{"problems": append(mapping.Problems{}, c.problems...), "reload": impacts})
	}
	printChecks(std, o.format, []checked{c})
	printImpacts(std.out, impacts, c.rules)
	return nil
}

// liveApps asks the daemon: who owns what over the control service, and the
// committed states from their stream, with those of apps that the rules do not name.
func (o *checkOptions) liveApps(ctx context.Context, std stdio, rules *mapping.RuleSet) (map[string]impact.Live, []unnamed.App, error) {
	o.ask.nats.url = o.against
	nc, err := o.ask.connect()
	if err != nil {
		return nil, nil, err
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	all, err := control.Overviews(ctx, nc)
	if err != nil {
		return nil, nil, err
	}
	js, err := clientOf(nc, o.stateStream)
	if err != nil {
		return nil, nil, err
	}
	apps := map[string]impact.Live{}
	for _, s := range owned(all) {
		l := impact.Live{Status: s}
		l.State, l.Unread = stateOf(ctx, js, s.App)
		l.Unread = denied(nc, l.Unread)
		apps[s.App] = l
	}
	for name := range rules.Apps {
		if _, runs := apps[name]; runs {
			continue
		}
		if state, err := stateOf(ctx, js, name); err == nil {
			apps[name] = impact.Live{Idle: true, State: state}
		}
	}
	leaving := func(app string) bool { _, runs := apps[app]; return runs }
	left, err := findUnnamed(ctx, js, rules, leaving, time.Now())
	if err != nil {
		fmt.Fprintln(std.err, "belfry: cannot tell whether an app is renamed:", denied(nc, err))
	}
	return apps, left, nil
}

// stateOf gives copies of a state, since planning uses one up.
func stateOf(ctx context.Context, js *stream.JetStream, app string) (func() *bridge.State, error) {
	record, err := committed(ctx, js, app)
	if err == nil && record.Sequence == 0 {
		err = errors.New("none is committed")
	}
	if err == nil {
		_, err = bridge.Decode(app, record.Data)
	}
	if err != nil {
		return func() *bridge.State { return nil }, err
	}
	return func() *bridge.State {
		s, _ := bridge.Decode(app, record.Data) // it was decoded before
		return s
	}, nil
}

func printImpacts(w io.Writer, impacts []impact.App, rules *mapping.RuleSet) {
	makePrintable(&impacts)
	for _, i := range impacts {
		fmt.Fprintf(w, "\napp %s: %s\n", i.App, i.Change)
		tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		var audiences map[string]*mapping.Audience
		if app := rules.Apps[i.App]; app != nil {
			audiences = app.Audiences
		}
		for _, d := range i.Digests {
			fmt.Fprintf(tab, "  %s\t%s\t%s\t%s\n", d.Becomes, bridge.DigestName(d.Audience, d.Template, d.Group), bridge.Plural(d.Items, "item", "items"), when(d, bridge.LocationOf(audiences[d.Audience])))
			for _, why := range d.Why {
				fmt.Fprintf(tab, "  \t  %s\n", why) // no cell of the column: it would make it as wide as itself
			}
		}
		_ = tab.Flush()
		if len(i.Digests) == 0 && !i.Unseen && i.Change != "added" && i.Change != "unnamed" {
			fmt.Fprintln(w, "  no digests wait")
		}
		for _, c := range i.Changes {
			fmt.Fprintln(w, "  "+c)
		}
		for _, u := range i.Unknown {
			fmt.Fprintln(w, "  not known: "+u)
		}
	}
}

func when(d impact.Digest, zone *time.Location) string {
	at := func(t time.Time) string { return t.In(zone).Format(stampLayout) }
	switch {
	case d.Will.IsZero() && d.Goes == impact.Unknown:
		return "when it goes is not known"
	case d.Will.IsZero():
		return "would not be sent before its items expire"
	case d.Goes == impact.Unknown:
		return "would go at " + at(d.Will)
	case d.Goes == impact.Same:
		return "would go as before, at " + at(d.Will)
	case d.Was.IsZero():
		return "would go at " + at(d.Will) + "; now it would not be sent before its items expire"
	}
	return fmt.Sprintf("would go %s: at %s instead of %s", d.Goes, at(d.Will), at(d.Was))
}
