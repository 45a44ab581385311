package mapping

import (
	"cmp"
	"fmt"
	"slices"
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
