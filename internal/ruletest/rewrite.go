package ruletest

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/belfry-bridge/belfry/mapping"
)

// Rewrite replaces the expect blocks that are outdated by what happened, and
// leaves everything else to the letter. rewritten are the indices of the tests
// whose they were.
func Rewrite(src string, tests []Outcome) (text string, rewritten []int, err error) {
	lines := strings.SplitAfter(src, "\n")
	for i, t := range slices.Backward(tests) {
		if !t.Outdated() {
			continue
		}
		if len(t.got.failures) > 0 {
			return "", nil, fmt.Errorf("%q: %s", t.Test.Name, t.got.failures[0])
		}
		from, to, indent, err := expectBlock(lines, t.Test)
		if err != nil && len(t.Differences) == 0 {
			continue // it holds as it is: no reason to leave the others
		}
		if err != nil {
			return "", nil, err
		}
		head := lines[from][:strings.Index(lines[from], "expect:")]
		block := head + "expect:\n" + expectText(t.Test.Expect, t.got, strings.Repeat(" ", indent+2))
		if to == len(lines) && !strings.HasSuffix(src, "\n") {
			block = strings.TrimSuffix(block, "\n")
		}
		lines, rewritten = slices.Replace(lines, from, to, block), append(rewritten, i)
	}
	slices.Reverse(rewritten)
	return strings.Join(lines, ""), rewritten, nil
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
	if empty(x) {
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
