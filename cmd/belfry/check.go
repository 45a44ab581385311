package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/stream"
	"github.com/belfry-bridge/belfry/mapping"
)

// checkOptions are the flags of check.
type checkOptions struct {
	ask     asking
	env     envFile
	format  string
	against string
	was     string

	stateStream string
}

func newCheck(std stdio) *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check FILE…",
		Short: "Find every error in rules files before you put them in place",
		Long: `Checks rules files and test files (*_test.yaml) as the daemon does when it loads them. It reports all
errors at once, each with its place, the line and a caret. The exit code is 1 if there is an error;
warnings don't count.

As for the daemon, a ${NAME} that is not set is an error. Where the real values are not at hand, such as
in CI, --env-file names a file with values that only have to look right. The environment overrides it.

With --against it also asks a running daemon what a reload with this file would do to the digests that
wait there. With --was it compares windows, expiry and quiet hours with the file that is in force now.
Nothing is changed.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if typed(cmd.Flags(), "nats") {
				return usageError{errors.New("cannot use --nats with check: --against asks a running daemon")}
			}
			return o.run(cmd.Context(), std, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "text", "text, json (for editors) or github (notes beside the lines of a change)")
	f.StringVar(&o.against, "against", "", "NATS URL of a running daemon: say what a reload would change")
	f.StringVar(&o.was, "was", "", "with --against: the rules file in force, to compare windows with")
	checkedVar(f, &o.stateStream, streamName, "state-stream", stream.DefaultStateStream, "with --against: stream of the durable state")
	o.env.flags(cmd)
	o.ask.flags(cmd)
	f.Lookup("json").Usage = "the same as --format json"
	_ = f.MarkHidden("nats") // --against is it
	return cmd
}

func (o *checkOptions) run(ctx context.Context, std stdio, files []string) error {
	if o.ask.json {
		o.format = "json"
	}
	switch {
	case o.format != "text" && o.format != "json" && o.format != "github":
		return usageError{fmt.Errorf("cannot use --format %q: want text, json or github", o.format)}
	case o.against != "" && len(files) != 1:
		return usageError{fmt.Errorf("cannot compare %d files with one daemon: name one with --against", len(files))}
	case o.was != "" && o.against == "":
		return usageError{fmt.Errorf("cannot use --was without --against")}
	case o.against != "" && o.format == "github":
		return usageError{fmt.Errorf("cannot use --against with --format github: want text or json")}
	}
	env, err := o.env.lookup(std.env)
	if err != nil {
		return usageError{err}
	}
	checks, err := checkFiles(files, env)
	if err != nil {
		return usageError{err}
	}
	if o.against != "" {
		return o.compare(ctx, std, checks[0], env)
	}
	printChecks(std, o.format, checks)
	return judged(checks)
}

// checked is one file and what was found in it.
type checked struct {
	file     string
	rules    *mapping.RuleSet // nil in spite of no errors: a test file
	tests    int
	problems mapping.Problems
}

func checkFiles(files []string, env func(string) (string, bool)) ([]checked, error) {
	var out []checked
	for _, file := range files {
		c := checked{file: file}
		src, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("cannot check: %w", err)
		}
		if isTestFile(file) {
			var tests *mapping.TestFile
			if tests, c.problems = mapping.ParseTests(file, src); tests != nil {
				c.tests = len(tests.Tests)
			}
		} else {
			c.rules, c.problems = mapping.Compile(file, src, mapping.Options{LookupEnv: env, ReadFile: os.ReadFile})
		}
		out = append(out, c)
	}
	return out, nil
}

func isTestFile(file string) bool {
	base := filepath.Base(file)
	return strings.HasSuffix(base, "_test.yaml") || strings.HasSuffix(base, "_test.yml")
}

func judged(checks []checked) error {
	for _, c := range checks {
		if c.problems.HasErrors() {
			return errTold
		}
	}
	return nil
}

func printChecks(std stdio, format string, checks []checked) {
	var all mapping.Problems
	for _, c := range checks {
		all = append(all, c.problems...)
	}
	switch format {
	case "json":
		_, _ = std.out.Write(all.JSON())
	case "github":
		fmt.Fprint(std.out, all.GitHub())
	default:
		for _, c := range checks {
			fmt.Fprint(std.out, c.problems.Text())
			fmt.Fprintln(std.out, c.sum())
		}
	}
}

// sum is one line on a file.
func (c *checked) sum() string {
	errs := len(errorsOf(c.problems))
	warned := ""
	if n := len(c.problems) - errs; n > 0 {
		warned = ", " + bridge.Plural(n, "warning", "warnings")
	}
	switch {
	case errs > 0:
		return fmt.Sprintf("%s: %s%s", c.file, bridge.Plural(errs, "error", "errors"), warned)
	case c.rules == nil:
		return fmt.Sprintf("%s: ok, %s%s", c.file, bridge.Plural(c.tests, "test", "tests"), warned)
	}
	rules := 0
	for _, a := range c.rules.Apps {
		rules += len(a.Rules)
	}
	return fmt.Sprintf("%s: ok, %s, %s%s", c.file, bridge.Plural(len(c.rules.Apps), "app", "apps"), bridge.Plural(rules, "rule", "rules"), warned)
}
