package stream

import (
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

func TestManyFiltersBecomeAFewThatCoverThem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		subjects string
		limit    int
		want     string
	}{
		"within the limit nothing changes":         {"a.b a.c", 2, "a.b a.c"},
		"brothers become their parent's":           {"s.a s.b s.c t.x", 2, "s.* t.x"},
		"the largest family is widened first":      {"s.a s.b t.x t.y t.z", 3, "s.a s.b t.*"},
		"no brothers: the deepest gives way first": {"a.x.y b.c.d.e", 1, ">"},
		"all of it if need be":                     {"a b.c c.d.e", 1, ">"},
	} {
		got := few(strings.Fields(c.subjects), c.limit)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q gives %q, want %q", name, c.subjects, got, c.want)
		}
		if len(got) > c.limit {
			t.Errorf("%s: %q gives %q, more than %d", name, c.subjects, got, c.limit)
		}
	}
}

func TestFewFiltersLoseNothingAndStayDisjoint(t *testing.T) {
	t.Parallel()
	token := rapid.SampledFrom([]string{"a", "b", "c", "d", "*"})
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.Custom(func(t *rapid.T) string {
			tokens := rapid.SliceOfN(token, 1, 4).Draw(t, "tokens")
			if rapid.IntRange(0, 5).Draw(t, "open") == 0 {
				tokens = append(tokens, ">")
			}
			return strings.Join(tokens, ".")
		})
		subjects := rapid.SliceOfN(pattern, 0, 20).Draw(t, "subjects")
		limit := rapid.IntRange(1, 20).Draw(t, "limit") // often there is room for all
		event := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}), 1, 5).Draw(t, "event")
		filters := few(subjects, limit)
		if len(filters) > limit {
			t.Fatalf("%d filters, want at most %d", len(filters), limit)
		}
		through := func(list []string) (n int) {
			for _, p := range list {
				if matches(strings.Split(p, "."), event) {
					n++
				}
			}
			return n
		}
		if n := through(filters); n > 1 || n == 0 && through(subjects) > 0 {
			t.Fatalf("%v is let through %d times by %v, made of %v", event, n, filters, subjects)
		}
	})
}
