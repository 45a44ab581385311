package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/sandbox"
)

// show tells the demo's audience what happens, line by line.
type show struct {
	out     io.Writer
	colour  bool
	start   time.Time
	results chan *nats.Msg // from NATS to the one that shows them

	mu     sync.Mutex // guards what follows
	last   time.Time  // of the last news
	rung   int        // broadcasts shown
	told   map[string]string
	counts map[string]int // results by state
	events int
}

func newShow(out io.Writer, colour bool) *show {
	return &show{
		out: out, colour: colour, start: time.Now(), last: time.Now(),
		results: make(chan *nats.Msg, 1024), told: map[string]string{}, counts: map[string]int{},
	}
}

// The colours by what a line tells.
const (
	inkEvent  = "36"   // cyan
	inkDigest = "33"   // yellow
	inkPhone  = "1;35" // bold magenta
	inkResult = "32"   // green
	inkSoft   = "2"
	inkTitle  = "1"
)

func (s *show) paint(ink, text string) string {
	if !s.colour || ink == "" {
		return text
	}
	return "\x1b[" + ink + "m" + text + "\x1b[0m"
}

// line prints one line. Callers other than the methods below hold no lock.
func (s *show) line(ink, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.print(ink, "", fmt.Sprintf(format, args...))
}

// print writes one line, with the time since the beginning unless kind is empty.
func (s *show) print(ink, kind, text string) {
	prefix := ""
	if kind != "" {
		prefix = fmt.Sprintf("%5.1fs  %-8s ", time.Since(s.start).Seconds(), kind)
		s.last = time.Now()
	}
	fmt.Fprintln(s.out, s.paint(ink, prefix+printable(text)))
}

func (s *show) quietFor() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.last)
}

func (s *show) title(page, provider string) {
	s.line(inkTitle, "A school morning. The provider allows 2 broadcasts an hour and 3 a day; some 30 events are coming.")
	s.line(inkSoft, "dashboard %s   simulated provider %s", page, provider)
	s.line("", "")
}

func (s *show) event(e storyEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events++
	s.print(inkEvent, "event", fmt.Sprintf("%-26s %s", e.subject, e.said))
}

// digests tells of every digest whose number of items or standing has changed.
func (s *show) digests(app bridge.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range app.Digests {
		now := fmt.Sprintf("%d %s", d.Count, d.State)
		if s.told[d.Digest] == now {
			continue
		}
		s.told[d.Digest] = now
		what := fmt.Sprintf("%s / %s holds %s", d.Audience, d.Template, bridge.Plural(d.Count, "item", "items"))
		switch d.State {
		case bridge.StateGathering:
			what += ", its window closes in " + strings.Replace(time.Until(d.Ready).Round(time.Second).String(), "m0s", "m", 1)
		default:
			what += ": " + d.Why
		}
		s.print(inkDigest, "digest", what)
	}
}

// result tells what a message of the results' stream says.
func (s *show) result(m *nats.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reason, ok := strings.CutPrefix(m.Subject, "belfry.deadletter."); ok {
		s.counts["dead letter"]++
		s.print(inkResult, "result", fmt.Sprintf("%s: event %s of %s is kept as a dead letter: %s",
			reason, m.Header.Get("Belfry-Sequence"), m.Header.Get("Belfry-Stream"), m.Header.Get("Belfry-Error")))
		return
	}
	if !strings.HasPrefix(m.Subject, "belfry.result.") {
		return
	}
	var event struct {
		Data bridge.Result `json:"data"`
	}
	if err := json.Unmarshal(m.Data, &event); err != nil {
		s.print(inkResult, "result", "cannot decode it: "+err.Error())
		return
	}
	r := event.Data
	s.counts[string(r.State)]++
	if r.State == bridge.ResultQuotaLow {
		s.print(inkResult, "result", m.Subject+": "+r.Message)
		return
	}
	text := fmt.Sprintf("%s: %s, %s", m.Subject, bridge.Plural(r.Items, "item", "items"), bridge.Plural(r.Events, "event", "events"))
	for _, q := range r.Quota {
		if r.Broadcast == "" {
			break // only a send changes it
		}
		text += fmt.Sprintf(", %d left this %s", q.Left, q.Window)
	}
	s.print(inkResult, "result", text)
}

// broadcasts draws those that the provider got since the last look.
func (s *show) broadcasts(all []sandbox.Broadcast) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range all[min(s.rung, len(all)):] {
		s.print(inkPhone, "phone", fmt.Sprintf("rings for all users of %s on %s", b.Package, strings.Join(b.Platforms, ", ")))
		for _, line := range phone(b.Title, b.Alert, b.Text) {
			fmt.Fprintln(s.out, s.paint(inkPhone, "                 "+printable(line)))
		}
	}
	s.rung = max(s.rung, len(all))
}

// summary tells how it ended, and fails when the two sides disagree.
func (s *show) summary(o bridge.Overview, sent []sandbox.Broadcast) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.out)
	fmt.Fprintln(s.out, s.paint(inkTitle, "What it came to"))
	row := func(name, format string, args ...any) {
		fmt.Fprintf(s.out, "  %-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	var read, broadcasts uint64
	for _, app := range o.Apps {
		c := app.Counts
		read += c.Read
		broadcasts += c.Broadcasts
		row("events", "%d published, %d read for %s: %d matched a rule, %d matched none, %d undecodable", s.events, c.Read, app.App, c.Matched, c.Unmatched, c.Dead)
		row("items", "%d: %d sent, %d replaced by newer ones, %d cancelled, %d waiting", c.Items, c.Sent, c.Replaced, c.Cancelled, app.Waiting)
		row("broadcasts", "%d, each with its result", c.Broadcasts)
		for _, q := range app.Quota {
			row("quota", "%d of %d used this %s", q.Used, q.Max, q.Window)
		}
		for _, d := range app.Digests {
			row("waiting", "%s / %s (%s): %s", d.Audience, d.Template, bridge.Plural(d.Count, "item", "items"), printable(d.Why))
		}
	}
	switch {
	case len(sent) == 0:
		return fmt.Errorf("the demo failed: no broadcast reached the provider within %s", demoAtMost)
	case uint64(len(sent)) != broadcasts || s.counts["sent"] != len(sent):
		return fmt.Errorf("the demo failed: the provider got %s, the daemon counts %d, and %s came", bridge.Plural(len(sent), "broadcast", "broadcasts"), broadcasts, bridge.Plural(s.counts["sent"], "result", "results"))
	}
	return nil
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
