package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/belfry-bridge/belfry/bridge"
)

// The exit codes, the same for every verb.
const (
	exitOK     = 0
	exitFailed = 1   // it ran, and the answer is no
	exitUsage  = 2   // it could not begin: wrong flags or arguments
	exitKilled = 130 // a second signal
)

// stdio is the world of one invocation. Tests make their own.
type stdio struct {
	env func(string) (string, bool)
	in  io.Reader
	out io.Writer
	err io.Writer
}

// errTold was already told in full: only the exit code is left.
var errTold = errors.New("the answer is no")

// usageError is an error of the flags or arguments that only a verb can find.
type usageError struct{ error }

func (w usageError) Unwrap() error { return w.error }

// run is the program: arguments in, exit code out.
func run(ctx context.Context, args []string, std stdio) int {
	out := &output{Writer: std.out}
	std.out, std.in = out, stoppable(ctx, std.in)
	code := execute(ctx, args, std)
	if err := out.failed.Load(); err != nil && code == exitOK {
		fmt.Fprintln(std.err, "belfry: cannot write all of the output:", *err)
		return exitFailed
	}
	return code
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// stoppable ends a read when ctx ends: who waits for a terminal can be stopped.
func stoppable(ctx context.Context, in io.Reader) io.Reader {
	type got struct {
		n   int
		err error
	}
	return readerFunc(func(p []byte) (int, error) {
		read := make(chan got, 1)
		go func() {
			n, err := in.Read(p)
			read <- got{n, err}
		}()
		select {
		case g := <-read:
			return g.n, g.err
		case <-ctx.Done():
			return 0, errors.New("stopped")
		}
	})
}

// output remembers what did not get out: half an answer must not pass for one.
type output struct {
	io.Writer
	failed atomic.Pointer[error]
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil && !errors.Is(err, syscall.EPIPE) { // nobody wants more of it
		o.failed.CompareAndSwap(nil, &err)
	}
	return n, err
}

func execute(ctx context.Context, args []string, io stdio) int {
	root := newRoot(io)
	root.SetArgs(args)
	started := false
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Annotations[flagsOnly] != "" {
			return nil
		}
		return fromEnvironment(cmd.Flags(), io.env)
	}
	onStart(root, func() { started = true }) // what fails before is wrong usage
	verb, err := root.ExecuteContextC(ctx)
	if _, _, unknown := root.Find(args); unknown != nil {
		err = fmt.Errorf("%w: want %s", unknown, verbsBelow(root))
	}
	var wrong usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errTold):
		return exitFailed
	}
	for line := range strings.Lines("belfry: " + strings.ReplaceAll(inWords(err).Error(), ": "+bridge.ErrPermanent.Error(), "")) { // whoever types retries anyway
		fmt.Fprintln(io.err, printable(strings.TrimSuffix(line, "\n"))) // a refusal may quote who gave an order before
	}
	if !started || errors.As(err, &wrong) {
		explainUsage(io.err, verb)
		return exitUsage
	}
	return exitFailed
}

// inWords replaces a number parser's word on a flag's value by what is wanted.
func inWords(err error) error {
	var invalid *pflag.InvalidValueError
	var parser *strconv.NumError
	if !errors.As(err, &invalid) || !errors.As(invalid.Unwrap(), &parser) {
		return err
	}
	want := map[string]string{"bool": "true or false", "float64Slice": "numbers such as 0.5,2", "float64": "a number"}[invalid.GetFlag().Value.Type()]
	return errors.New(strings.Replace(err.Error(), invalid.Unwrap().Error(), "want "+cmp.Or(want, "a whole number"), 1))
}

// explainUsage says how a verb that was used wrongly is meant.
func explainUsage(w io.Writer, verb *cobra.Command) {
	about := strings.TrimPrefix(strings.TrimPrefix(verb.CommandPath(), "belfry"), " help")
	if about != "" && !verb.HasSubCommands() {
		fmt.Fprintln(w, "Usage:", verb.UseLine())
	}
	fmt.Fprintln(w, "Try: belfry help"+about)
}

func newRoot(io stdio) *cobra.Command {
	root := &cobra.Command{
		Use:   "belfry",
		Short: "Turn domain events into the few push broadcasts that a provider allows",
		Long: `Belfry reads domain events from NATS JetStream, gathers them into digests by the rules of a YAML
file, and sends the digests as signed broadcasts, within the provider's quota of 2 an hour and 3 a
day. Each broadcast is accounted for, and none is sent twice.

Try it first: belfry demo

Every flag can also be given as an environment variable: --nats as BELFRY_NATS.`,
		SilenceErrors: true, SilenceUsage: true, DisableSuggestions: true, // all verbs are named instead
		Version: version(),
	}
	root.SetIn(io.in)
	root.SetOut(io.out)
	root.SetErr(io.err)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newRun(io), newDemo(io), newSandbox(io), newReconcile(io), newDeadLetter(io), newStatus(io), newDigests(io), newResolve(io),
		newPause(io), newResume(io), newSend(io), newMute(io), newUnmute(io), newQuota(io), newBench(io), newSimulate(io), newTune(io),
		newCheck(io), newExplain(io), newTest(io), newSchema(io))
	for _, c := range root.Commands() {
		refuseUnknown(c)
	}
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			refuseUnknownTopics(c)
		}
	}
	return root
}

// refuseUnknownTopics makes help about a verb that does not exist wrong usage.
func refuseUnknownTopics(help *cobra.Command) {
	help.Run, help.RunE = nil, func(c *cobra.Command, words []string) error {
		about, rest, err := c.Root().Find(words)
		switch {
		case err != nil:
			return usageError{fmt.Errorf("%w: want %s", err, verbsBelow(about))}
		case len(rest) > 0:
			return usageError{unknownBelow(about, rest[0])}
		}
		about.InitDefaultHelpFlag()
		about.InitDefaultVersionFlag()
		return about.Help()
	}
}

// refuseUnknown makes a verb that only has others below it refuse what is none
// of them, instead of printing its help as if all were well.
func refuseUnknown(c *cobra.Command) {
	if !c.HasSubCommands() || c.Runnable() {
		return
	}
	c.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return unknownBelow(cmd, args[0])
	}
	c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	c.Annotations = map[string]string{onlyAGroup: "yes"}
}

// unknownBelow names the verbs that there are instead.
func unknownBelow(cmd *cobra.Command, word string) error {
	err := fmt.Errorf("unknown command %q for %q", word, cmd.CommandPath())
	if cmd.HasSubCommands() {
		err = fmt.Errorf("%w: want %s", err, verbsBelow(cmd))
	}
	return err
}

func verbsBelow(cmd *cobra.Command) string {
	var names []string
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			names = append(names, sub.Name())
		}
	}
	return strings.Join(names, ", ")
}

// onlyAGroup marks verbs that do nothing but have others below them.
const onlyAGroup = "only a group"

// flagsOnly marks verbs that must not take what everything else uses, such as the
// NATS server, from a variable that happens to be set.
const flagsOnly = "flags only"

// onStart calls f whenever a verb begins, its flags and arguments checked.
func onStart(cmd *cobra.Command, f func()) {
	if inner := cmd.RunE; inner != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			f()
			return inner(cmd, args)
		}
	}
	for _, c := range cmd.Commands() {
		onStart(c, f)
	}
}

// ofEnvironment marks flags whose value is that of a variable.
const ofEnvironment = "environment"

// typed reports whether a flag stands on the command line itself: variables,
// such as those of the container image, are set for more than one use.
func typed(flags *pflag.FlagSet, name string) bool {
	f := flags.Lookup(name)
	_, set := f.Annotations[ofEnvironment]
	return f.Changed && !set
}

// fromEnvironment sets the flags that were not given from BELFRY_… variables.
func fromEnvironment(flags *pflag.FlagSet, env func(string) (string, bool)) error {
	var first error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "BELFRY_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := env(name)
		if !ok || f.Changed || first != nil || f.Name == "help" || value == "" && f.Value.Type() != "string" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			first = fmt.Errorf("cannot use the variable %s: %w", name, err)
		}
		_ = flags.SetAnnotation(f.Name, ofEnvironment, nil)
	})
	return first
}
