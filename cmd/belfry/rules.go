package main

import "github.com/belfry-bridge/belfry/mapping"

// lines lists problems for a log or a status.
func lines(problems mapping.Problems) []string {
	out := make([]string, len(problems))
	for i, p := range problems {
		out[i] = p.String()
	}
	return out
}

// errorsOf leaves the warnings out.
func errorsOf(problems mapping.Problems) mapping.Problems {
	var out mapping.Problems
	for _, p := range problems {
		if p.Severity == mapping.SeverityError {
			out = append(out, p)
		}
	}
	return out
}
