package strictyaml

import (
	"fmt"
	"slices"
)

// Severity tells an error, which prevents a file from being used, from a warning.
type Severity string

// The two severities.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Problem is one thing that is wrong with a file, and where.
type Problem struct {
	File     string   `json:"file"`
	Line     int      `json:"line"` // from 1
	Col      int      `json:"col"`  // from 1, in characters
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`        // what is wrong, naming the operand
	Hint     string   `json:"hint,omitempty"` // the remedy: "did you mean …"
	Source   string   `json:"source,omitempty"`
}

// String returns "file:line:col: message".
func (p Problem) String() string {
	mark := ""
	if p.Severity == SeverityWarning {
		mark = "warning: "
	}
	return fmt.Sprintf("%s:%d:%d: %s%s", p.File, p.Line, p.Col, mark, p.told())
}

func (p Problem) told() string {
	if p.Hint == "" {
		return p.Message
	}
	return p.Message + "; " + p.Hint
}

// Problems is everything found in one file, in order of position.
type Problems []Problem

// HasErrors reports whether anything prevents the file from being used.
func (ps Problems) HasErrors() bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return p.Severity == SeverityError })
}
