package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/simulate"
	"github.com/belfry-bridge/belfry/internal/stream"
	"github.com/belfry-bridge/belfry/mapping"
)

// explainOptions are the flags of explain.
type explainOptions struct {
	ask         asking
	env         envFile
	rules       string
	subject     string
	headers     []string
	stream      string
	seq         uint64
	at          string
	live        bool
	stateStream string
}

func newExplain(std stdio) *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain [FILE | -]",
		Short: "Say what the rules make of one event, and why",
		Long: `Takes one event from a file, from standard input (-), or from a stream (--stream and --seq, over NATS).
For each rule on its subject it says whether the rule matches, with the value of every part of the
condition; then the key, the item, the digest that it would join, the request that would be sent, and when.

When it would go depends on the sends that are left: all of them, unless --live reads the ledger and the
digests that the daemon committed last. Either way the event is taken to arrive now (or --at), with no
other after it. Nothing is sent or changed.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), std, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.rules, "rules", "rules.yaml", "rules file")
	f.StringVar(&o.subject, "subject", "", "NATS subject of the event; with --stream the stored one by default")
	f.StringArrayVar(&o.headers, "header", nil, "NATS header as Name=value, such as ce-type=lesson; may be repeated")
	checkedVar(f, &o.stream, streamName, "stream", "", "stream to read the event from, or its name for the rules with a file")
	f.Uint64Var(&o.seq, "seq", 0, "sequence of the event in --stream")
	f.StringVar(&o.at, "at", "", "time at which the event arrives, RFC 3339; now by default")
	f.BoolVar(&o.live, "live", false, "plan with the ledger and the digests of the running daemon")
	checkedVar(f, &o.stateStream, streamName, "state-stream", stream.DefaultStateStream, "with --live: stream of the durable state")
	o.env.flags(cmd)
	o.ask.flags(cmd)
	return cmd
}

func (o *explainOptions) run(ctx context.Context, std stdio, args []string) error {
	now, err := o.arrival(args)
	if err != nil {
		return err
	}
	env, err := o.env.lookup(std.env)
	if err != nil {
		return usageError{err}
	}
	checks, err := checkFiles([]string{o.rules}, env)
	if err != nil {
		return usageError{err}
	}
	rules := checks[0].rules
	if rules == nil {
		fmt.Fprint(std.err, checks[0].problems.Text())
		return fmt.Errorf("cannot explain with %s: it has errors", o.rules)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	m, err := o.message(ctx, std.in, args, rules, now)
	if err != nil {
		return err
	}
	states, err := o.states(ctx, rules)
	if err != nil {
		return err
	}
	explained := explain(rules, m, now, states)
	if o.ask.json {
		return printJSON(std.out, explained)
	}
	printExplained(std.out, explained, m, rules.File, o.live)
	return nil
}

// arrival checks the flags, and says when the event is to arrive.
func (o *explainOptions) arrival(args []string) (time.Time, error) {
	switch {
	case len(args) == 0 && o.seq == 0:
		return time.Time{}, usageError{errors.New("cannot tell which event: name a FILE, - for standard input, or --stream and --seq")}
	case len(args) == 1 && o.seq != 0:
		return time.Time{}, usageError{errors.New("cannot take the event from a file and from a stream: leave out one of FILE and --seq")}
	case o.seq != 0 && o.stream == "":
		return time.Time{}, usageError{errors.New("cannot read event --seq without --stream")}
	case len(args) == 1 && o.subject == "":
		return time.Time{}, usageError{errors.New("cannot explain an event without its NATS subject: name it with --subject")}
	case o.subject != "" && slices.ContainsFunc(strings.Split(o.subject, "."), func(token string) bool { return token == "" || strings.ContainsAny(token, "*> \t") }):
		return time.Time{}, usageError{fmt.Errorf("cannot use --subject %q: an event has one subject, without * and >, spaces and empty tokens", o.subject)}
	case o.at != "" && o.live:
		return time.Time{}, usageError{errors.New("cannot use --at with --live: the ledger is that of now")}
	case o.at == "":
		return time.Now(), nil
	}
	return parseTime("--at", o.at)
}

// message is the event as the daemon would read it.
func (o *explainOptions) message(ctx context.Context, in io.Reader, args []string, rules *mapping.RuleSet, now time.Time) (mapping.Message, error) {
	if o.seq != 0 {
		nc, err := o.ask.connect()
		if err != nil {
			return mapping.Message{}, err
		}
		defer nc.Close()
		m, err := storedMessage(ctx, nc, o.stream, o.seq)
		if o.subject != "" {
			m.Subject = o.subject
		}
		return m, err
	}
	m := mapping.Message{Subject: o.subject, Stream: o.stream, Sequence: 1, Time: now}
	if m.Stream == "" {
		m.Stream = onlyStream(rules)
	}
	for _, h := range o.headers {
		name, value, ok := strings.Cut(h, "=")
		if !ok || name == "" {
			return m, usageError{fmt.Errorf("cannot use --header %q: want Name=value", h)}
		}
		if m.Header == nil {
			m.Header = map[string][]string{}
		}
		m.Header[name] = append(m.Header[name], value)
	}
	var err error
	if args[0] == "-" {
		m.Data, err = io.ReadAll(in)
	} else {
		m.Data, err = os.ReadFile(args[0])
	}
	if err != nil {
		return m, fmt.Errorf("cannot read the event: %w", err)
	}
	return m, nil
}

// onlyStream names the stream of the rules, if there is no doubt which.
func onlyStream(rules *mapping.RuleSet) string {
	if len(rules.Sources) == 1 {
		return rules.Sources[0].Stream
	}
	return "STREAM"
}

// states reads the live states of all apps; nil without --live.
func (o *explainOptions) states(ctx context.Context, rules *mapping.RuleSet) (map[string]*bridge.State, error) {
	if !o.live {
		return nil, nil
	}
	nc, err := o.ask.connect()
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	js, err := clientOf(nc, o.stateStream)
	if err != nil {
		return nil, err
	}
	out := map[string]*bridge.State{}
	for name := range rules.Apps {
		if out[name], err = liveState(ctx, js, name); err != nil {
			return nil, denied(nc, err)
		}
	}
	return out, nil
}

// explained is what one app makes of the event.
type explained struct {
	mapping.Explanation
	Ledger  string            `json:"ledger"`  // "live" or "empty"
	Digests []explainedDigest `json:"digests"` // that the event would join
}

// explainedDigest is a digest with the event in it.
type explainedDigest struct {
	Digest   string          `json:"digest,omitempty"` // its id, if it is there already
	Audience string          `json:"audience"`
	Template string          `json:"template"`
	Group    string          `json:"group,omitempty"`
	Items    int             `json:"items"`
	Goes     time.Time       `json:"goes,omitzero"` // zero: it would not be sent
	Why      string          `json:"why"`
	Failed   string          `json:"failed,omitempty"` // why it cannot be rendered
	Request  json.RawMessage `json:"request,omitempty"`
	Cuts     []mapping.Cut   `json:"cuts,omitempty"`
}

// explain asks every app that listens to the subject.
func explain(rules *mapping.RuleSet, m mapping.Message, now time.Time, states map[string]*bridge.State) []explained {
	out := []explained{}
	for _, name := range sortedKeys(rules.Apps) {
		app := rules.Apps[name]
		x := explained{Explanation: app.Explain(&m), Ledger: "empty", Digests: []explainedDigest{}}
		if len(x.Rules) == 0 {
			continue
		}
		if states[name] != nil {
			x.Ledger = "live"
		}
		arrived := m
		arrived.Time = now
		x.Digests = joined(app, x.Rules, arrived, states[name])
		out = append(out, x)
	}
	return out
}

// joined folds the event, and plans on until what it joined has left or expired.
func joined(app *mapping.App, rules []mapping.RuleExplanation, m mapping.Message, s *bridge.State) []explainedDigest {
	d, f := simulate.Resume(app, s, m.Time)
	there := map[string]bool{}
	for _, g := range d.State.Digests {
		there[g.ID] = true
	}
	d.Fold(&m)
	out := []explainedDigest{}
	ids := []string{}
	for _, r := range rules {
		g := digestOf(d.State, r)
		if g == nil || slices.Contains(ids, g.ID) {
			continue
		}
		ids = append(ids, g.ID)
		x := explainedDigest{Audience: g.Audience, Template: g.Template, Group: g.Group, Items: g.Count()}
		if there[g.ID] {
			x.Digest = g.ID
		}
		x.render(app, g, m.Time)
		out = append(out, x)
	}
	d.RunOut()
	for i, id := range ids {
		out[i].plan(f, id)
	}
	return out
}

// digestOf finds the digest that a rule's item has joined.
func digestOf(s *bridge.State, r mapping.RuleExplanation) *bridge.Digest {
	if !r.Matched || len(r.Cancels) > 0 {
		return nil
	}
	var found *bridge.Digest
	for _, g := range s.Digests {
		if g.Audience == r.Audience && g.Template == r.Template && g.Group == r.Group {
			found = g // the last part, if it has several
		}
	}
	return found
}

func (x *explainedDigest) render(app *mapping.App, g *bridge.Digest, now time.Time) {
	r, err := app.Render(g.View(app.Name, now))
	if err == nil {
		x.Cuts = r.Cuts
		x.Request, err = r.Request.Body()
	}
	if err != nil {
		x.Failed = err.Error()
	}
}

func (x *explainedDigest) plan(f *simulate.Foresight, id string) {
	sent, ok := f.Sends[id]
	if !ok {
		x.Why = f.Last[id]
		return
	}
	x.Goes, x.Why, x.Items, x.Request = sent.At, sent.Reason, sent.Digest.Count(), sent.Body
}
