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
		return failure(exitFailed)
	}
	return nil
}

// suite is one test file after its run.
type suite struct {
	file   string
	tests  []tested
	broken error // why none of it could be run
}

// tested is one story after its run.
type tested struct {
	test mapping.RuleTest
	got  happened
	diff []difference
	took time.Duration

	rewritten bool // by --update
}

// outdated is what --update writes anew: what fails, and an expect that is still empty.
func (t tested) outdated() bool {
	x := t.test.Expect
	return len(t.diff) > 0 || x.Broadcasts == nil && x.Digests == nil && x.DeadLetters == nil
}

func (s *suite) failures() int {
	n := 0
	for _, t := range s.tests {
		if len(t.diff) > 0 {
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
	if o.update && slices.ContainsFunc(s.tests, tested.outdated) {
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
		return nil, fmt.Errorf("cannot use %s: %s, listed above", file, plural(len(problems), "problem", "problems"))
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
		got, err := play(ctx, rules, t)
		if err != nil {
			return nil, fmt.Errorf("cannot play %q: %w", t.Name, err)
		}
		out = append(out, tested{test: t, got: got, diff: differences(t.Expect, got), took: time.Since(began)})
	}
	return out, nil
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
