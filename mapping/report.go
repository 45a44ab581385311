package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const maxProblems = 500 // of each severity: nobody reads more, and warnings must not hide an error

// report collects problems of one file.
type report struct {
	src      *source
	problems Problems
	count    map[Severity]int
}

func (r *report) errorf(at pos, format string, args ...any) {
	r.add(at, SeverityError, "", format, args...)
}

// hintf reports an error together with its remedy.
func (r *report) hintf(at pos, hint, format string, args ...any) {
	r.add(at, SeverityError, hint, format, args...)
}

func (r *report) warnf(at pos, hint, format string, args ...any) {
	r.add(at, SeverityWarning, hint, format, args...)
}

func (r *report) add(at pos, sev Severity, hint, format string, args ...any) {
	if r.count[sev] >= maxProblems {
		return
	}
	r.count[sev]++
	if at == (pos{}) {
		at = pos{1, 1}
	}
	r.problems = append(r.problems, Problem{
		File: r.src.file, Line: at.line, Col: at.col, Severity: sev,
		Message: fmt.Sprintf(format, args...), Hint: hint,
	})
}

// all returns what was found, in order of position, each once. Only by now is
// it known what must not be shown of the lines.
func (r *report) all() Problems {
	for i := range r.problems {
		r.problems[i].Source = r.src.shown(r.problems[i].Line)
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return slices.Compact(r.problems)
}

// suggest is the hint for a misspelt name: the nearest known one, or the
// whole choice when there are only a few.
func suggest(name string, known []string) string {
	if hint := didYouMean(name, known); hint != "" {
		return hint
	}
	if len(known) > 0 && len(known) <= 8 {
		return "want " + oneOf(known)
	}
	return ""
}

func didYouMean(name string, known []string) string {
	if best := nearest(name, known); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return ""
}

// nearest is the known name with the fewest edits, if they are few enough for a slip.
func nearest(name string, known []string) string {
	best, least := "", 1+max(1, len(name)/3)
	for _, k := range known {
		if len(name) >= 3 && strings.HasPrefix(fold(k), fold(name)) && best == "" {
			best = k
		}
		if d := distance(fold(name), fold(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// fold makes names equal that differ in case and in dashes only.
func fold(s string) string {
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

// distance counts insertions, deletions, changes and swaps of neighbours.
func distance(a, b string) int {
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

// oneOf lists names for a sentence: `"a", "b" or "c"`.
func oneOf(names []string) string {
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
