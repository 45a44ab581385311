package stream

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDisjoint(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ subjects, want string }{
		"subjects without overlap stay as they are":      {"a.b a.c", "a.b a.c"},
		"one that another covers is dropped":             {"a.> a.b", "a.>"},
		"whichever comes first":                          {"a.b a.>", "a.>"},
		"a duplicate is dropped":                         {"a.b a.b", "a.b"},
		"a partial overlap becomes one that covers both": {"a.*.c a.b.*", "a.*.*"},
		"a wider one may swallow a third":                {"a.*.c a.x.y a.b.*", "a.*.*"},
		"different lengths don't overlap":                {"a.* a.*.*", "a.* a.*.*"},
		"the rest wildcard needs one token at least":     {"a a.>", "a a.>"},
		"everything covers everything":                   {"a.b > c", ">"},
	} {
		if got := strings.Join(disjoint(strings.Fields(c.subjects)), " "); got != c.want {
			t.Errorf("%s: %q gives %q, want %q", name, c.subjects, got, c.want)
		}
	}
}

// matches is the textbook definition, independent of overlap and widen.
func matches(pattern, subject []string) bool {
	if len(pattern) == 0 || len(subject) == 0 {
		return len(pattern) == len(subject)
	}
	if pattern[0] == ">" {
		return true
	}
	return (pattern[0] == "*" || pattern[0] == subject[0]) && matches(pattern[1:], subject[1:])
}

func TestDisjointFiltersCoverEverySubjectOnce(t *testing.T) {
	t.Parallel()
	token := rapid.SampledFrom([]string{"a", "b", "*"})
	pattern := rapid.Custom(func(t *rapid.T) string {
		tokens := rapid.SliceOfN(token, 1, 3).Draw(t, "tokens")
		if rapid.Bool().Draw(t, "open") {
			tokens = append(tokens, ">")
		}
		return strings.Join(tokens, ".")
	})
	rapid.Check(t, func(t *rapid.T) {
		subjects := rapid.SliceOfN(pattern, 0, 6).Draw(t, "subjects")
		event := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 5).Draw(t, "event")
		filters := disjoint(subjects)
		count := func(list []string) (n int) {
			for _, p := range list {
				if matches(strings.Split(p, "."), event) {
					n++
				}
			}
			return n
		}
		if n := count(filters); n > 1 || n == 0 && count(subjects) > 0 {
			t.Fatalf("%v is let through %d times by %v, made of %v", event, n, filters, subjects)
		}
		shuffled := slices.Clone(subjects)
		slices.Reverse(shuffled)
		if count(disjoint(shuffled)) == 0 && count(subjects) > 0 {
			t.Fatalf("another order loses %v: %v", event, disjoint(shuffled))
		}
	})
}
