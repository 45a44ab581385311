package spelling_test

import (
	"testing"

	"github.com/belfry-bridge/belfry/internal/spelling"
)

func TestTheNearestNameIsFound(t *testing.T) {
	known := []string{"audience", "template", "priority", "group_by", "id", "type", "time"}
	for name, want := range map[string]string{
		"templat":    "template", // a letter is missing
		"templates":  "template", // one too many
		"tmeplate":   "template", // two changed places
		"groupBy":    "group_by", // as others write it
		"Group-By":   "group_by",
		"prio":       "priority", // the beginning
		"tipe":       "type",     // of two that are as near, the first
		"ID":         "id",
		"pr":         "", // too short to be a beginning
		"recipients": "",
		"":           "",
	} {
		if got := spelling.Nearest(name, known); got != want {
			t.Errorf("nearest to %q is %q, want %q", name, got, want)
		}
	}
}

func TestAHintNamesTheNearestOrTheChoice(t *testing.T) {
	for _, c := range []struct {
		name  string
		known []string
		want  string
	}{
		{"urgnt", []string{"low", "normal", "high", "urgent"}, `did you mean "urgent"?`},
		{"soon", []string{"low", "normal", "high", "urgent"}, "want low, normal, high or urgent"},
		{"soon", []string{"low"}, "want low"},
		{"zzzz", []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"}, ""}, // too many to list
		{"zzzz", nil, ""},
	} {
		if got := spelling.Suggest(c.name, c.known); got != c.want {
			t.Errorf("the hint for %q of %v is %q, want %q", c.name, c.known, got, c.want)
		}
	}
}

func TestDistanceCountsEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "abc", 0}, {"abc", "ab", 1}, {"abc", "axc", 1}, {"abc", "acb", 1}, {"abc", "xyz", 3}, {"", "abc", 3}} {
		if got, back := spelling.Distance(c.a, c.b), spelling.Distance(c.b, c.a); got != c.want || back != c.want {
			t.Errorf("from %q to %q there are %d edits and %d back, want %d", c.a, c.b, got, back, c.want)
		}
	}
}
