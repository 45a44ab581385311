package ruletest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/belfry-bridge/belfry/mapping"
)

// Difference is one thing that happened otherwise than expected.
type Difference struct {
	Where    string
	Expected []string // lines of YAML; empty: nothing was expected
	Got      []string // empty: nothing happened
}

// pair is one field of an expectation beside what happened.
type pair struct {
	name      string
	want, got string // as YAML
	holds     bool
}

// differences compares what a story expects with what came of it. What is not
// expected one way or the other is not compared.
func differences(x mapping.Expectation, h happened) []Difference {
	var out []Difference
	if x.Broadcasts != nil {
		out = append(out, compareLists("broadcasts", x.Broadcasts, h.broadcasts,
			func(e mapping.ExpectedBroadcast) int { return e.Line }, broadcastPairs, sentBroadcast.summary)...)
	}
	if x.Digests != nil {
		out = append(out, compareLists("digests", x.Digests, h.digests,
			func(e mapping.ExpectedDigest) int { return e.Line }, digestPairs, pendingDigest.summary)...)
	}
	if x.DeadLetters != nil {
		out = append(out, compareLists("dead_letters", x.DeadLetters, h.deadLetters,
			func(e mapping.ExpectedDeadLetter) int { return e.Line }, deadLetterPairs, refusedEvent.summary)...)
	}
	for _, f := range h.failures {
		out = append(out, Difference{Where: "planning", Got: []string{f}})
	}
	return out
}

func compareLists[E, G any](name string, want []E, got []G, line func(E) int, pairs func(E, G) []pair, summary func(G) string) []Difference {
	var out []Difference
	for i := range max(len(want), len(got)) {
		where := fmt.Sprintf("%s[%d]", name, i)
		switch {
		case i >= len(got):
			var nothing G
			d := Difference{Where: fmt.Sprintf("%s, line %d, did not happen", where, line(want[i]))}
			for _, p := range pairs(want[i], nothing) {
				d.Expected = append(d.Expected, p.name+": "+p.want)
			}
			out = append(out, d)
		case i >= len(want):
			out = append(out, Difference{Where: where + " was not expected", Got: []string{summary(got[i])}})
		default:
			d := Difference{Where: fmt.Sprintf("%s, line %d", where, line(want[i]))}
			for _, p := range pairs(want[i], got[i]) {
				if !p.holds {
					d.Expected = append(d.Expected, p.name+": "+p.want)
					d.Got = append(d.Got, p.name+": "+p.got)
				}
			}
			if len(d.Got) > 0 {
				out = append(out, d)
			}
		}
	}
	return out
}

// field adds one to the pairs, if it is expected.
func field[T comparable](pairs []pair, name string, want *T, got T, yaml func(T) string) []pair {
	if want == nil {
		return pairs
	}
	return append(pairs, pair{name, yaml(*want), yaml(got), *want == got})
}

func text(pairs []pair, name string, want *string, got string) []pair {
	return field(pairs, name, want, got, yamlText)
}

func list(pairs []pair, name string, want, got []string) []pair {
	if want == nil {
		return pairs
	}
	return append(pairs, pair{name, yamlList(want), yamlList(got), slices.Equal(want, got)})
}

func broadcastPairs(x mapping.ExpectedBroadcast, b sentBroadcast) []pair {
	p := field(nil, "at", x.At, b.at, mapping.FormatSpan)
	p = text(p, "audience", x.Audience, b.audience)
	p = text(p, "template", x.Template, b.template)
	p = text(p, "group", x.Group, b.group)
	p = text(p, "title", x.Title, b.title)
	p = text(p, "alert", x.Alert, b.alert)
	if x.Content != nil {
		got := b.visible
		if *x.Content == b.content {
			got = b.content
		}
		p = text(p, "content", x.Content, got)
	}
	for _, c := range x.ContentContains {
		p = append(p, pair{"content_contains", yamlText(c), yamlText(b.visible), strings.Contains(b.joined, c)})
	}
	for _, c := range x.ContentLacks {
		p = append(p, pair{"content_lacks", yamlText(c), yamlText(b.visible), !strings.Contains(b.joined, c)})
	}
	p = field(p, "count", x.Count, b.count, strconv.Itoa)
	p = field(p, "priority", x.Priority, b.priority, mapping.Priority.String)
	return list(p, "users", x.Users, b.users)
}

func digestPairs(x mapping.ExpectedDigest, d pendingDigest) []pair {
	p := text(nil, "audience", x.Audience, d.audience)
	p = text(p, "template", x.Template, d.template)
	p = text(p, "group", x.Group, d.group)
	p = field(p, "count", x.Count, d.count, strconv.Itoa)
	p = list(p, "keys", x.Keys, d.keys)
	return field(p, "ready", x.Ready, d.ready, mapping.FormatSpan)
}

func deadLetterPairs(x mapping.ExpectedDeadLetter, d refusedEvent) []pair {
	p := text(nil, "reason", x.Reason, d.reason)
	p = text(p, "rule", x.Rule, d.rule)
	return text(p, "subject", x.Subject, d.subject)
}

// The summaries are what Rewrite writes for something that was not expected.

func (b sentBroadcast) summary() string {
	return fmt.Sprintf("{at: %s, audience: %s, template: %s%s, title: %s, count: %d}",
		mapping.FormatSpan(b.at), yamlText(b.audience), yamlText(b.template), ifAny("group", b.group), yamlText(b.title), b.count)
}

func (d pendingDigest) summary() string {
	return fmt.Sprintf("{audience: %s, template: %s%s, count: %d, ready: %s}",
		yamlText(d.audience), yamlText(d.template), ifAny("group", d.group), d.count, mapping.FormatSpan(d.ready))
}

func (d refusedEvent) summary() string {
	return fmt.Sprintf("{reason: %s%s, subject: %s}", yamlText(d.reason), ifAny("rule", d.rule), yamlText(d.subject))
}

func ifAny(name, value string) string {
	if value == "" {
		return ""
	}
	return ", " + name + ": " + yamlText(value)
}

// plainYAML is text that needs no quotes, whatever reads it.
var plainYAML = regexp.MustCompile(`^[a-z][a-z0-9]*([-_.][a-z0-9]+)+$|^[a-z]{6,}$`)

// yamlText quotes as JSON does, which YAML reads too.
func yamlText(s string) string {
	if plainYAML.MatchString(s) {
		return s
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string can always be encoded
	return strings.TrimSuffix(b.String(), "\n")
}

func yamlList(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = yamlText(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
