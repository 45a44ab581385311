package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/belfry-bridge/belfry/bridge"
)

func newStatus(std stdio) *cobra.Command {
	var a asking
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show who owns which app, the quota, what waits, and what is wrong",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := a.overviews(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(std.out, all)
			}
			printStatus(std.out, all, a.nats.again())
			return nil
		},
	}
	a.flags(cmd)
	return cmd
}

func newDigests(std stdio) *cobra.Command {
	var a asking
	cmd := &cobra.Command{
		Use:   "digests",
		Short: "Show every digest: what it holds, when it goes, and why not now",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := a.overviews(cmd.Context())
			if err != nil {
				return err
			}
			apps := owned(all)
			if a.json {
				return printJSON(std.out, apps)
			}
			printAllDigests(std.out, apps)
			printLeftOut(std.out, all)
			return nil
		},
	}
	a.flags(cmd)
	return cmd
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printStatus ends the orders that it proposes with what says where to.
func printStatus(w io.Writer, all []bridge.Overview, where string) {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, o := range all {
		state := "ready"
		if !o.Ready {
			state = "NOT READY"
		}
		fmt.Fprintf(tab, "replica %s\t%s\tsince %s\t%s\n", o.Name, state, stamp(o.Started), o.Replica)
		for _, c := range o.Conditions {
			fmt.Fprintf(tab, "  trouble\t%s %s\tsince %s\t%s\n", c.Name, c.About, stamp(c.Since), c.Message)
		}
		for _, p := range o.Rules.Problems {
			fmt.Fprintf(tab, "  rules refused\t%s\n", p)
		}
		for _, s := range o.Apps {
			fmt.Fprintf(tab, "  app %s\t%s\tsince %s\t\n", s.App, s.Role, stamp(s.Since))
		}
	}
	_ = tab.Flush()
	printRules(w, all)
	printBuilds(w, all)
	for _, s := range owned(all) {
		printApp(w, s, loadedBy(all, s.Replica), where)
	}
	printLeftOut(w, all)
}

// differ reports whether replicas of one app have different versions of something.
func differ(all []bridge.Overview, version func(bridge.Overview) string) bool {
	versions := map[string]string{} // by app
	for _, o := range all {
		for _, s := range o.Apps {
			v, known := version(o), versions[s.App]
			if v != "" && known != "" && v != known {
				return true
			}
			versions[s.App] = cmp.Or(known, v)
		}
	}
	return false
}

// printRules tells of replicas of one app with different rules: whoever takes it
// over would go on by others. During an update it is so for a moment. Replicas
// that share no app, such as a dry run, have rules of their own.
func printRules(w io.Writer, all []bridge.Overview) {
	if !differ(all, func(o bridge.Overview) string { return o.Rules.Version }) {
		return
	}
	fmt.Fprintln(w, "\nRULES DIFFER between replicas: after a takeover others would be in force; give all the same file")
	for _, o := range all {
		fmt.Fprintf(w, "  replica %s\t%s, version %s, loaded %s\n", o.Name, o.Rules.File, o.Rules.Version, stamp(o.Rules.Loaded))
	}
}

// printBuilds tells of replicas of one app with different builds: an older one
// cannot read the state of a newer one. During an upgrade it says who is left.
func printBuilds(w io.Writer, all []bridge.Overview) {
	if !differ(all, func(o bridge.Overview) string { return o.Version }) {
		return
	}
	fmt.Fprintln(w, "\nBUILDS DIFFER between replicas: an older one may be unable to read what a newer one has stored; upgrade all soon")
	for _, o := range all {
		fmt.Fprintf(w, "  replica %s\t%s\n", o.Name, o.Version)
	}
}

func printMutes(w io.Writer, mutes []bridge.Mute, here string) {
	for _, m := range mutes {
		scope := m.Scope()
		if m.Void {
			scope += " (which the rules do not have: NOTHING IS MUTED)"
		}
		fmt.Fprintf(w, "  muted     %s: %s until %s, %s (belfry unmute %[1]s%[5]s)\n", m.ID, scope, stamp(m.Until), m.Why, here)
	}
}

// printLeftOut says what the answers had no room for.
func printLeftOut(w io.Writer, all []bridge.Overview) {
	for _, o := range all {
		if o.LeftOut != "" {
			fmt.Fprintf(w, "\nreplica %s left out %s: they have no room in a message; its own page /status has them\n", o.Name, o.LeftOut)
		}
	}
}

// latest says when the last of several was.
func latest(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return ", the last at " + stamp(at)
}

// loadedBy is when a replica has loaded its rules.
func loadedBy(all []bridge.Overview, replica string) (at time.Time) {
	for _, o := range all {
		if o.Replica == replica {
			at = o.Rules.Loaded
		}
	}
	return at
}

func printApp(w io.Writer, s bridge.Status, loaded time.Time, where string) {
	fmt.Fprintf(w, "\napp %s", s.App)
	if s.Role != bridge.RoleOwner {
		fmt.Fprintf(w, ": %s\n", ownerless(s))
		return
	}
	fmt.Fprintf(w, "  epoch %d, commit %d\n", s.Epoch, s.Commit)
	here := " --app " + s.App + where
	printHalts(w, s, here)
	fmt.Fprintf(w, "  sends     %d left now", s.Left)
	for _, q := range s.Quota {
		fmt.Fprintf(w, "; %d of %d used this %s", q.Used, q.Max, q.Window)
	}
	if s.Left == 0 && !s.NextSend.IsZero() {
		fmt.Fprintf(w, "; next at %s", stamp(s.NextSend))
	}
	fmt.Fprintln(w)
	for _, sp := range s.External {
		fmt.Fprintf(w, "            of which %s at %s, %s (belfry quota take-back %[4]s%[5]s)\n", sp.ID, stamp(sp.At), sp.Why, bridge.Quoted(sp.ID), here)
	}
	c := s.Counts
	fmt.Fprintf(w, "  events    %d read: %d matched, %d matched no rule, %s\n", c.Read, c.Matched, c.Unmatched,
		bridge.Plural(int(c.Dead), "dead letter", "dead letters"))
	if c.DeadLetters > c.Dead { // of an event that another rule matched, or of several rules
		fmt.Fprintf(w, "  letters   %s in all (belfry deadletter list%s)\n", bridge.Plural(int(c.DeadLetters), "dead letter", "dead letters"), here)
	}
	fmt.Fprintf(w, "  items     %d: %d sent, %d replaced, %d cancelled, %d expired, %d muted, %d rejected, %d waiting\n",
		c.Items, c.Sent, c.Replaced, c.Cancelled, c.Expired, c.Muted, c.Rejected, s.Waiting)
	if c.Gaps > 0 {
		fmt.Fprintf(w, "  gaps      %d%s: events were lost before they were read; the results \"gap\" name them\n", c.Gaps, latest(s.GapAt))
	}
	if c.Overflowed > 0 {
		fmt.Fprintf(w, "  overflow  %s found no room\n", bridge.Plural(int(c.Overflowed), "item", "items"))
	}
	if isDryRun(s.App) {
		fmt.Fprintf(w, "  dry run   %s would have been sent\n", bridge.Plural(int(c.DryRun), "item", "items"))
	}
	printFailing(w, s, loaded, where)
	printMutes(w, s.Mutes, here)
	if s.Sending != nil {
		fmt.Fprintf(w, "  sending   %s, %s, since %s\n", s.Sending.ID, s.Sending.Name(), stamp(s.Sending.Started))
	}
	for _, b := range s.InDoubt {
		fates, from := b.Fates.String(), ""
		if fates != "" {
			fates = " (" + fates + ")"
		}
		if b.Arrived.After(s.At) {
			from = ", from " + stamp(b.Arrived) + " on"
		}
		fmt.Fprintf(w, "  IN DOUBT  %s, %s, %s, since %s: %s\n"+
			"            if it was sent:     belfry resolve %[1]s --sent%[6]s\n            if it was not sent%[8]s: belfry resolve %[1]s --not-sent%[6]s%[7]s\n",
			b.ID, b.Name(), bridge.Plural(b.Count, "item", "items"), stamp(b.Started), b.Message, where, fates, from)
	}
	fmt.Fprintf(w, "  digests   %d", len(s.Digests))
	if n, events := orphaned(s); n > 0 {
		fmt.Fprintf(w, ", %d of them orphaned with %s: the rules no longer have %s audience or template, or address others with it", n,
			bridge.Plural(events, "event", "events"), its(n))
	}
	fmt.Fprintf(w, " (belfry digests%s)\n", where)
}

// printFailing tells what has failed of rules that may have been mended since.
func printFailing(w io.Writer, s bridge.Status, loaded time.Time, where string) {
	for _, rule := range sortedKeys(s.Failed) {
		state, see := "failing", ""
		if f, ok := s.FailedOn[rule]; ok {
			when := latest(f.At)
			if f.Past(loaded) {
				state, when = "failed ", when+", before the rules in force were loaded"
			}
			see = fmt.Sprintf("%s: %s: %s (belfry explain --stream %s --seq %d%s)", when, f.Part, f.Error, bridge.Quoted(f.Stream), f.Sequence, where)
		}
		fmt.Fprintf(w, "  %s   rule %s: an expression failed on %s%s\n", state, rule, bridge.Plural(s.Failed[rule], "event", "events"), see)
	}
}

// ownerless says of an app that has no owner why.
func ownerless(s bridge.Status) string {
	switch {
	case s.Role == bridge.RoleDraining && s.Sending != nil:
		return fmt.Sprintf("is being handed over, once the broadcast %s, %s, has come to its end; orders wait for the next owner", s.Sending.ID, s.Sending.Name())
	case s.Role == bridge.RoleDraining:
		return "is being handed over; orders wait for the next owner"
	}
	return "nobody owns it at this moment; orders wait for an owner"
}

// printHalts says what keeps an app from sending at all.
func printHalts(w io.Writer, s bridge.Status, here string) {
	if !s.CaughtUp {
		fmt.Fprintln(w, "  catching up: nothing is sent until the backlog is read")
	}
	if s.Paused != nil {
		fmt.Fprintf(w, "  PAUSED since %s: %s (belfry resume%s)\n", stamp(s.Paused.Since), s.Paused.Why, here)
	}
	if s.TooManyInDoubt() {
		fmt.Fprintf(w, "  STOPPED: %d broadcasts are in doubt, and nothing more is sent until one is resolved\n", len(s.InDoubt))
	}
	if s.Backoff.Holds(s.At) {
		what := "CANNOT SEND"
		if s.Backoff.Throttled {
			what = "THROTTLED"
		}
		if s.Backoff.Times > 1 {
			what += fmt.Sprintf(" %d times", s.Backoff.Times)
		}
		fmt.Fprintf(w, "  %s since %s; nothing is sent before %s: %s\n            %s\n", what, stamp(s.Backoff.Since), stamp(s.Backoff.Until), s.Backoff.Why, s.Backoff.Remedy())
	}
}

func its(n int) string {
	if n == 1 {
		return "its"
	}
	return "their"
}

// orphaned counts the digests that the rules no longer have a place for.
func orphaned(s bridge.Status) (digests, events int) {
	for _, d := range s.Digests {
		if d.State == bridge.StateOrphaned {
			digests++
			events += d.Events
		}
	}
	return digests, events
}

func printAllDigests(w io.Writer, apps []bridge.Status) {
	for _, s := range apps {
		if len(apps) > 1 && s.Role == bridge.RoleOwner && len(s.Digests)+len(s.InDoubt) > 0 {
			fmt.Fprintf(w, "app %s\n", s.App)
		}
		printDigests(w, s)
	}
}

func printDigests(w io.Writer, s bridge.Status) {
	if s.Role != bridge.RoleOwner {
		fmt.Fprintf(w, "app %s: %s\n", s.App, ownerless(s))
		return
	}
	if b := s.Sending; b != nil {
		fmt.Fprintf(w, "%s  %s  being sent since %s\n", b.ID, b.Name(), stamp(b.Started))
		printTexts(w, b.Texts)
	}
	for _, b := range s.InDoubt {
		fmt.Fprintf(w, "%s  %s  IN DOUBT since %s: %s\n", b.ID, b.Name(), stamp(b.Started), b.Message)
		if fates := b.Fates.String(); fates != "" {
			fmt.Fprintf(w, "  if it was not sent, %s\n", fates)
		}
		printTexts(w, b.Texts)
	}
	for _, d := range s.Digests {
		about := ""
		if d.Approximate {
			about = "about "
		}
		miss := ""
		if d.Misses() {
			miss = "WILL NOT LEAVE before its first item expires. "
		}
		fmt.Fprintf(w, "%s  %s  %s%s, %s\n  %s%s\n", d.Digest, d.Name(), about, bridge.Plural(d.Count, "item", "items"), d.Priority, miss, d.Why)
		printTexts(w, d.Texts)
	}
	switch {
	case len(s.Digests)+len(s.InDoubt) > 0 || s.Sending != nil:
	case s.Waiting > 0:
		fmt.Fprintf(w, "app %s: %s, whose digests had no room in the answer\n", s.App, bridge.Plural(s.Waiting, "item waits", "items wait"))
	default:
		fmt.Fprintf(w, "app %s: no digests; nothing waits to be said\n", s.App)
	}
}

func printTexts(w io.Writer, texts []string) {
	for _, t := range texts {
		fmt.Fprintf(w, "    • %s\n", t)
	}
}

const stampLayout = "2006-01-02 15:04:05 MST"

func stamp(t time.Time) string { return t.Local().Format(stampLayout) }
