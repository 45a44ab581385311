package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// printExplained tells a person what the rules make of an event.
func printExplained(w io.Writer, all []explained, m mapping.Message, file string, live bool) {
	if len(all) == 0 {
		fmt.Fprintf(w, "no rule listens to %s\n", printable(m.Subject))
		return
	}
	makePrintable(&all)
	e := all[0].Event
	fmt.Fprintf(w, "event %s of type %s, on %s\n", e.ID, e.Type, printable(m.Subject))
	if u := all[0].Undecodable; u != "" {
		fmt.Fprintf(w, "its content cannot be used: %s\n", u)
	}
	for _, x := range all {
		fmt.Fprintf(w, "\napp %s\n", x.App)
		if live && x.Ledger != "live" {
			fmt.Fprintln(w, "  it has never run: planned with an empty ledger")
		}
		for _, r := range x.Rules {
			printRule(w, r, file)
		}
		for _, d := range x.Digests {
			printJoined(w, d, x.Ledger)
		}
	}
}

func printRule(w io.Writer, r mapping.RuleExplanation, file string) {
	where := fmt.Sprintf("%s (%s:%d)", r.Rule, file, r.Line)
	if r.Matched {
		fmt.Fprintf(w, "  rule %s matches\n", where)
	} else {
		fmt.Fprintf(w, "  rule %s does not match: %s\n", where, r.Why)
	}
	if r.Failed != "" {
		fmt.Fprintf(w, "    failed   its %s\n", r.Failed)
	}
	if r.Dead != "" {
		fmt.Fprintf(w, "    goes to  the dead letters: %s\n", r.Dead)
	}
	printOperand(w, r.Part, "      ")
	printOperand(w, r.When, "    ")
	if !r.Matched {
		return
	}
	fmt.Fprintf(w, "    key      %s\n", r.Key)
	if len(r.Cancels) > 0 {
		fmt.Fprintf(w, "    cancels  what waits with that key by %s\n", strings.Join(r.Cancels, ", "))
		return
	}
	fmt.Fprintf(w, "    item     %s\n", r.Text)
	if len(r.Data) > 0 {
		fmt.Fprintf(w, "    data     %s\n", printable(string(bytes.TrimSpace(r.Data))))
	}
	if len(r.Users) > 0 {
		fmt.Fprintf(w, "    users    %s\n", strings.Join(r.Users, ", "))
	}
	fmt.Fprintf(w, "    priority %s\n", r.Priority)
	fmt.Fprintf(w, "    joins    %s\n", bridge.DigestName(r.Audience, r.Template, r.Group))
}

// printOperand shows a condition with the values of its parts below it.
func printOperand(w io.Writer, o *mapping.Operand, indent string) {
	if o == nil {
		return
	}
	value := o.Value
	if o.Error != "" {
		value = "(" + o.Error + ")"
	}
	fmt.Fprintf(w, "%s%s = %s\n", indent, o.Expr, value)
	for _, p := range o.Parts {
		printOperand(w, p, indent+"  ")
	}
}

func printJoined(w io.Writer, d explainedDigest, ledger string) {
	which := "a new digest"
	if d.Digest != "" {
		which = "digest " + d.Digest
	}
	fmt.Fprintf(w, "  %s for %s, %s\n", which, bridge.DigestName(d.Audience, d.Template, d.Group), bridge.Plural(d.Items, "item", "items"))
	switch {
	case d.Failed != "":
		fmt.Fprintf(w, "    cannot be rendered: %s\n", d.Failed)
	case d.Goes.IsZero():
		fmt.Fprintf(w, "    with the %s ledger it is not sent before it expires: %s\n", ledger, d.Why)
	default:
		fmt.Fprintf(w, "    with the %s ledger it goes at %s: %s\n", ledger, d.Goes.Format(time.RFC3339), d.Why)
	}
	for _, c := range d.Cuts {
		fmt.Fprintf(w, "    %s is cut from %d to %d\n", c.Field, c.Was, c.Limit)
	}
	var body bytes.Buffer
	if json.Indent(&body, d.Request, "", "  ") == nil && body.Len() > 0 {
		for line := range strings.Lines(body.String()) {
			fmt.Fprintf(w, "    %s\n", printable(strings.TrimSuffix(line, "\n")))
		}
	}
}
