package spelling

import (
	"fmt"
	"strings"
)

// Suggest is the hint for a misspelt name: the nearest known one, or the
// whole choice when there are only a few.
func Suggest(name string, known []string) string {
	if hint := DidYouMean(name, known); hint != "" {
		return hint
	}
	if len(known) > 0 && len(known) <= 8 {
		return "want " + OneOf(known)
	}
	return ""
}

// DidYouMean is the hint for a misspelt name; empty when no known one is near.
func DidYouMean(name string, known []string) string {
	if best := Nearest(name, known); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return ""
}

// Nearest is the known name with the fewest edits, if they are few enough for a slip.
func Nearest(name string, known []string) string {
	best, least := "", 1+max(1, len(name)/3)
	for _, k := range known {
		if len(name) >= 3 && strings.HasPrefix(Fold(k), Fold(name)) && best == "" {
			best = k
		}
		if d := Distance(Fold(name), Fold(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// Fold makes names equal that differ in case and in dashes only.
func Fold(s string) string {
	out := make([]byte, 0, len(s))
	for _, c := range []byte(s) {
		switch {
		case c == '-' || c == '_' || c == ' ':
		case 'A' <= c && c <= 'Z':
			out = append(out, c+'a'-'A')
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// Distance counts insertions, deletions, changes and swaps of neighbours.
func Distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	two, one, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range one {
		one[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := one[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, one[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		two, one, row = one, row, two
	}
	return one[len(b)]
}

// OneOf lists names for a sentence: a, b or c.
func OneOf(names []string) string {
	s := ""
	for i, n := range names {
		switch {
		case i > 0 && i == len(names)-1:
			s += " or "
		case i > 0:
			s += ", "
		}
		s += n
	}
	return s
}
