package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/stream"
	"github.com/belfry-bridge/belfry/mapping"
)

// What is said where there are none, and where none is meant.
const (
	noLetters  = "no dead letters (those of a dry run: --app APP" + dryRunSuffix + ")"
	noneChosen = "no dead letters of that choice (belfry deadletter list without options lists all but those of dry runs)"
)

const (
	replayedSubject = stream.DeadLetterSubjects + "replayed" // the notes on what was replayed
	replayHeader    = "Belfry-Replay-Of"                     // of a replayed event: the id of its dead letter
	maxEarlier      = 1000                                   // anybody can write that header, also in a circle
)

// deadLetter is one dead letter as it was published.
type deadLetter struct {
	ID       string              `json:"id"`
	Reason   string              `json:"reason"`
	App      string              `json:"app"`
	Rule     string              `json:"rule,omitempty"`
	Error    string              `json:"error"`
	Stream   string              `json:"stream"`
	Sequence string              `json:"sequence"`
	Subject  string              `json:"subject"`
	Stored   string              `json:"stored"` // when the event was, RFC 3339
	Gone     bool                `json:"gone,omitempty"`
	GoneWhy  string              `json:"gone_why,omitempty"`
	Replayed int                 `json:"replayed"` // how often
	ReplayOf string              `json:"replay_of,omitempty"`
	Header   map[string][]string `json:"header,omitempty"`
	LeftOut  string              `json:"headers_left_out,omitempty"` // names, quoted
	Data     []byte              `json:"data"`                       // the event's own bytes; base64 in JSON

	earlier int // replays of the event, and of those that it is a replay of
}

// event tells one event from all others: several rules or apps may each have
// made a dead letter of it.
func (d *deadLetter) event() string { return d.Stream + ":" + d.Sequence + ":" + d.Stored }

func readDeadLetter(m jetstream.Msg) deadLetter {
	h := m.Headers()
	d := deadLetter{
		ID: h.Get(jetstream.MsgIDHeader), Reason: strings.TrimPrefix(m.Subject(), stream.DeadLetterSubjects),
		App: h.Get("Belfry-App"), Rule: h.Get("Belfry-Rule"), Error: h.Get("Belfry-Error"), Stream: h.Get("Belfry-Stream"),
		Sequence: h.Get("Belfry-Sequence"), Subject: h.Get("Belfry-Subject"), Stored: h.Get("Belfry-Time"),
		ReplayOf: h.Get(replayHeader), Gone: h.Get("Belfry-Gone") != "", GoneWhy: h.Get("Belfry-Gone"), LeftOut: h.Get("Belfry-Headers-Left-Out"), Header: map[string][]string{}, Data: m.Data(),
	}
	for name, v := range h {
		if !strings.HasPrefix(name, "Belfry-") && !strings.HasPrefix(name, "Nats-") {
			d.Header[name] = v
		}
	}
	return d
}

// choice says which dead letters are meant.
type choice struct {
	ids               []string
	reason, rule, app string
	since             time.Duration
	bare              bool // without the events' bytes
}

// deadReasons are all reasons of dead letters.
var deadReasons = []string{mapping.DeadUndecodable, mapping.DeadBatch, mapping.DeadExpression, mapping.DeadOversized}

// deadReason is one of them: with a misspelt one nothing would be found.
func deadReason(text string) error {
	if !slices.Contains(deadReasons, text) {
		return fmt.Errorf("want %s", strings.Join(deadReasons, ", "))
	}
	return nil
}

func (c *choice) flags(f *pflag.FlagSet) {
	checkedVar(f, &c.reason, deadReason, "reason", "", "only those with this reason: "+strings.Join(deadReasons, ", "))
	f.StringVar(&c.rule, "rule", "", "only those of this rule")
	f.StringVar(&c.app, "app", "", "only those of this app")
	f.Var((*spanFlag)(&c.since), "since", "only events stored no longer ago than this, such as 2h or 7d")
}

// valid refuses a length of time that is none: it would choose everything.
func (c *choice) valid(cmd *cobra.Command) error {
	if cmd.Flags().Changed("since") && c.since <= 0 {
		return usageError{errors.New("cannot use --since 0s: want a length of time such as 2h or 7d")}
	}
	return nil
}

func (c *choice) empty() bool {
	return len(c.ids) == 0 && c.reason == "" && c.rule == "" && c.app == "" && c.since == 0
}

func (c *choice) has(d *deadLetter, now time.Time) bool {
	if c.since > 0 {
		if at, err := time.Parse(time.RFC3339Nano, d.Stored); err == nil && now.Sub(at) > c.since {
			return false
		}
	}
	return (len(c.ids) == 0 || slices.Contains(c.ids, d.ID)) && (c.reason == "" || c.reason == d.Reason) &&
		(c.rule == "" || c.rule == d.Rule) && (c.app == d.App || c.app == "" && !isDryRun(d.App))
}

// letters reads the dead letters that are meant, and how often each was replayed.
func (p *publications) letters(ctx context.Context, js jetstream.JetStream, c choice) ([]deadLetter, error) {
	byID, order, replays := map[string]deadLetter{}, []string(nil), map[string]map[string]bool{}
	replayOf := map[string]string{} // also of those that are not meant
	now := time.Now()
	err := p.each(ctx, js, stream.DeadLetterSubjects+">", func(m jetstream.Msg) error {
		d := readDeadLetter(m)
		if d.ID == "" || d.Subject == "" {
			return nil // somebody else's, such as an acknowledgement: a replay must not end at it
		}
		if m.Subject() == replayedSubject {
			if replays[d.event()] == nil {
				replays[d.event()] = map[string]bool{}
			}
			replays[d.event()][d.ID] = true
			return nil
		}
		replayOf[d.ID] = d.ReplayOf
		if _, again := byID[d.ID]; !again && c.has(&d, now) {
			if c.bare {
				d.Data = nil // of a gigabyte of them, only the table is wanted
			}
			byID[d.ID] = d
			order = append(order, d.ID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]deadLetter, 0, len(order))
	for _, id := range order {
		d := byID[id]
		d.Replayed = len(replays[d.event()])
		d.earlier = d.Replayed
		for of := d.ReplayOf; of != "" && d.earlier < maxEarlier; of = replayOf[of] {
			d.earlier++
		}
		out = append(out, d)
	}
	return out, nil
}

func newDeadLetter(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deadletter",
		Short: "List, show and replay events that could not be decoded or evaluated",
	}
	cmd.AddCommand(newDeadLetterList(std), newDeadLetterShow(std), newDeadLetterReplay(std))
	return cmd
}

// withLetters connects, reads the dead letters that are meant, and hands them over.
func (p *publications) withLetters(ctx context.Context, c choice, use func(context.Context, jetstream.JetStream, []deadLetter) error) error {
	nc, err := p.connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("cannot use JetStream: %w", err)
	}
	letters, err := p.letters(ctx, js, c)
	if err != nil {
		return err
	}
	for _, id := range c.ids {
		if !slices.ContainsFunc(letters, func(d deadLetter) bool { return d.ID == id }) {
			return fmt.Errorf("cannot find the dead letter %q (see belfry deadletter list)", id)
		}
	}
	return use(ctx, js, letters)
}

func newDeadLetterList(std stdio) *cobra.Command {
	var p publications
	var c choice
	cmd := &cobra.Command{
		Use: "list", Short: "List dead letters", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.valid(cmd); err != nil {
				return err
			}
			c.bare = !p.json
			return p.withLetters(cmd.Context(), c, func(_ context.Context, _ jetstream.JetStream, letters []deadLetter) error {
				if p.json {
					return printJSON(std.out, letters)
				}
				if len(letters) == 0 && !c.empty() {
					fmt.Fprintln(std.out, noneChosen)
					return nil
				}
				printLetters(std.out, letters)
				return nil
			})
		},
	}
	p.flags(cmd)
	c.flags(cmd.Flags())
	return cmd
}

func printLetters(w io.Writer, letters []deadLetter) {
	if len(letters) == 0 {
		fmt.Fprintln(w, noLetters)
		return
	}
	makePrintable(&letters)
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := range letters {
		d := &letters[i]
		note := ""
		if d.Replayed > 0 {
			note = "  (replayed " + bridge.Plural(d.Replayed, "time", "times") + ")"
		}
		if d.ReplayOf != "" {
			note += "  (a replay of " + d.ReplayOf + ")"
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\t%s %s\t%s%s\n", d.ID, storedAt(d), d.Reason, cmp.Or(d.Rule, "-"), d.Subject, d.Stream, d.Sequence, d.Error, note)
	}
	_ = tab.Flush()
}

// storedAt is when the event was stored, as all times are shown.
func storedAt(d *deadLetter) string {
	at, err := time.Parse(time.RFC3339Nano, d.Stored)
	if err != nil {
		return d.Stored
	}
	return stamp(at)
}

func newDeadLetterShow(std stdio) *cobra.Command {
	var p publications
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show one dead letter in full, with the event's own bytes", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withLetters(cmd.Context(), choice{ids: args, app: appOfLetter(args[0])}, func(_ context.Context, _ jetstream.JetStream, letters []deadLetter) error {
				if p.json {
					return printJSON(std.out, letters[0])
				}
				printLetter(std.out, &letters[0])
				return nil
			})
		},
	}
	p.flags(cmd)
	return cmd
}

// appOfLetter lets the dead letters of dry runs be shown by their id.
func appOfLetter(id string) string {
	app, _, dry := strings.Cut(strings.TrimPrefix(id, "dl-"), dryRunSuffix)
	if !dry {
		return ""
	}
	return app + dryRunSuffix
}

func printLetter(w io.Writer, d *deadLetter) {
	makePrintable(d)
	row := func(name, text string) { fmt.Fprintf(w, "%-9s %s\n", name, text) }
	row("id", d.ID)
	row("reason", d.Reason)
	row("error", d.Error)
	row("app", d.App)
	if d.Rule != "" {
		row("rule", d.Rule)
	}
	row("event", fmt.Sprintf("%s of %s, stored %s", d.Sequence, d.Stream, d.Stored))
	row("subject", d.Subject)
	row("replayed", bridge.Plural(d.Replayed, "time", "times"))
	if d.ReplayOf != "" {
		row("replay of", d.ReplayOf)
	}
	for _, name := range sortedKeys(d.Header) {
		row("header", printable(name)+": "+strings.Join(d.Header[name], ", "))
	}
	if d.LeftOut != "" {
		row("left out", d.LeftOut+" (headers that NATS's clients cannot write; a replay goes without them)")
	}
	if d.Gone {
		fmt.Fprintf(w, "\nThe event's bytes are not here: %s.\n", d.GoneWhy)
		return
	}
	fmt.Fprintln(w)
	for line := range strings.Lines(string(d.Data)) { // as they are: --json
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		for i := range cells {
			cells[i] = printable(cells[i])
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
}
