package mapping

import (
	"cmp"
	"fmt"
	"slices"
)

const maxProblems = 500 // of each severity: nobody reads more, and warnings must not hide an error

// report collects problems of one file.
type report struct {
	src   *source
	found Problems // in the order in which they were found
	count map[Severity]int
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
	r.found = append(r.found, Problem{
		File: r.src.file, Line: at.line, Col: at.col, Severity: sev,
		Message: fmt.Sprintf(format, args...), Hint: hint,
	})
}

// all returns what was found, in order of position, each once. Only by now is
// it known what must not be shown of the lines.
func (r *report) all() Problems {
	for i := range r.found {
		r.found[i].Source = r.src.shown(r.found[i].Line)
	}
	slices.SortStableFunc(r.found, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return slices.Compact(r.found)
}
