package mapping

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// matches is NATS's definition, token by token.
func matches(pattern, subject string) bool {
	ps, ss := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, p := range ps {
		if p == ">" {
			return len(ss) > i
		}
		if i >= len(ss) || p != "*" && p != ss[i] {
			return false
		}
	}
	return len(ps) == len(ss)
}

func patterns(t *rapid.T) string {
	tokens := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "*"}), 0, 4).Draw(t, "tokens")
	if len(tokens) == 0 || rapid.Bool().Draw(t, "open") {
		tokens = append(tokens, ">")
	}
	return strings.Join(tokens, ".")
}

func subjects(t *rapid.T) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 5).Draw(t, "subject"), ".")
}

func TestTheTreeFindsTheRulesThatMatchTokenByToken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tree subjectTree
		var all []string
		for i := range rapid.IntRange(0, 12).Draw(t, "rules") {
			p := patterns(t)
			all = append(all, p)
			tree.add(p, i)
		}
		subject := subjects(t)
		want := []int{}
		for i, p := range all {
			if matches(p, subject) {
				want = append(want, i)
			}
		}
		if got := tree.match(subject, nil); !slices.Equal(got, want) {
			t.Fatalf("match(%q) in %q = %v, want %v", subject, all, got, want)
		}
	})
}

func TestNothingIsLostByLeavingOutCoveredSubjects(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []string
		for range rapid.IntRange(1, 10).Draw(t, "subjects") {
			all = append(all, patterns(t))
		}
		kept := WithoutCovered(all)
		subject := subjects(t)
		hit := func(ps []string) bool {
			return slices.ContainsFunc(ps, func(p string) bool { return matches(p, subject) })
		}
		if hit(all) != hit(kept) {
			t.Fatalf("%q reduced to %q: differ on %q", all, kept, subject)
		}
		for i, a := range kept {
			for j, b := range kept {
				if i != j && Covers(a, b) {
					t.Fatalf("%q kept beside %q", b, a)
				}
			}
		}
	})
}

func TestPatternsThatAreNoSubjectsAreRefused(t *testing.T) {
	for _, s := range []string{"", ".", "a.", ".a", "a..b", "a b", "a.>.b", "a*", "a.b>", "*>"} {
		if checkSubject(s) == nil {
			t.Errorf("checkSubject(%q) has nothing to say", s)
		}
	}
	for _, s := range []string{"a", "a.b", "*", ">", "a.*.c", "a.>", "$X.y-z_1"} {
		if err := checkSubject(s); err != nil {
			t.Error(err)
		}
	}
}
