package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/internal/sandbox"
)

var (
	reloads    = flag.Int("reload.times", 100, "how often the rules are replaced under load")
	reloadSeed = flag.Uint64("reload.seed", 1, "seed of the random files")
)

// reloadRules is a good file; %[1]s: idle, %[2]s: at_most, %[3]s: the
// template's name, %[4]s: more rules.
const reloadRules = `version: 1
apps:
  campus:
    app_key: ${APP_KEY}
    app_secret: ${APP_SECRET}
    base_urls: ["${PRIMARY}", "${BACKUP}"]
    sender: office
    packages: [com.example.student]
    quota: {per_hour: 100000, per_day: 100000, policy: asap}
sources:
  school: {stream: SCHOOL, start: all}
audiences:
  students: {app: campus, package: com.example.student, platforms: [ios, android]}
templates:
  %[3]s: &said
    gather: {idle: %[1]s, at_most: %[2]s}
    keep: 200
    expires_after: 24h
    message:
      type: RC:TxtMsg
      content: {content: "{{ range .Items }}{{ .Key }} {{ end }}"}
    notification: {title: "{{ .Count }} changes", alert: "{{ .Last.Key }}"}
  other: *said
rules:
  - {name: cancelled, on: school.lesson.cancelled, audience: students, template: %[3]s, key: event.id, item: "{{ .id }}"}
%[4]s`

// goodRules is a random file that compiles.
func goodRules(r *rand.Rand) string {
	template, more := "lessons", ""
	if r.IntN(6) == 0 {
		template = "renamed" // orphans the digests of the other, until a later file has it again
	}
	for n := range r.IntN(3) {
		more += fmt.Sprintf("  - {name: more-%d, on: school.more.%d, audience: students, template: other, priority: %s}\n",
			n, r.IntN(4), []string{"low", "normal", "high"}[r.IntN(3)])
	}
	idle := []string{"50ms", "200ms", "1s"}[r.IntN(3)]
	return fmt.Sprintf(reloadRules, idle, []string{"1s", "2s"}[r.IntN(2)], template, more)
}

// lastRules has every template that goodRules may have had, so that nothing
// stays orphaned.
func lastRules() string {
	all := fmt.Sprintf(reloadRules, "50ms", "500ms", "lessons", "  - {name: renamed, on: school.renamed, audience: students, template: renamed}\n")
	return strings.Replace(all, "other: *said", "renamed: *said", 1)
}

// spoilers each make a good file bad. The first problem names n, or is of a
// kind of its own, so that every refusal can be told from the one before.
func spoilers(good string, n int) []string {
	marked := fmt.Sprintf("broken-%d: true\n", n) + good
	return []string{
		marked,
		strings.Replace(marked, "key: event.id", "key: event.nothing(", 1),
		strings.Replace(marked, "audience: students, template", "audience: nobody, template", 1),
		strings.Replace(marked, "${APP_SECRET}", "${UNSET}", 1),
		good + "  - {name: torn, on: [",
		good[:len(good)/3],
		"",
	}
}

// reload is one daemon whose rules are replaced.
type reload struct {
	t      *testing.T
	daemon *process
	page   string
	rules  string
}

// replace puts a file in place as editors do, and has it looked at now.
func (x *reload) replace(text string) {
	x.t.Helper()
	beside := filepath.Join(filepath.Dir(x.rules), "next")
	if err := os.WriteFile(beside, []byte(text), 0o600); err != nil {
		x.t.Fatal(err)
	}
	if err := os.Rename(beside, x.rules); err != nil {
		x.t.Fatal(err)
	}
	x.daemon.signal(syscall.SIGHUP)
}

func (x *reload) good(text string) {
	x.t.Helper()
	before := overview(x.page).Rules
	x.replace(text)
	eventually(x.t, "the new rules are in force", func() bool {
		now := overview(x.page).Rules
		return now.Loaded.After(before.Loaded) && len(now.Problems) == 0
	})
}

// bad checks that a bad file is shown, and changes nothing else.
func (x *reload) bad(text string, n int) {
	x.t.Helper()
	before := overview(x.page)
	x.replace(text)
	eventually(x.t, fmt.Sprintf("bad file %d is shown in the status:\n%s", n, text), func() bool {
		now := overview(x.page).Rules
		return len(now.Problems) > 0 && !slices.Equal(now.Problems, before.Rules.Problems)
	})
	after := overview(x.page)
	if !after.Rules.Loaded.Equal(before.Rules.Loaded) {
		x.t.Errorf("bad file %d: the rules in force are of %s, want those of %s", n, after.Rules.Loaded, before.Rules.Loaded)
	}
	if !after.Ready {
		x.t.Errorf("bad file %d: the status says that the daemon is not ready", n)
	}
	if status, body := get(x.page + "/readyz"); status != http.StatusOK {
		x.t.Errorf("bad file %d: /readyz answers %d: %s", n, status, body)
	}
}

// publishSteadily publishes events with ids of their own until stop is
// closed, and counts them.
func publishSteadily(ctx context.Context, js jetstream.JetStream, published *atomic.Int64, stop <-chan struct{}) error {
	pace := time.NewTicker(10 * time.Millisecond) // the load: 100 events a second
	defer pace.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return nil
		case <-pace.C:
		}
		if _, err := js.Publish(ctx, "school.lesson.cancelled", []byte(`{}`), jetstream.WithMsgID(fmt.Sprintf("e%d", n))); err != nil {
			return fmt.Errorf("cannot publish event %d: %w", n, err)
		}
		published.Add(1)
	}
}

func TestReloadsUnderLoadLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	long(t)
	provider := startSandbox(t, sandbox.Config{Quota: sandbox.Quota{PerHour: 100_000, PerDay: 100_000}})
	natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
	nc, js := connect(t, natsURL)
	createSchool(t, js)
	results := follow(t, nc)
	random := rand.New(rand.NewPCG(*reloadSeed, 0))
	x := &reload{t: t, rules: writeFile(t, "rules.yaml", goodRules(random))}
	x.daemon, x.page = startBelfry(t, provider, natsURL, x.rules)

	stop, done := make(chan struct{}), make(chan struct{})
	var count atomic.Int64
	var publishError error
	go func() {
		defer close(done)
		publishError = publishSteadily(t.Context(), js, &count, stop)
	}()
	valid, invalid, kind := 0, 0, 0
	for n := range *reloads {
		before := count.Load()
		if text := goodRules(random); random.IntN(2) == 0 {
			x.good(text)
			valid++
		} else {
			bad := spoilers(text, n)
			kind = (kind + 1 + random.IntN(len(bad)-1)) % len(bad) // not the last one
			x.bad(bad[kind], n)
			invalid++
		}
		eventually(t, "events flow between two reloads", func() bool { return count.Load() >= before+10 })
	}
	close(stop)
	<-done
	if publishError != nil {
		t.Fatal(publishError)
	}
	published := int(count.Load())
	x.good(lastRules())
	t.Logf("%d events during %d reloads and %d refused files", published, valid, invalid)

	eventually(t, "every event is folded and every item sent", func() bool {
		s := overviewOf(t, x.page)
		return s.Counts.Read == uint64(published) && s.Waiting == 0 && s.Outbox == 0
	})
	c := overviewOf(t, x.page).Counts
	if n := uint64(published); c.Matched != n || c.Items != n || c.Sent != n || c.Dead+c.Unmatched+c.Replaced+c.Expired+c.Gaps != 0 {
		t.Errorf("the counters say %+v, want %d events matched and sent, and nothing else", c, n)
	}
	if n := len(provider.Broadcasts()); c.Broadcasts != uint64(n) {
		t.Errorf("the counters say %d broadcasts, and the provider has %d", c.Broadcasts, n)
	}
	eventually(t, "every broadcast has its result", func() bool { return uint64(len(results())) == c.Broadcasts })
	accountFor(t, published, "the results", func(yield func(string)) {
		for _, r := range results() {
			for _, id := range r.EventIDs {
				yield(id)
			}
		}
	})
	atTheProvider := map[string]int{} // of a digest with more than 200 items it is told the first ones
	for _, b := range provider.Broadcasts() {
		for _, key := range strings.Fields(b.Text) {
			if atTheProvider[key]++; atTheProvider[key] > 1 {
				t.Errorf("the provider was told of event %s more than once", key)
			}
		}
	}
	if len(atTheProvider) == 0 {
		t.Error("the provider was told of no event")
	}
	if valid == 0 || invalid == 0 {
		t.Errorf("%d good and %d bad files: want some of both", valid, invalid)
	}
}

// accountFor checks that every event is named once.
func accountFor(t *testing.T, published int, where string, ids func(func(string))) {
	t.Helper()
	times := map[string]int{}
	ids(func(id string) { times[id]++ })
	for n := range published {
		if id := fmt.Sprintf("e%d", n); times[id] != 1 {
			t.Errorf("%s name event %s %d times, want once", where, id, times[id])
		}
	}
	if len(times) > published {
		t.Errorf("%s name unknown events: %v", where, slices.Sorted(maps.Keys(times))[:10])
	}
}
