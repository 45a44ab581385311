package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/simulate"
	"github.com/belfry-bridge/belfry/mapping"
)

// simulateOptions are what simulate and tune share.
type simulateOptions struct {
	history historyOptions
	env     envFile
	rules   string
	app     string
	learn   int
	json    bool
}

func (o *simulateOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.rules, "rules", "rules.yaml", "rules file")
	f.StringVar(&o.app, "app", "", "app; may be omitted if there is only one")
	f.IntVar(&o.learn, "learn", 0, "days at the beginning that only teach the planner what is usual and are not scored")
	f.BoolVar(&o.json, "json", false, "print JSON, for programs")
	o.history.flags(f)
	o.env.flags(cmd)
}

// bareVariable is a variable of a rules file that has no default.
var bareVariable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// compiled loads rules for a simulation. Nothing is sent, so a secret that is
// not set does not matter: something stands in for it.
func (o *simulateOptions) compiled(file string, std stdio) (*mapping.RuleSet, error) {
	env, err := o.env.lookup(std.env)
	if err != nil {
		return nil, usageError{err}
	}
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the rules: %w", err)
	}
	bare := map[string]bool{}
	for _, m := range bareVariable.FindAllSubmatch(src, -1) {
		bare[string(m[1])] = true
	}
	lookup := func(name string) (string, bool) {
		if v, ok := env(name); ok || !bare[name] {
			return v, ok
		}
		return "unset-" + name, true
	}
	rules, problems := mapping.Compile(file, src, mapping.Options{LookupEnv: lookup, ReadFile: noSecretFile})
	if problems.HasErrors() {
		fmt.Fprint(std.err, errorsOf(problems).Text())
		return nil, fmt.Errorf("cannot use %s", file)
	}
	return rules, nil
}

// noSecretFile stands in for what app_secret_file names where nothing is sent.
func noSecretFile(string) ([]byte, error) { return []byte("not-the-secret"), nil }

// chosen is the app of the rules that is simulated.
func (o *simulateOptions) chosen(rs *mapping.RuleSet) (*mapping.App, error) {
	if o.app == "" && len(rs.Apps) == 1 {
		for name := range rs.Apps {
			o.app = name
		}
	}
	app := rs.Apps[o.app]
	if app == nil {
		names := someOf(sortedKeys(rs.Apps))
		if o.app == "" {
			return nil, usageError{fmt.Errorf("cannot tell which app is meant: name one with --app; the rules have %s", names)}
		}
		return nil, usageError{fmt.Errorf("cannot simulate the app %q: the rules have %s", o.app, names)}
	}
	return app, nil
}

// someOf lists names, the first ten if there are more.
func someOf(names []string) string {
	const most = 10
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}

// open loads the app of each rules file, and the history as far as they ask for it.
func (o *simulateOptions) open(ctx context.Context, std stdio, files ...string) ([]*mapping.App, func() simulate.History, error) {
	if o.learn < 0 {
		return nil, nil, usageError{fmt.Errorf("cannot use --learn %d: want 0 days or more", o.learn)}
	}
	var all []*mapping.App
	var subjects []string
	for _, file := range files {
		rs, err := o.compiled(file, std)
		if err != nil {
			return nil, nil, err
		}
		app, err := o.chosen(rs)
		if err != nil {
			return nil, nil, err
		}
		all, subjects = append(all, app), append(subjects, app.Subjects()...)
	}
	history, err := o.history.open(ctx, std, subjects)
	return all, history, err
}

func newSimulate(std stdio) *cobra.Command {
	var o simulateOptions
	var policy, html, compare string
	var noBound bool
	cmd := &cobra.Command{
		Use:   "simulate --events FILE | --stream NAME",
		Short: "Run recorded events through rules and planner in virtual time; sends nothing",
		Long: `Runs a history through the real mapping, fold and planner in virtual time. It says what would have been
sent when, what each event came to, and how close that is to what hindsight could have earned.

A history is a file of JSON lines with "at", "subject" and "data", or a stream.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := parsePolicy(policy)
			if err != nil {
				return err
			}
			files := []string{o.rules}
			if compare != "" {
				files = append(files, compare)
			}
			apps, history, err := o.open(cmd.Context(), std, files...)
			if err != nil {
				return err
			}
			cfg := simulate.Config{App: apps[0], Policy: p, Learn: o.learn, SkipBound: noBound}
			report, err := simulate.Run(cmd.Context(), cfg, history())
			if err != nil {
				return err
			}
			if compare == "" {
				return o.show(std, html, &report)
			}
			cfg.App = apps[1]
			other, err := simulate.Run(cmd.Context(), cfg, history())
			if err != nil {
				return err
			}
			both := simulate.Compare(o.rules, report, compare, other)
			return o.show(std, html, &both)
		},
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&policy, "policy", "", "price, asap or slots, instead of the rules' own policy")
	f.StringVar(&html, "html", "", "write a page with the timeline to this file")
	f.StringVar(&compare, "compare", "", "another rules file, shown beside this one")
	f.BoolVar(&noBound, "no-bound", false, "skip the bound and the score, which take as long as everything else")
	return cmd
}

// shown is a report or a comparison of two.
type shown interface {
	WriteText(w io.Writer) error
	WriteHTML(w io.Writer) error
}

// show writes the page, if one is wanted, and prints the figures.
func (o *simulateOptions) show(std stdio, html string, s shown) error {
	if html != "" {
		if err := writeHTML(html, s); err != nil {
			return err
		}
	}
	if o.json {
		return printJSON(std.out, s)
	}
	makePrintable(s)
	return s.WriteText(std.out)
}

func writeHTML(path string, s shown) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("cannot write the page: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return s.WriteHTML(f)
}

func parsePolicy(text string) (mapping.Policy, error) {
	switch p := mapping.Policy(text); p {
	case "", mapping.PolicyPrice, mapping.PolicyASAP, mapping.PolicySlots:
		return p, nil
	}
	return "", usageError{fmt.Errorf("cannot use the policy %q: want price, asap or slots", text)}
}

func newTune(std stdio) *cobra.Command {
	var o simulateOptions
	var policies, slots, reserves, worths []string
	var windows []float64
	cmd := &cobra.Command{
		Use:   "tune --events FILE | --stream NAME",
		Short: "Try variations of the rules on recorded events; changes nothing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tuning, err := parseTuning(policies, slots, reserves, worths, windows)
			if err != nil {
				return err
			}
			apps, history, err := o.open(cmd.Context(), std, o.rules)
			if err != nil {
				return err
			}
			perDay := apps[0].Quota.PerDay
			for i, r := range tuning.Reserves {
				sum := 0
				for _, n := range r {
					sum += n
				}
				if sum > perDay {
					return usageError{fmt.Errorf("cannot use --reserve %q: a day has %s", reserves[i], bridge.Plural(perDay, "send", "sends"))}
				}
			}
			trials, err := simulate.Tune(cmd.Context(), simulate.Config{App: apps[0], Learn: o.learn}, tuning, history)
			if err != nil {
				return err
			}
			return printTrials(std.out, o.json, trials)
		},
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&policies, "policy", []string{"price", "asap"}, "policies to try")
	f.StringArrayVar(&slots, "slots", nil, `slots to try, like "09:00,18:00"; may be repeated`)
	f.StringArrayVar(&reserves, "reserve", nil, `reserves to try, like "urgent=1"; may be repeated`)
	f.StringArrayVar(&worths, "worth", nil, `worths to try, like "low=1,normal=3,high=10,urgent=50"; may be repeated`)
	f.Float64SliceVar(&windows, "window", []float64{0.5, 2}, "factors to try on every gathering window")
	return cmd
}

func printTrials(w io.Writer, asJSON bool, trials []simulate.Trial) error {
	if asJSON {
		return printJSON(w, trials)
	}
	makePrintable(&trials)
	return simulate.WriteTrials(w, trials)
}

// maxWindow is the largest factor: it makes days of minutes.
const maxWindow = 1000

func parseTuning(policies, slots, reserves, worths []string, windows []float64) (t simulate.Tuning, err error) {
	for _, f := range windows {
		if !(f > 0 && f <= maxWindow) { // NaN is neither
			return t, usageError{fmt.Errorf("cannot use --window %g: want a factor above 0, such as 0.5, up to %d", f, maxWindow)}
		}
	}
	t.Windows, t.Urgent = windows, true
	for _, text := range policies {
		p, err := parsePolicy(text)
		if err != nil {
			return t, err
		}
		if p == mapping.PolicySlots && len(slots) == 0 {
			return t, usageError{errors.New("cannot try the policy slots without times: name them with --slots")}
		}
		t.Policies = append(t.Policies, p)
	}
	for _, text := range slots {
		var list []time.Duration
		for _, s := range strings.Split(text, ",") {
			at, err := time.Parse("15:04", strings.TrimSpace(s))
			if err != nil {
				return t, usageError{fmt.Errorf("cannot use --slots %q: want times of day such as 09:00,18:00", text)}
			}
			slot := time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
			if slices.Contains(list, slot) {
				return t, usageError{fmt.Errorf("cannot use --slots %q: %s is there twice", text, at.Format("15:04"))}
			}
			list = append(list, slot)
		}
		slices.Sort(list) // as in the rules
		t.Slots = append(t.Slots, list)
	}
	for _, text := range reserves {
		values, err := byPriority("--reserve", text)
		if err != nil {
			return t, err
		}
		reserve := map[mapping.Priority]int{}
		for p, v := range values {
			if v != math.Trunc(v) {
				return t, usageError{fmt.Errorf("cannot use --reserve %q: want whole numbers", text)}
			}
			reserve[p] = int(v)
		}
		t.Reserves = append(t.Reserves, reserve)
	}
	for _, text := range worths {
		values, err := byPriority("--worth", text)
		if err != nil {
			return t, err
		}
		t.Worths = append(t.Worths, values)
	}
	return t, nil
}

// byPriority reads "urgent=1,high=2".
func byPriority(flag, text string) (map[mapping.Priority]float64, error) {
	out := map[mapping.Priority]float64{}
	for pair := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		p, err := mapping.ParsePriority(name)
		if err != nil {
			return nil, usageError{fmt.Errorf("cannot use %s %q: %w", flag, text, err)}
		}
		if _, again := out[p]; again {
			return nil, usageError{fmt.Errorf("cannot use %s %q: %s is there twice", flag, text, name)}
		}
		if out[p], err = strconv.ParseFloat(value, 64); err != nil || !(out[p] >= 0 && out[p] <= mapping.MaxWorth) {
			return nil, usageError{fmt.Errorf("cannot use %s %q: want %s=NUMBER, from 0 to %d", flag, text, name, int(mapping.MaxWorth))}
		}
	}
	return out, nil
}
