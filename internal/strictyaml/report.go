package strictyaml

import (
	"cmp"
	"fmt"
	"slices"
)

const maxProblems = 500 // of each severity: nobody reads more, and warnings must not hide an error

// Report collects problems of one file.
type Report struct {
	src   *source
	Found Problems // in the order in which they were found
	count map[Severity]int
}

// Errorf reports an error.
func (r *Report) Errorf(at Pos, format string, args ...any) {
	r.Add(at, SeverityError, "", format, args...)
}

// Hintf reports an error together with its remedy.
func (r *Report) Hintf(at Pos, hint, format string, args ...any) {
	r.Add(at, SeverityError, hint, format, args...)
}

// Warnf reports a warning, with its remedy if there is one.
func (r *Report) Warnf(at Pos, hint, format string, args ...any) {
	r.Add(at, SeverityWarning, hint, format, args...)
}

// Add reports a problem of whichever severity.
func (r *Report) Add(at Pos, sev Severity, hint, format string, args ...any) {
	if r.count[sev] >= maxProblems {
		return
	}
	r.count[sev]++
	if at == (Pos{}) {
		at = Pos{1, 1}
	}
	for i, arg := range args { // what comes of the file; our own words may name the key of a secret
		switch arg := arg.(type) {
		case string:
			args[i] = r.src.withoutSecret(arg)
		case error:
			args[i] = r.src.withoutSecret(arg.Error())
		}
	}
	r.Found = append(r.Found, Problem{
		File: r.src.file, Line: at.Line, Col: at.Col, Severity: sev,
		Message: fmt.Sprintf(format, args...), Hint: r.src.withoutSecret(hint),
	})
}

// All returns what was found, in order of position, each once. Only by now is
// it known what must not be shown of the lines.
func (r *Report) All() Problems {
	for i := range r.Found {
		r.Found[i].Source = r.src.shown(r.Found[i].Line)
	}
	slices.SortStableFunc(r.Found, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return slices.Compact(r.Found)
}
