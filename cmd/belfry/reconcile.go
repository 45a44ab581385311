package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/control"
	"github.com/belfry-bridge/belfry/internal/stream"
)

// Verdicts of a finding.
const (
	agrees     = "ok"
	differs    = "DIFFERS"
	unprovable = "not provable"
)

// finding compares two counts of the same thing.
type finding struct {
	App     string `json:"app"`
	What    string `json:"what"`
	Counted uint64 `json:"counted"` // by the daemon
	Found   uint64 `json:"found"`   // by us
	Verdict string `json:"verdict"`
	Why     string `json:"why,omitempty"`
}

func compare(app, what string, counted, found uint64) finding {
	f := finding{App: app, What: what, Counted: counted, Found: found, Verdict: agrees}
	if counted != found {
		f.Verdict = differs
	}
	return f
}

func newReconcile(std stdio) *cobra.Command {
	var (
		p      publications
		app    string
		within time.Duration
		strict bool
	)
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Prove that every event read has exactly one end, or name the difference",
		Long: `Adds up what became of every event that was read, and compares the sum with other evidence: the results
and dead letters that were published, and the events that the streams have in the stretch that was folded.
The exit code is 1 if something differs.

What streams have dropped since, by their limits, can't be counted again. It is reported as not provable;
with --strict it counts as a difference. Results that are still on their way are waited for (--within).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings, err := p.reconcile(cmd.Context(), app, within)
			if err != nil {
				return err
			}
			if p.json {
				err = printJSON(std.out, findings)
			} else {
				printFindings(std.out, findings)
			}
			if err == nil && !clean(findings, strict) {
				err = errTold
			}
			return err
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&app, "app", "", "only this app")
	within = 10 * time.Second
	cmd.Flags().Var((*spanFlag)(&within), "within", "how long to wait for what is on its way")
	cmd.Flags().BoolVar(&strict, "strict", false, "what is not provable counts as a difference")
	return cmd
}

func clean(findings []finding, strict bool) bool {
	return !slices.ContainsFunc(findings, func(f finding) bool {
		return f.Verdict == differs || strict && f.Verdict == unprovable
	})
}

func (p *publications) reconcile(ctx context.Context, app string, within time.Duration) ([]finding, error) {
	nc, err := p.connect()
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("cannot use JetStream: %w", err)
	}
	agreed := agreement{}
	return untilClean(ctx, within, func(ctx context.Context) ([]finding, error) {
		all, err := control.Overviews(ctx, nc)
		if err != nil {
			return nil, err
		}
		return p.lookAt(ctx, js, owned(all), app, agreed)
	})
}

// agreement is what was found of apps of which nothing differed. They are not
// looked at again: of many that are busy, one is always about to publish something.
type agreement map[string][]finding

func (a agreement) orLook(app string, look func() ([]finding, error)) ([]finding, error) {
	if found, ok := a[app]; ok {
		return found, nil
	}
	found, err := look()
	if err == nil && clean(found, false) {
		a[app] = found
	}
	return found, err
}

// untilClean looks again while anything differs: the daemon counts at once,
// and publishes a commit later. It also does where JetStream does not answer
// in time, for a minute more: a stream that has just lost its leader answers
// the next time.
func untilClean(ctx context.Context, within time.Duration, look func(context.Context) ([]finding, error)) ([]finding, error) {
	ctx, cancel := context.WithTimeout(ctx, within+time.Minute)
	defer cancel()
	deadline := time.Now().Add(within)
	for {
		findings, err := look(ctx)
		late := ctx.Err() == nil && stream.MayPass(err)
		if !late && (err != nil || clean(findings, false) || time.Now().After(deadline)) {
			return findings, err
		}
		select {
		case <-ctx.Done():
			return findings, err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (p *publications) lookAt(ctx context.Context, js jetstream.JetStream, apps []bridge.Status, only string, agreed agreement) ([]finding, error) {
	var findings []finding
	found := false
	for i := range apps {
		s := &apps[i]
		if only != "" && s.App != only {
			continue
		}
		found = true
		if s.Role != bridge.RoleOwner {
			return nil, fmt.Errorf("cannot reconcile %s: nobody owns it at this moment", s.App)
		}
		more, err := agreed.orLook(s.App, func() ([]finding, error) { return p.lookAtOne(ctx, js, s) })
		if err != nil {
			return nil, err
		}
		findings = append(findings, more...)
	}
	if !found {
		return nil, errors.New("cannot reconcile: no such app (see belfry status)")
	}
	return findings, nil
}

func (p *publications) lookAtOne(ctx context.Context, js jetstream.JetStream, s *bridge.Status) ([]finding, error) {
	told, err := p.of(ctx, js, s.App)
	if err != nil {
		return nil, err
	}
	findings := append(counters(s), publishedFindings(s, told)...)
	sources, err := sourceFindings(ctx, js, s)
	return append(findings, sources...), err
}

// counters checks that the daemon's own counts add up.
func counters(s *bridge.Status) []finding {
	c := &s.Counts
	events, items := c.Missing(s.Waiting)
	return []finding{
		compare(s.App, "events read = unmatched + dead + cancelling + became items", c.Read, uint64(int64(c.Read)-events)),
		compare(s.App, "items = sent + replaced + cancelled + … + waiting", c.Items, uint64(int64(c.Items)-items)),
	}
}

// otherClock is how far the server's clock may be ahead of a replica's.
const otherClock = time.Minute

const deadLettersFound = "dead letters"

// publishedFindings compares the counts with what subscribers were told.
func publishedFindings(s *bridge.Status, told published) []finding {
	events, ends, broadcasts := map[bridge.ResultState]uint64{}, map[string]int{}, uint64(0)
	earlier, left := 0, uint64(0) // of a state that was lost: it had counts of its own
	for id, r := range told.results {
		if i := strings.IndexAny(id, "-."); s.Born != "" && i > 0 && id[:i] != s.Born {
			earlier++
			if r.State == bridge.ResultSent {
				left++
			}
			continue
		}
		events[r.State] += uint64(r.Events)
		if r.State.Final() && r.Broadcast != "" {
			ends[r.Broadcast]++
		}
		if r.State == bridge.ResultSent {
			broadcasts++
		}
	}
	twice := uint64(0)
	for _, n := range ends {
		if n > 1 {
			twice++
		}
	}
	var out []finding
	counts := s.Counts.Reported()
	for _, state := range sortedKeys(counts) {
		out = append(out, compare(s.App, fmt.Sprintf("events in results that are %s", state), counts[state], events[state]))
	}
	out = append(out,
		compare(s.App, "results of broadcasts sent", s.Counts.Broadcasts, broadcasts),
		compare(s.App, deadLettersFound, s.Counts.DeadLetters, uint64(len(told.deadLetters))))
	for i := range out {
		if f := &out[i]; f.Verdict == differs && f.Found < f.Counted {
			switch {
			case !s.Restored.IsZero():
				f.Verdict, f.Why = unprovable, "an older state was put back, "+stamp(s.Restored)+": results of before have ids of another series"
			case !told.complete:
				f.Verdict, f.Why = unprovable, "the stream of results no longer has everything from its beginning"
			case !s.Began.IsZero() && told.made.After(s.Began.Add(otherClock)):
				f.Verdict, f.Why = unprovable, "the stream of results was made anew, "+stamp(told.made)
			}
		}
		if f := &out[i]; f.Verdict == differs && f.What == deadLettersFound && earlier > 0 {
			f.Verdict, f.Why = unprovable, "there are results of an earlier state, which was lost, and dead letters do not tell of which they are"
		}
	}
	if left > 0 { // what waits now may have left with them
		out = append(out, finding{
			App: s.App, What: "broadcasts sent before, by a state that was lost or put back", Found: left, Verdict: unprovable,
			Why: "whether the counts know of them cannot be told; they are on belfry.result." + s.App + ".*.sent",
		})
	}
	return append(out, compare(s.App, "broadcasts with more than one end", 0, twice))
}

// sourceFindings counts in the streams what was folded of them.
func sourceFindings(ctx context.Context, js jetstream.JetStream, s *bridge.Status) ([]finding, error) {
	var out []finding
	for _, name := range sortedKeys(s.Folded) {
		span := s.Folded[name]
		counted, err := stream.Count(ctx, js, name, s.Subjects, span.First, span.Last)
		if errors.Is(err, stream.ErrTangled) {
			out = append(out, finding{App: s.App, What: "events of " + name, Counted: span.Events, Verdict: unprovable, Why: err.Error()})
			continue
		}
		if err != nil {
			return nil, err
		}
		f := compare(s.App, fmt.Sprintf("events of %s, %d to %d", name, span.First, span.Last), span.Events, counted.Events)
		if f.Verdict == differs && f.Found < f.Counted && counted.Oldest > span.First {
			f.Verdict, f.Why = unprovable, fmt.Sprintf("the stream begins at %d by now", counted.Oldest)
		}
		out = append(out, f)
	}
	return out, nil
}

func printFindings(w io.Writer, findings []finding) {
	makePrintable(&findings)
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	app := ""
	for _, f := range findings {
		if f.App != app {
			app = f.App
			fmt.Fprintf(tab, "app %s\tcounted\tfound\t\n", app)
		}
		fmt.Fprintf(tab, "  %s\t%d\t%d\t%s", f.What, f.Counted, f.Found, f.Verdict)
		if f.Verdict == differs {
			fmt.Fprintf(tab, " by %d", int64(f.Found)-int64(f.Counted))
		}
		if f.Why != "" {
			fmt.Fprintf(tab, ": %s", f.Why)
		}
		fmt.Fprintln(tab)
	}
	_ = tab.Flush()
}
