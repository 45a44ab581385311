package main

import (
	"fmt"
	"os"

	"github.com/belfry-bridge/belfry/mapping"
)

// loadRules reads and compiles a rules file whole. The problems may be
// warnings only, and then the rules are there too.
func loadRules(file string, env func(string) (string, bool)) (*mapping.RuleSet, mapping.Problems, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the rules: %w", err)
	}
	rules, problems := mapping.Compile(file, src, mapping.Options{LookupEnv: env, ReadFile: os.ReadFile})
	if problems.HasErrors() {
		return nil, problems, nil
	}
	return rules, problems, nil
}

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
