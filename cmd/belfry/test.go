package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/ruletest"
	"github.com/belfry-bridge/belfry/mapping"
)

// testOptions are the flags of test.
type testOptions struct {
	run     string
	junit   string
	verbose bool
	update  bool
}

func newTest(std stdio) *cobra.Command {
	var o testOptions
	cmd := &cobra.Command{
		Use:   "test FILE…",
		Short: "Run the tests of rules, in virtual time",
		Long: `Runs test files in virtual time, with the same mapping, fold and planner as in production: a day takes
milliseconds, and nothing is sent. A failure is shown as a difference: lines with - were expected, lines
with + happened. The exit code is 1 if anything fails.

A test file can set the variables of its rules under env, so that a test gives the same everywhere. What
it does not set comes from the environment. The file that app_secret_file names is not read.

--update writes what happened into the expect block of every test that fails, or that says expect: {}. The
rest of the file stays as it is, to the letter. Comments inside such a block are lost. Read the change
before you keep it.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.do(cmd.Context(), std, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.run, "run", "", "run only tests whose name matches this regular expression")
	f.StringVar(&o.junit, "junit", "", "write a JUnit report to this file, for CI")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "also name the tests that pass, and show what happened in them")
	f.BoolVar(&o.update, "update", false, "write what happened into the expectations that fail, or are {}")
	return cmd
}

func (o *testOptions) do(ctx context.Context, std stdio, files []string) error {
	only, err := regexp.Compile(o.run)
	if err != nil {
		return usageError{fmt.Errorf("cannot use --run: %w", err)}
	}
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			return usageError{fmt.Errorf("cannot test: %w", err)}
		}
	}
	var suites []suite
	failed := false
	for _, file := range files {
		s, err := o.file(ctx, std, file, only)
		if err != nil {
			fmt.Fprintln(std.err, "belfry:", err)
			s.broken = err
		}
		failed = failed || err != nil || s.failures() > 0
		suites = append(suites, s)
	}
	if o.junit != "" {
		if err := writeJUnit(o.junit, suites); err != nil {
			return err
		}
	}
	if total(suites) == 0 && !failed && o.run != "" {
		return fmt.Errorf("cannot find a test whose name matches %q", o.run)
	}
	if failed {
		return errTold
	}
	return nil
}

// suite is one test file after its run.
type suite struct {
	file   string
	tests  []tested
	broken error // why none of it could be run
}

// tested is one test after its run.
type tested struct {
	ruletest.Outcome
	took time.Duration
}

func (s *suite) failures() int {
	n := 0
	for _, t := range s.tests {
		if len(t.Differences) > 0 {
			n++
		}
	}
	return n
}

func total(suites []suite) int {
	n := 0
	for _, s := range suites {
		n += len(s.tests)
	}
	return n
}

// file runs one test file and prints what came of it.
func (o *testOptions) file(ctx context.Context, std stdio, file string, only *regexp.Regexp) (suite, error) {
	s := suite{file: file}
	src, err := os.ReadFile(file)
	if err != nil {
		return s, fmt.Errorf("cannot test: %w", err)
	}
	if s.tests, err = runTests(ctx, std, file, src, only); err != nil {
		return s, err
	}
	if o.update && slices.ContainsFunc(s.tests, tested.Outdated) {
		return s, o.updated(ctx, std, &s, src)
	}
	for _, t := range s.tests {
		printTested(std.out, file, t, o.verbose)
	}
	printSuite(std.out, s)
	return s, nil
}

// runTests parses a test file with its rules, and plays its stories.
func runTests(ctx context.Context, std stdio, file string, src []byte, only *regexp.Regexp) ([]tested, error) {
	tests, problems := mapping.ParseTests(file, src)
	if tests == nil {
		fmt.Fprint(std.err, problems.Text())
		return nil, fmt.Errorf("cannot use %s: %s, listed above", file, bridge.Plural(len(problems), "problem", "problems"))
	}
	rules, err := rulesOf(std, tests)
	if err != nil {
		return nil, err
	}
	var out []tested
	for _, t := range tests.Tests {
		if !only.MatchString(t.Name) {
			continue
		}
		began := time.Now()
		outcome, err := ruletest.Play(ctx, rules, onlyStream(rules), t)
		if err != nil {
			return nil, err
		}
		out = append(out, tested{outcome, time.Since(began)})
	}
	return out, nil
}

// updated writes what happened into the expectations that are outdated, and
// everything else back to the letter. It runs the new text before it replaces
// the old one.
func (o *testOptions) updated(ctx context.Context, std stdio, s *suite, src []byte) error {
	var outcomes []ruletest.Outcome
	for _, t := range s.tests {
		outcomes = append(outcomes, t.Outcome)
	}
	text, rewritten, err := ruletest.Rewrite(string(src), outcomes)
	if err != nil {
		return fmt.Errorf("cannot update %s: %w", s.file, err)
	}
	only := regexp.MustCompile("") // the tests below must not depend on --run
	again, err := runTests(ctx, std, s.file, []byte(text), only)
	if err != nil {
		return fmt.Errorf("cannot update %s: what it would become cannot be used: %w", s.file, err)
	}
	for _, t := range again {
		if i := slices.IndexFunc(s.tests, func(was tested) bool { return was.Test.Name == t.Test.Name }); i >= 0 && len(t.Differences) > 0 {
			return fmt.Errorf("cannot update %s: %q would still fail\n%s", s.file, t.Test.Name, diffText(t.Differences, "  "))
		}
	}
	info, err := os.Stat(s.file)
	if err != nil {
		return fmt.Errorf("cannot update the tests: %w", err)
	}
	if err := os.WriteFile(s.file, []byte(text), info.Mode().Perm()); err != nil {
		return fmt.Errorf("cannot update the tests: %w", err)
	}
	for _, i := range rewritten {
		t := &s.tests[i]
		fmt.Fprintf(std.out, "updated  %s (%s:%d)\n", t.Test.Name, s.file, t.Test.Line)
		t.Differences = nil
	}
	printSuite(std.out, *s)
	return nil
}

// rulesOf compiles the rules that a test file names. Nothing is sent, so the
// secret may be any.
func rulesOf(std stdio, tests *mapping.TestFile) (*mapping.RuleSet, error) {
	file := tests.Rules
	if !filepath.IsAbs(file) {
		file = filepath.Join(filepath.Dir(tests.File), file)
	}
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the rules that %s names: %w", tests.File, err)
	}
	rules, problems := mapping.Compile(file, src, mapping.Options{
		LookupEnv: func(name string) (string, bool) {
			if v, ok := tests.Env[name]; ok {
				return v, true
			}
			return std.env(name)
		},
		ReadFile: noSecretFile,
	})
	if rules == nil {
		fmt.Fprint(std.err, problems.Text())
		return nil, errors.New("cannot test " + file + ": it has errors, listed above; what it asks of the environment can be set under env in " + tests.File)
	}
	return rules, nil
}
