package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/belfry-bridge/belfry/mapping"
)

// updated writes what happened into the expectations that are outdated, and
// everything else back to the letter. It runs the new text before it replaces
// the old one.
func (o *testOptions) updated(ctx context.Context, std stdio, s *suite, src []byte) error {
	text, err := rewrite(string(src), s.tests)
	if err != nil {
		return fmt.Errorf("cannot update %s: %w", s.file, err)
	}
	only := regexp.MustCompile("") // the tests below must not depend on --run
	again, err := runTests(ctx, std, s.file, []byte(text), only)
	if err != nil {
		return fmt.Errorf("cannot update %s: what it would become cannot be used: %w", s.file, err)
	}
	for _, t := range again {
		if i := slices.IndexFunc(s.tests, func(was tested) bool { return was.test.Name == t.test.Name }); i >= 0 && len(t.diff) > 0 {
			return fmt.Errorf("cannot update %s: %q would still fail\n%s", s.file, t.test.Name, diffText(t.diff, "  "))
		}
	}
	info, err := os.Stat(s.file)
	if err != nil {
		return fmt.Errorf("cannot update the tests: %w", err)
	}
	if err := os.WriteFile(s.file, []byte(text), info.Mode().Perm()); err != nil {
		return fmt.Errorf("cannot update the tests: %w", err)
	}
	for i := range s.tests {
		if s.tests[i].rewritten {
			fmt.Fprintf(std.out, "updated  %s (%s:%d)\n", s.tests[i].test.Name, s.file, s.tests[i].test.Line)
			s.tests[i].diff = nil
		}
	}
	printSuite(std.out, *s)
	return nil
}

// rewrite replaces the expect blocks that are outdated, and marks whose they were.
func rewrite(src string, tests []tested) (string, error) {
	lines := strings.SplitAfter(src, "\n")
	for i, t := range slices.Backward(tests) {
		if !t.outdated() {
			continue
		}
		if len(t.got.failures) > 0 {
			return "", fmt.Errorf("%q: %s", t.test.Name, t.got.failures[0])
		}
		from, to, indent, err := expectBlock(lines, t.test)
		if err != nil && len(t.diff) == 0 {
			continue // it holds as it is: no reason to leave the others
		}
		if err != nil {
			return "", err
		}
		head := lines[from][:strings.Index(lines[from], "expect:")]
		block := head + "expect:\n" + expectText(t.test.Expect, t.got, strings.Repeat(" ", indent+2))
		if to == len(lines) && !strings.HasSuffix(src, "\n") {
			block = strings.TrimSuffix(block, "\n")
		}
		lines, tests[i].rewritten = slices.Replace(lines, from, to, block), true
	}
	return strings.Join(lines, ""), nil
}

// expectKey is the key where it begins a line, be it the first of a test.
var expectKey = regexp.MustCompile(`^(\s*(- +)?)expect:(\s|$)`)

// expectBlock finds the lines of a test's expectation: from the key to the
// last line that is indented further than it.
func expectBlock(lines []string, t mapping.RuleTest) (from, to, indent int, err error) {
	for from = min(t.Expect.Line, len(lines)) - 1; from >= t.Line-1 && from >= 0; from-- {
		m := expectKey.FindStringSubmatch(lines[from])
		if m == nil {
			continue
		}
		indent, to = len(m[1]), from+1
		for i := from + 1; i < len(lines) && (blank(lines[i]) || indentation(lines[i]) > indent); i++ {
			if !blank(lines[i]) && !strings.HasPrefix(strings.TrimSpace(lines[i]), "#") {
				to = i + 1
			}
		}
		return from, to, indent, nil
	}
	return 0, 0, 0, fmt.Errorf("%q has its expect: in the middle of a line: give it a line of its own", t.Name)
}

func blank(line string) bool { return strings.TrimSpace(line) == "" }

func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// expectText is the block for what happened, with the same lists and the same
// fields as before; a test that expected nothing in particular gets the usual ones.
func expectText(x mapping.Expectation, h happened, indent string) string {
	if x.Broadcasts == nil && x.Digests == nil && x.DeadLetters == nil {
		x.Broadcasts, x.Digests = []mapping.ExpectedBroadcast{}, []mapping.ExpectedDigest{}
		if len(h.deadLetters) > 0 {
			x.DeadLetters = []mapping.ExpectedDeadLetter{}
		}
	}
	var b bytes.Buffer
	if x.Broadcasts != nil {
		writeList(&b, indent, "broadcasts", x.Broadcasts, h.broadcasts, broadcastFields, sentBroadcast.summary)
	}
	if x.Digests != nil {
		writeList(&b, indent, "digests", x.Digests, h.digests, gotOf(digestPairs), pendingDigest.summary)
	}
	if x.DeadLetters != nil {
		writeList(&b, indent, "dead_letters", x.DeadLetters, h.deadLetters, gotOf(deadLetterPairs), refusedEvent.summary)
	}
	return b.String()
}

func writeList[E, G any](b *bytes.Buffer, indent, name string, want []E, got []G, fields func(E, G) []string, summary func(G) string) {
	if len(got) == 0 {
		fmt.Fprintf(b, "%s%s: []\n", indent, name)
		return
	}
	fmt.Fprintf(b, "%s%s:\n", indent, name)
	for i, g := range got {
		line := summary(g)
		if i < len(want) {
			if same := fields(want[i], g); len(same) > 0 {
				line = "{" + strings.Join(same, ", ") + "}"
			}
		}
		fmt.Fprintf(b, "%s  - %s\n", indent, line)
	}
}

func gotOf[E, G any](pairs func(E, G) []pair) func(E, G) []string {
	return func(x E, g G) []string { return gotFields(pairs(x, g)) }
}

func gotFields(pairs []pair) (out []string) {
	for _, p := range pairs {
		out = append(out, p.name+": "+p.got)
	}
	return out
}

// broadcastFields keeps of content_contains and content_lacks what holds. If
// none of it does, the whole content takes its place.
func broadcastFields(x mapping.ExpectedBroadcast, b sentBroadcast) []string {
	contains := slices.DeleteFunc(slices.Clone(x.ContentContains), func(s string) bool { return !strings.Contains(b.joined, s) })
	lacks := slices.DeleteFunc(slices.Clone(x.ContentLacks), func(s string) bool { return strings.Contains(b.joined, s) })
	whole := len(contains) == 0 && len(x.ContentContains) > 0 && x.Content == nil
	x.ContentContains, x.ContentLacks = nil, nil
	out := gotFields(broadcastPairs(x, b))
	if len(contains) > 0 {
		out = append(out, "content_contains: "+yamlList(contains))
	}
	if len(lacks) > 0 {
		out = append(out, "content_lacks: "+yamlList(lacks))
	}
	if whole {
		out = append(out, "content: "+yamlText(b.visible))
	}
	return out
}
