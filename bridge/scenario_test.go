package bridge_test

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/bridge/bridgetest"
	"github.com/belfry-bridge/belfry/mapping"
)

const scenarioRules = `version: 1
apps:
  campus:
    app_key: ${K}
    app_secret: ${S}
    base_urls: ["https://api.example.com"]
    sender: office
    packages: [com.example.student]
    quota: {policy: asap}
audiences:
  students: {app: campus, package: com.example.student, platforms: [ios]}
templates:
  lessons:
    gather: {idle: 2m, at_most: 15m}
    keep: 5
    expires_after: 6h
    message: {type: RC:TxtMsg, content: {content: "{{ range .Items }}[{{ .Text }}]{{ end }}+{{ .More }}"}}
    notification: {title: "{{ .Count }}", alert: "x"}
    when_in_doubt: hold
rules:
  - {name: cancelled, on: lesson.cancelled, audience: students, template: lessons, key: event.data.id, item: "{{ .data.id }}"}
  - {name: restored, on: lesson.restored, cancels: [cancelled], key: event.data.id}
`

func compile(t testing.TB, text string) bridge.Rules {
	t.Helper()
	rs, problems := mapping.Compile("rules.yaml", []byte(text), mapping.Options{LookupEnv: func(string) (string, bool) { return "value-of-variable", true }})
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return bridge.Rules{App: rs.Apps["campus"], Sources: rs.Sources}
}

// world is one app with everything around it in memory and its own clock.
type world struct {
	t         *testing.T
	store     *bridgetest.Store
	lease     *bridgetest.Lease
	source    *bridgetest.Source
	publisher *bridgetest.Publisher
	provider  *bridgetest.Provider
	rules     bridge.Rules

	bridge *bridge.Bridge
	stop   context.CancelFunc
	done   chan error
	starts int
	born   string // of the next state that begins; empty: "born"

	mu       sync.Mutex // guards what follows
	troubles map[string]string
	log      strings.Builder
}

// Write is where the log goes.
func (w *world) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(line)
}

// logged returns the lines of the log with a message.
func (w *world) logged(message string) (lines []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for line := range strings.Lines(w.log.String()) {
		if strings.Contains(line, "msg="+strconv.Quote(message)) {
			lines = append(lines, line)
		}
	}
	return lines
}

func (w *world) note(condition string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.troubles, condition)
	if err != nil {
		w.troubles[condition] = err.Error()
	}
}

// trouble is what is said of a condition; empty: it does not hold.
func (w *world) trouble(condition string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.troubles[condition]
}

// inWorld runs a scenario in virtual time, beginning with one running bridge.
func inWorld(t *testing.T, scenario func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, store: &bridgetest.Store{}, lease: &bridgetest.Lease{}, source: bridgetest.NewSource("SCHOOL", time.Now()),
			publisher: &bridgetest.Publisher{}, provider: &bridgetest.Provider{}, rules: compile(t, scenarioRules),
			troubles: map[string]string{},
		}
		w.start()
		defer func() { w.end() }()
		scenario(w)
	})
}

func (w *world) start() { w.t.Helper(); w.startWith(func(*bridge.Config) {}) }

func (w *world) startWith(change func(*bridge.Config)) {
	w.t.Helper()
	w.starts++
	config := bridge.Config{
		Rules: w.rules, Replica: fmt.Sprint("replica-", w.starts), Store: w.store, Lease: w.lease, Source: w.source,
		Publisher: w.publisher, Provider: func(*mapping.App) (bridge.Provider, error) { return w.provider, nil },
		Born: func() string { return cmp.Or(w.born, "born") }, Logger: slog.New(slog.NewTextHandler(w, nil)), Note: w.note,
	}
	change(&config)
	b, err := bridge.New(config)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.bridge, w.stop, w.done = b, cancel, make(chan error, 1)
	done := w.done
	go func() { done <- b.Run(ctx) }()
	w.settle()
}

// end stops the bridge in good order.
func (w *world) end() {
	w.t.Helper()
	w.stop()
	if err := <-w.done; err != nil {
		w.t.Errorf("the bridge ended with %v", err)
	}
}

// publishNothing has every result refused for as long as what it returns is true.
func (w *world) publishNothing() (down *atomic.Bool) {
	down = &atomic.Bool{}
	down.Store(true)
	w.publisher.Fail = func(bridge.Publication) error {
		if down.Load() {
			return errors.New("no responders")
		}
		return nil
	}
	return down
}

// settle lets everything happen that needs no time.
func (w *world) settle() { synctest.Wait() }

func (w *world) pass(d time.Duration) {
	time.Sleep(d) // of the bubble's clock: costs nothing
	synctest.Wait()
}

func (w *world) cancelled(ids ...string) {
	for _, id := range ids {
		w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: []byte(`{"id":"` + id + `"}`)})
	}
	w.settle()
}

func (w *world) restored(id string) {
	w.source.Append(time.Now(), mapping.Message{Subject: "lesson.restored", Data: []byte(`{"id":"` + id + `"}`)})
	w.settle()
}

// said is what the n-th send told people, from 1.
func (w *world) said(n int) string {
	w.t.Helper()
	sends := w.provider.Sends()
	if n > len(sends) {
		w.t.Fatalf("only %d sends, want at least %d", len(sends), n)
	}
	var body mapping.Request
	if err := json.Unmarshal(sends[n-1].Body, &body); err != nil {
		w.t.Fatal(err)
	}
	var content struct{ Content string }
	if err := json.Unmarshal([]byte(body.Message.Content), &content); err != nil {
		w.t.Fatal(err)
	}
	return content.Content
}

// answersLate has the provider accept what it is sent once the channel is closed.
func (w *world) answersLate() (stuck chan struct{}) {
	stuck = make(chan struct{})
	w.provider.Answer = func(context.Context, int, bridge.Send) bridge.Outcome {
		<-stuck
		return bridge.Outcome{Kind: bridge.Accepted, At: time.Now()}
	}
	return stuck
}

func (w *world) wantSends(n int) {
	w.t.Helper()
	if got := len(w.provider.Sends()); got != n {
		w.t.Fatalf("%d sends, want %d", got, n)
	}
}

// results lists the states of all published results.
func (w *world) results() []string {
	var out []string
	for _, p := range w.publisher.Published() {
		var e struct{ Data bridge.Result }
		if err := json.Unmarshal(p.Data, &e); err == nil && e.Data.State != "" {
			out = append(out, string(e.Data.State))
			continue
		}
		out = append(out, p.Subject)
	}
	return out
}

func (w *world) wantResults(want ...string) {
	w.t.Helper()
	if got := w.results(); !slices.Equal(got, want) {
		w.t.Fatalf("results %v, want %v", got, want)
	}
}

func TestAStreamThatIsNoLongerReadDelaysNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("l1")
		w.end()
		w.source = bridgetest.NewSource("CLINIC", time.Now())
		w.start()
		w.pass(time.Second)
		s := w.bridge.Status()
		if !s.CaughtUp {
			t.Errorf("waits for the end of a stream that is not read: %v", s.Sources)
		}
		if s.Sources["SCHOOL"].Sequence != 1 {
			t.Errorf("its checkpoint is %v: it may come back", s.Sources["SCHOOL"])
		}
	})
}

func TestADigestLeavesWhenItsWindowCloses(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths", "music")
		w.pass(time.Minute)
		w.cancelled("maths")
		w.pass(119 * time.Second)
		w.wantSends(0)
		w.pass(2 * time.Second)
		w.wantSends(1)
		if got := w.said(1); got != "[music][maths]+0" {
			t.Errorf("said %q", got)
		}
		w.wantResults("sent")
	})
}

func TestASteadyTrickleCannotPutADigestOff(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range 16 {
			w.cancelled(fmt.Sprint("lesson", i))
			w.pass(time.Minute)
		}
		w.wantSends(1)
		if got := w.said(1); got != "[lesson0][lesson1][lesson2][lesson3][lesson4]+10" && got != "[lesson0][lesson1][lesson2][lesson3][lesson4]+11" {
			t.Errorf("said %q after 15 minutes of one event a minute", got)
		}
	})
}

func TestWhatIsCancelledInTimeIsNeverSaid(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(time.Minute)
		w.restored("maths")
		w.pass(time.Hour)
		w.wantSends(0)
		w.wantResults("cancelled")
	})
}

func TestADayKeepsTheQuotaAndForgetsNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range 24 {
			w.cancelled(fmt.Sprint("lesson", i))
			w.pass(30 * time.Minute)
		}
		if n := len(w.provider.Sends()); n != 3 {
			t.Errorf("%d sends in 12 hours, want the 3 of a day", n)
		}
		w.pass(26 * time.Hour)
		s := w.bridge.Status()
		if got := s.Counts.Sent + s.Counts.Expired; got != 24 || s.Waiting != 0 {
			t.Errorf("of 24 events %d were sent, %d expired, %d wait", s.Counts.Sent, s.Counts.Expired, s.Waiting)
		}
	})
}

func TestAThrottledDigestComesBackAndGoesLater(t *testing.T) {
	inWorld(t, func(w *world) {
		w.provider.Answer = func(_ context.Context, n int, s bridge.Send) bridge.Outcome {
			if n == 1 {
				return bridge.Outcome{Kind: bridge.Throttled, Message: "too many", RetryAfter: time.Now().Add(40 * time.Minute), At: time.Now()}
			}
			return bridge.Outcome{Kind: bridge.Accepted, ProviderID: "p", At: time.Now()}
		}
		w.cancelled("maths")
		w.pass(3 * time.Minute)
		w.wantResults("throttled")
		w.cancelled("music")
		w.pass(30 * time.Minute)
		w.wantSends(1)
		w.pass(15 * time.Minute)
		w.wantSends(2)
		if got := w.said(2); got != "[maths][music]+0" {
			t.Errorf("said %q; want both, the older first", got)
		}
		w.wantResults("throttled", "sent")
		if s := w.bridge.Status(); s.Quota[0].Used != 1 {
			t.Errorf("%d sends are charged, want 1", s.Quota[0].Used)
		}
	})
}

func TestABlockedAppWaitsForAnOperator(t *testing.T) {
	inWorld(t, func(w *world) {
		blocked := true
		w.provider.Answer = func(context.Context, int, bridge.Send) bridge.Outcome {
			if blocked {
				return bridge.Outcome{Kind: bridge.Blocked, Code: new(1009), Message: "service not enabled", At: time.Now()}
			}
			return bridge.Outcome{Kind: bridge.Accepted, At: time.Now()}
		}
		w.cancelled("maths")
		w.pass(3 * time.Hour)
		w.wantSends(1)
		w.wantResults("not_sent", "blocked")
		if s := w.bridge.Status(); s.Paused == nil || s.Paused.Code != 1009 || s.Quota[0].Used != 0 {
			t.Errorf("status %+v; want paused by 1009, and the send refunded", s)
		}
		said := w.logged("the provider refuses the app itself: it is paused")
		if len(said) != 1 || !strings.Contains(said[0], "service not enabled") || !strings.Contains(said[0], "belfry resume --app campus") {
			t.Errorf("the log says %q", said)
		}
		if said := w.logged("items left without being sent"); len(said) > 0 {
			t.Errorf("no items have left, and the log says %q", said)
		}
		blocked = false
		w.resume()
		w.pass(time.Second)
		w.wantSends(2)
		w.wantResults("not_sent", "blocked", "sent")
	})
}

func TestARestartGoesOnWhereItStopped(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(time.Minute)
		w.end()
		w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: []byte(`{"id":"music"}`)})
		w.pass(30 * time.Second)
		w.start()
		w.pass(2 * time.Minute)
		w.wantSends(1)
		if got := w.said(1); got != "[maths][music]+0" {
			t.Errorf("said %q; want what was gathered before and during the stop", got)
		}
		w.end()
		w.start()
		w.pass(24 * time.Hour)
		w.wantSends(1)
		w.wantResults("sent")
	})
}

func TestASendThatWasInterruptedIsInDoubtAndNeverRepeated(t *testing.T) {
	inWorld(t, func(w *world) {
		stuck := w.answersLate()
		w.cancelled("maths")
		w.pass(3 * time.Minute) // sent, no answer yet
		w.wantSends(1)
		first := w.done
		w.stop() // it waits for its answer, and meanwhile …
		w.start()
		w.pass(24 * time.Hour)
		close(stuck)
		if err := <-first; err != nil {
			t.Errorf("the old owner ended with %v", err)
		}
		w.settle()
		w.wantSends(1)
		w.wantResults("in_doubt")
		s := w.bridge.Status()
		if len(s.InDoubt) != 1 || s.Counts.Sent != 0 || s.Waiting != 1 {
			t.Errorf("status %+v; want one broadcast held in doubt", s)
		}
	})
}

// restoredUnderWay cancels maths while its broadcast is under way.
func restoredUnderWay(w *world, outcome bridge.Outcome) {
	stuck := make(chan struct{})
	w.provider.Answer = func(_ context.Context, n int, _ bridge.Send) bridge.Outcome {
		if n > 1 {
			return bridge.Outcome{Kind: bridge.Accepted, At: time.Now()}
		}
		<-stuck
		outcome.At = time.Now()
		return outcome
	}
	w.cancelled("maths", "music")
	w.pass(3 * time.Minute)
	w.wantSends(1)
	w.restored("maths")
	close(stuck)
	w.pass(10 * time.Second)
}

func TestWhatIsCancelledWhileItsBroadcastIsUnderWayIsNotSentAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		restoredUnderWay(w, bridge.Outcome{Kind: bridge.NotSent, Message: "connection refused"})
		w.pass(time.Hour)
		w.wantSends(2)
		if said := w.said(2); strings.Contains(said, "maths") || !strings.Contains(said, "music") {
			t.Errorf("sent again is %q, want music alone", said)
		}
		if c := w.bridge.Status().Counts; c.Cancelled != 1 || c.Sent != 1 {
			t.Errorf("counts %+v, want one cancelled and one sent", c)
		}
	})
}

func TestWhatIsCancelledInDoubtIsNotSentAgain(t *testing.T) {
	for _, sent := range []bool{false, true} {
		inWorld(t, func(w *world) {
			restoredUnderWay(w, bridge.Outcome{Kind: bridge.Doubtful, Message: "no answer"})
			id := w.bridge.Status().InDoubt[0].ID
			w.end()
			w.start() // the mark is durable
			w.pass(time.Minute)
			if err := w.resolve(id, sent); err != nil {
				w.t.Fatal(err)
			}
			w.pass(time.Hour)
			c := w.bridge.Status().Counts
			if sent && (c.Cancelled != 0 || c.Sent != 2) || !sent && (c.Cancelled != 1 || c.Sent != 1) {
				t.Errorf("it was sent: %v; counts %+v", sent, c)
			}
		})
	}
}

func TestAnOwnerThatLostTheAppStopsAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(10 * time.Second)
		rec := w.store.Record()
		w.store.Set(rec.Data, "another/9/9")
		w.cancelled("music")
		w.pass(time.Second)
		acquired := w.lease.Acquired
		if acquired < 2 {
			t.Errorf("the lease was acquired %d times; want the app left and waited for again", acquired)
		}
		w.pass(3 * time.Minute)
		w.wantSends(1) // as the next owner, from the stored state
		if got := w.said(1); got != "[maths][music]+0" {
			t.Errorf("said %q; want everything once", got)
		}
	})
}

func TestAReplicaThatHasLeftTheAppTellsNothingOfIt(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(10 * time.Second)
		back := w.lease.GiveAway()
		w.lease.Revoke()
		w.pass(time.Hour)
		if s := w.bridge.Status(); s.Role != bridge.RoleStandby || len(s.Digests) > 0 || s.Epoch > 0 || s.Waiting > 0 {
			t.Errorf("as %s it tells of %d digests, %d items, epoch %d", s.Role, len(s.Digests), s.Waiting, s.Epoch)
		}
		back()
	})
}

func TestNothingIsSentBeforeTheBacklogIsRead(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(time.Second)
		w.end()
		w.pass(5 * time.Hour) // the window has long closed …
		for i := range 100 {
			w.source.Append(time.Now(), mapping.Message{Subject: "other", Data: fmt.Append(nil, i)})
		}
		w.source.Append(time.Now(), mapping.Message{Subject: "lesson.restored", Data: []byte(`{"id":"maths"}`)}) // … and it was restored
		w.start()
		w.pass(time.Hour)
		w.wantSends(0)
		w.wantResults("cancelled")
	})
}

func TestUndecodableEventsBecomeDeadLettersWithTheirBytesAndCannotFloodTheState(t *testing.T) {
	inWorld(t, func(w *world) {
		const n = 3000
		for i := range n {
			w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: fmt.Appendf(nil, "not json %d", i), Header: map[string][]string{"X": {"y"}}})
		}
		w.pass(time.Minute)
		all := w.publisher.Published()
		if len(all) != n {
			t.Fatalf("%d dead letters, want %d", len(all), n)
		}
		for i, p := range all {
			if p.Subject != "belfry.deadletter.undecodable" || string(p.Data) != fmt.Sprintf("not json %d", i) || p.Header["X"][0] != "y" || p.Header["Belfry-Sequence"][0] != fmt.Sprint(i+1) {
				t.Fatalf("dead letter %d is %+v", i, p)
			}
		}
		if s := w.bridge.Status(); s.Counts.Dead != n || s.Outbox != 0 {
			t.Errorf("counts %+v, outbox %d", s.Counts, s.Outbox)
		}
	})
}

func TestWhatIsTooLargeForTheStreamOfResultsIsPublishedWithoutItsBulk(t *testing.T) {
	inWorld(t, func(w *world) {
		w.publisher.Fail = func(p bridge.Publication) error {
			if len(p.Data) > 5000 || strings.Contains(string(p.Data), `"event_ids"`) {
				return fmt.Errorf("too large: %w", bridge.ErrPermanent)
			}
			return nil
		}
		w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: []byte("not json " + strings.Repeat("x", 6000))})
		w.cancelled("maths")
		w.pass(time.Hour)
		w.wantSends(1)
		w.wantResults("belfry.deadletter.undecodable", "sent")
		all := w.publisher.Published()
		if len(all) != 2 || len(all[0].Data) != 0 || !strings.Contains(fmt.Sprint(all[0].Header["Belfry-Gone"]), "too large") {
			t.Fatalf("published are %+v, want a dead letter without its bytes and a result", all)
		}
		if !strings.Contains(string(all[1].Data), `"event_ids_left_out":1`) {
			t.Errorf("the result does not say that an id was left out: %s", all[1].Data)
		}
		if s := w.bridge.Status(); s.Outbox != 0 {
			t.Errorf("%d results wait for ever", s.Outbox)
		}
	})
}

func TestOnlyWhatLooksLikeATraceIsCarriedOn(t *testing.T) {
	inWorld(t, func(w *world) {
		const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		for _, header := range []string{strings.Repeat("0", 60_000), "none", trace} {
			w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: []byte(`{"id":"maths"}`), Header: map[string][]string{"traceparent": {header}}})
		}
		w.pass(time.Hour)
		all := w.publisher.Published()
		if len(all) != 1 || fmt.Sprint(all[0].Header["traceparent"]) != "["+trace+"]" {
			t.Errorf("published are %+v, want one result with the trace", all)
		}
	})
}

func TestResultsWaitForTheirStreamAndThenComeOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		down := true
		w.publisher.Fail = func(bridge.Publication) error {
			if down {
				return fmt.Errorf("no stream")
			}
			return nil
		}
		w.cancelled("maths")
		w.pass(time.Hour)
		w.wantSends(1)
		w.wantResults()
		w.end()
		down = false
		w.start()
		w.pass(time.Minute)
		w.wantResults("sent")
		w.wantSends(1)
	})
}

// The event of a dead letter is fetched from its stream, which may be out of
// reach for long: no result waits for that.
func TestADeadLetterThatCannotBeFetchedHoldsNoResultBack(t *testing.T) {
	inWorld(t, func(w *world) {
		var gone atomic.Bool
		gone.Store(true)
		w.source.Fault = func() error {
			if gone.Load() {
				return errors.New("no leader")
			}
			return nil
		}
		w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: []byte("nonsense")})
		w.cancelled("maths")
		w.pass(3 * time.Minute)
		w.wantResults("sent")
		if got := w.trouble("deadletters.unpublished"); !strings.Contains(got, "cannot fetch event 1 of SCHOOL") {
			t.Errorf("the trouble is told as %q", got)
		}
		gone.Store(false)
		w.pass(time.Minute)
		w.wantResults("sent", "belfry.deadletter.undecodable")
		if got := w.trouble("deadletters.unpublished"); got != "" {
			t.Errorf("it is still said that %s", got)
		}
	})
}

func TestADigestThatWaitsForResultsToBePublishedSaysSo(t *testing.T) {
	inWorld(t, func(w *world) {
		full := w.publishNothing()
		w.cancelled("maths")
		for i := range 1000 {
			w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: fmt.Appendf(nil, "not json %d", i)})
		}
		w.pass(5 * time.Minute)
		w.wantSends(0)
		if why := w.bridge.Status().Digests[0].Why; !strings.Contains(why, "first results that wait must be published") {
			t.Errorf("it says %q", why)
		}
		full.Store(false)
		w.pass(time.Minute)
		w.wantSends(1)
	})
}

func TestAReloadKeepsWhatWasGathered(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(time.Minute)
		w.bridge.Reload(w.rules)
		w.settle()
		w.cancelled("music")
		w.pass(119 * time.Second)
		w.wantSends(0)
		w.pass(2 * time.Second)
		if got := w.said(1); got != "[maths][music]+0" {
			t.Errorf("said %q", got)
		}
		if got := w.source.Reads(); got != 2 {
			t.Errorf("reading began %d times, want again after the reload", got)
		}
	})
}

func TestEveryCommitMayBreakAndTheDayEndsTheSame(t *testing.T) {
	for _, fault := range []bridgetest.Fault{bridgetest.NotWritten, bridgetest.Written, bridgetest.Late} {
		t.Run(fmt.Sprint("fault ", fault), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.store.Fault = func(put int) bridgetest.Fault {
					if put%2 == 0 {
						return fault
					}
					return bridgetest.None
				}
				for i := range 20 {
					w.cancelled(fmt.Sprint("lesson", i))
					w.pass(10 * time.Minute)
				}
				w.pass(10 * time.Hour)
				if s := w.bridge.Status(); s.Counts.Sent+s.Counts.Expired != 20 || len(s.InDoubt) != 0 {
					t.Errorf("counts %+v; want all 20 sent or expired, none in doubt", s.Counts)
				}
				if n := len(w.provider.Sends()); n != 3 {
					t.Errorf("%d sends, want 3", n)
				}
			})
		})
	}
}

// A store that is emptied (its stream was deleted, NATS came back without its
// data) must not let a broadcast that was sent be sent again.
func TestAnEmptiedStoreIsFilledAgainAtOnceByAnIdleOwner(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(3 * time.Minute)
		w.wantSends(1)
		w.store.Set(nil, "")
		w.lease.Empty()
		w.pass(time.Second)
		if w.store.Record().Sequence == 0 {
			t.Fatal("nothing is stored; a restart would forget what was sent")
		}
		w.end()
		w.start()
		w.pass(time.Hour)
		w.wantSends(1)
		if s := w.bridge.Status(); s.Counts.Sent != 1 || s.Paused != nil {
			t.Errorf("the next owner knows of %d sends, paused %+v", s.Counts.Sent, s.Paused)
		}
	})
}

func TestAnOwnerWhoseStateWasLostGoesOnWithWhatItRemembers(t *testing.T) {
	for name, lose := range map[string]func(w *world){
		"with its lease": func(w *world) { w.lease.Vanish("replica-1") },
		"alone":          func(*world) {},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.cancelled("maths")
				w.pass(3 * time.Minute)
				w.cancelled("music") // gathers
				w.pass(3 * time.Second)
				w.store.Set(nil, "")
				lose(w)
				w.lease.Revoke()
				w.pass(3 * time.Minute)
				w.wantSends(2)
				if got := w.said(2); got != "[music]+0" {
					t.Errorf("the second broadcast says %q", got)
				}
				if s := w.bridge.Status(); s.Counts.Sent != 2 || s.Paused != nil {
					t.Errorf("%d sends are known, paused %+v", s.Counts.Sent, s.Paused)
				}
			})
		})
	}
}

func TestAStateThatIsLostForGoodPausesTheApp(t *testing.T) {
	for name, lose := range map[string]func(w *world){
		"its owner is gone, but its results are there": func(w *world) {
			w.end()
			w.store.Set(nil, "")
			w.start()
		},
		"another replica was the last owner": func(w *world) {
			w.publisher.Forget() // NATS has lost the results as well
			w.store.Set(nil, "")
			w.lease.Vanish("another")
			w.lease.GiveAway()()
			w.lease.Revoke()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.cancelled("maths")
				w.pass(3 * time.Minute)
				w.wantSends(1)
				lose(w)
				w.pass(5 * time.Hour)
				w.wantSends(1)
				s := w.bridge.Status()
				if s.Paused == nil || !strings.Contains(s.Paused.Why, "the stored state is lost") {
					t.Fatalf("paused: %+v", s.Paused)
				}
				err := w.bridge.Do(context.Background(), func(s *bridge.State, _ *mapping.App, _ time.Time) error { s.Paused = nil; return nil })
				if err != nil {
					t.Fatal(err)
				}
				w.pass(3 * time.Minute)
				w.wantSends(2) // the operator has decided so
			})
		})
	}
}

// outgrow makes the state too large to be stored.
func (w *world) outgrow() {
	w.t.Helper()
	err := w.bridge.Do(context.Background(), func(s *bridge.State, _ *mapping.App, at time.Time) error {
		noise := make([]byte, bridge.MaxState)
		_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
		s.Paused = &bridge.Pause{Since: at, Why: hex.EncodeToString(noise)}
		return nil
	})
	if !errors.Is(err, bridge.ErrUnstorable) {
		w.t.Errorf("the order came to %v", err)
	}
	w.settle()
}

func TestAStateThatCannotBeStoredIsNamedUntilItCan(t *testing.T) {
	inWorld(t, func(w *world) {
		w.outgrow()
		if s := w.bridge.Status(); s.Role != bridge.RoleStandby || s.Epoch != 0 {
			t.Errorf("it has left the app, and tells as its %s of epoch %d", s.Role, s.Epoch)
		}
		for _, want := range []string{"bytes are more than", "defect of Belfry: report it"} {
			if got := w.trouble("state.unstorable"); !strings.Contains(got, want) {
				t.Errorf("the trouble says %q, want %q", got, want)
			}
		}
		w.pass(15 * time.Second)
		w.cancelled("maths")
		w.pass(3 * time.Minute)
		w.wantSends(1)
		if got := w.trouble("state.unstorable"); got != "" {
			t.Errorf("it is over, and still said: %s", got)
		}
	})
}

func TestRulesThatTheProvidersClientCannotUseAreNamed(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		var refused atomic.Bool
		begin := func() {
			w.startWith(func(c *bridge.Config) {
				c.Provider = func(*mapping.App) (bridge.Provider, error) {
					if refused.Load() {
						return nil, errors.New("a proxy that is none")
					}
					return w.provider, nil
				}
			})
		}
		begin()
		refused.Store(true)
		w.bridge.Reload(w.rules)
		w.settle()
		if got := w.trouble("provider.unusable"); !strings.Contains(got, "the old ones go on") || !strings.Contains(got, "a proxy that is none") {
			t.Errorf("after a reload it says %q", got)
		}
		w.end()
		begin()
		if got := w.trouble("provider.unusable"); !strings.Contains(got, "cannot set up the provider of campus: a proxy") {
			t.Errorf("after a start it says %q", got)
		}
		refused.Store(false)
		w.pass(15 * time.Second)
		if got := w.trouble("provider.unusable"); got != "" || w.bridge.Status().Role != bridge.RoleOwner {
			t.Errorf("it is over, and still said: %s", got)
		}
	})
}

// Whether it is over, a replica that has left the app is not told.
func TestTroubleWithAStateIsItsOwnersAlone(t *testing.T) {
	for name, begin := range map[string]func(*world){
		"state.unstorable": (*world).outgrow,
		"state.unreachable": func(w *world) {
			w.store.Fault = func(int) bridgetest.Fault { return bridgetest.NotWritten }
			w.cancelled("maths")
			w.pass(2 * time.Second)
			w.lease.Revoke()
		},
		"state.corrupt": func(w *world) {
			w.end()
			w.store.Set([]byte("nonsense"), "another/1/1")
			w.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				begin(w)
				back := w.lease.GiveAway()
				w.pass(9 * time.Second)
				if w.trouble(name) == "" {
					t.Error("the trouble has no name")
				}
				w.pass(time.Minute)
				if got := w.trouble(name); got != "" {
					t.Errorf("another replica owns the app, and this one still says %q", got)
				}
				w.store.Fault = nil
				back()
			})
		})
	}
}

func TestEventsOfTheFutureAreTrouble(t *testing.T) {
	inWorld(t, func(w *world) {
		event := mapping.Message{Subject: "lesson.cancelled", Data: []byte(`{"id":"maths"}`)}
		w.source.Append(time.Now().Add(4*time.Second), event)
		w.settle()
		if got := w.trouble("stream.ahead"); got != "" {
			t.Errorf("four seconds are told as %q", got)
		}
		w.source.Append(time.Now().Add(10*time.Minute), event)
		w.settle()
		if got := w.trouble("stream.ahead"); !strings.Contains(got, "SCHOOL") || !strings.Contains(got, "10m0s ahead") {
			t.Errorf("ten minutes are told as %q", got)
		}
		w.source.Append(time.Now(), event)
		w.settle()
		if got := w.trouble("stream.ahead"); got != "" {
			t.Errorf("it is still said that %s", got)
		}
		w.source.Append(time.Now().Add(time.Hour), event)
		w.settle()
		w.bridge.Reload(w.rules)
		w.settle()
		if got := w.trouble("stream.ahead"); got != "" {
			t.Errorf("reading has begun anew, and it is still said that %s", got)
		}
	})
}

// The clock was ahead by a year for a moment: what is sent from now on has no
// date that can be relied on, until somebody says that the clock is right.
func TestAClockThatWasAheadIsTroubleUntilAnOperatorTrustsItAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		do := func(f func(*bridge.State, time.Time)) {
			w.t.Helper()
			if err := w.bridge.Do(w.t.Context(), func(s *bridge.State, _ *mapping.App, now time.Time) error { f(s, now); return nil }); err != nil {
				w.t.Fatal(err)
			}
			w.pass(time.Second)
		}
		do(func(s *bridge.State, now time.Time) { s.Ledger.Seen = now.AddDate(1, 0, 0) })
		if got := w.trouble("clock.behind"); !strings.Contains(got, "2001-01-01T00:00:00Z") || !strings.Contains(got, "belfry quota trust-clock --app campus") {
			t.Errorf("the trouble is told as %q", got)
		}
		for i := range 30 {
			w.cancelled(fmt.Sprint("lesson", i))
			w.pass(2 * time.Hour)
		}
		w.wantSends(2) // of this hour, which does not end
		do((*bridge.State).TrustClock)
		if got := w.trouble("clock.behind"); got != "" {
			t.Errorf("it is still said that %s", got)
		}
		w.pass(61 * time.Minute)
		w.wantSends(3)
	})
}

func TestTroubleWithResultsIsItsOwnersAlone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.publisher.Fail = func(bridge.Publication) error { return errors.New("no room") }
		w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: []byte("nonsense")})
		w.cancelled("maths")
		w.restored("maths")
		w.pass(5 * time.Second)
		names := []string{"results.unpublished", "deadletters.unpublished"}
		for _, name := range names {
			if w.trouble(name) == "" {
				t.Errorf("%s is not told", name)
			}
		}
		w.lease.Revoke()
		back := w.lease.GiveAway()
		w.pass(time.Minute)
		for _, name := range names {
			if got := w.trouble(name); got != "" {
				t.Errorf("another replica owns the app, and this one still says %s: %q", name, got)
			}
		}
		back()
	})
}

func TestACorruptStateIsNamedUntilItIsRestored(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(10 * time.Second)
		w.end()
		good := w.store.Record()
		w.store.Set([]byte("nonsense"), "another/1/1")
		w.start()
		if got := w.trouble("state.corrupt"); !strings.Contains(got, "corrupt") {
			t.Errorf("the trouble says %q", got)
		}
		w.store.Set(good.Data, good.Token)
		w.pass(3 * time.Minute)
		w.wantSends(1)
		if got := w.trouble("state.corrupt"); got != "" {
			t.Errorf("it is over, and still said: %s", got)
		}
	})
}

func TestAnOwnerStoresItsStateAgainOverWhatIsNone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(10 * time.Second)
		epoch := w.bridge.Status().Epoch
		w.store.Set([]byte(`{"stream":"SCHOOL","seq":1}`), "")
		w.pass(3 * time.Minute)
		w.wantSends(1)
		w.store.Set([]byte(`{"stream":"SCHOOL","seq":2}`), "")
		w.end()
		w.start()
		if s := w.bridge.Status(); s.Epoch != epoch+1 || s.Counts.Sent != 1 || w.store.Record().Token == "" || w.trouble("state.corrupt") != "" {
			t.Errorf("epoch %d, %d sent, state.corrupt: %q; want the state of epoch %d", s.Epoch, s.Counts.Sent, w.trouble("state.corrupt"), epoch)
		}
	})
}

func TestWhileItDrainsTheStatusNamesTheBroadcastThatHasJustBegun(t *testing.T) {
	inWorld(t, func(w *world) {
		stuck := w.answersLate()
		w.cancelled("maths")
		w.pass(2*time.Minute - 50*time.Millisecond)
		w.restored("music") // something to show right before it
		w.pass(60 * time.Millisecond)
		w.wantSends(1)
		w.stop()
		w.settle()
		if s := w.bridge.Status(); s.Role != bridge.RoleDraining || s.Sending == nil {
			t.Errorf("it is %s, with %v under way", s.Role, s.Sending)
		}
		close(stuck)
	})
}

func TestADigestThatWaitsForABackOffSaysSo(t *testing.T) {
	for kind, want := range map[bridge.OutcomeKind]string{
		bridge.NotSent:   "the last one could not leave, and it is tried again at",
		bridge.Throttled: "the provider says that the quota is used up",
	} {
		t.Run(string(kind), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.answer(always, bridge.Outcome{Kind: kind, Message: "connection refused"})
				w.cancelled("maths")
				w.pass(2*time.Minute + time.Second)
				w.wantSends(1)
				s := w.bridge.Status()
				if len(s.Digests) != 1 || !strings.Contains(s.Digests[0].Why, want) {
					t.Errorf("it says %+v, want %q", s.Digests, want)
				}
			})
		})
	}
}

func TestSubscribersAreWarnedOfTheQuotaOnceASendIsCertain(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.rules = compile(t, strings.Replace(scenarioRules, "policy: asap", "policy: asap, per_day: 1", 1))
		w.start()
		w.answer(1, bridge.Outcome{Kind: bridge.NotSent, Message: "connection refused"})
		w.cancelled("maths")
		w.pass(2*time.Minute + time.Second)
		w.wantResults("not_sent")
		w.pass(2 * time.Minute)
		w.wantResults("not_sent", "sent", "quota_low")
	})
}

func TestTheLogOfABroadcastNamesItsDigestAndTheRemedy(t *testing.T) {
	for kind, want := range map[bridge.OutcomeKind]string{
		bridge.NotSent: "within reach", bridge.Throttled: "record what others have sent", bridge.Doubtful: "belfry resolve born-2 --sent, or --not-sent",
	} {
		t.Run(string(kind), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.answer(always, bridge.Outcome{Kind: kind, Message: "no answer"})
				w.cancelled("maths")
				w.pass(2*time.Minute + time.Second)
				lines := w.logged("broadcast " + string(kind))
				if len(lines) != 1 || !strings.Contains(lines[0], "students / lessons") || !strings.Contains(lines[0], want) {
					t.Errorf("the log says %q, want the digest and %q", lines, want)
				}
				began := w.bridge.Status().Backoff
				w.pass(3 * time.Hour)
				if b := w.bridge.Status().Backoff; b != nil && (b.Times < 2 || !b.Since.Equal(began.Since)) {
					t.Errorf("%d tries since %s, want more than one since %s", b.Times, b.Since, began.Since)
				}
			})
		})
	}
}

// Its first send was over long ago: what is left of it must not be waited for.
func TestAnOwnerWhoseSecondSendCannotBeginLeavesTheApp(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(3 * time.Minute)
		w.wantSends(1)
		w.cancelled("music")
		w.pass(time.Minute)
		w.store.Set(w.store.Record().Data, "another/9/9") // it is told when it commits the send
		w.pass(5 * time.Minute)
		if w.lease.Acquired < 2 {
			t.Fatal("the app was not left: this replica will never own it again, and never stop")
		}
		w.wantSends(2)
		if got := w.said(2); got != "[music]+0" {
			t.Errorf("the second broadcast says %q", got)
		}
	})
}

// A power loss takes the writes that NATS had acknowledged and not yet put on
// its disk. The owner has them in memory.
func TestWritesThatTheStoreLostAreWrittenAgain(t *testing.T) {
	for name, lose := range map[string]func(w *world){
		"and the owner is told":            func(w *world) { w.lease.Empty() },
		"and it commits something":         func(w *world) { w.cancelled("art") },
		"and the owner has lost its lease": func(w *world) { w.lease.Vanish("replica-1"); w.lease.Revoke() },
		"and an event comes":               func(*world) {},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.pass(time.Second)
				before := w.store.Record()
				w.cancelled("maths")
				w.pass(3 * time.Minute)
				w.wantSends(1)
				w.store.Rewind(before)
				lose(w)
				w.pass(2 * time.Second)
				w.restored("art")
				w.pass(time.Hour)
				w.wantSends(1)
				s := w.bridge.Status()
				if s.Counts.Sent != 1 || s.Paused != nil {
					t.Errorf("%d sends are known, paused %+v", s.Counts.Sent, s.Paused)
				}
				w.end()
				w.start()
				w.pass(time.Hour)
				w.wantSends(1)
				if s := w.bridge.Status(); s.Counts.Sent != 1 {
					t.Errorf("the next owner knows of %d sends, want 1", s.Counts.Sent)
				}
			})
		})
	}
}

func TestAStateThatAnotherOwnerHasWrittenIsNotOverwrittenFromMemory(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Second)
		before := w.store.Record()
		w.cancelled("maths")
		w.pass(10 * time.Second)
		before.Token = "another/9/1" // from what was left, another one has claimed the app
		w.store.Rewind(before)
		w.lease.Revoke()
		w.pass(10 * time.Second)
		if s := w.bridge.Status(); s.Epoch <= 1 || len(s.Digests) != 1 {
			t.Errorf("epoch %d with %d digests", s.Epoch, len(s.Digests))
		}
		if got := w.store.Record().Token; !strings.HasPrefix(got, "replica-1/2/") {
			t.Errorf("the state is %s's; want that of the other, claimed", got)
		}
	})
}

// Who owned the app long ago remembers a state with a higher sequence and a
// later epoch than the one that another has begun since, after a loss.
func TestAStateBegunAnewIsNotOverwrittenFromOldMemory(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(3 * time.Minute)
		w.lease.Revoke() // so that its epoch is higher
		w.pass(time.Second)
		w.cancelled("music")
		w.pass(3 * time.Second)
		w.wantSends(1)

		first, firstStop, firstDone := w.bridge, w.stop, w.done
		back := w.lease.GiveAway()
		w.lease.Revoke()
		w.pass(time.Second)
		w.store.Rewind(bridge.Record{})
		w.lease, w.born = &bridgetest.Lease{}, "anew"
		w.start()
		if s := w.bridge.Status(); s.Paused == nil {
			t.Fatal("the app that lost its state is not paused")
		}
		w.resume()
		w.pass(3 * time.Minute)
		w.wantSends(2)
		w.end()

		w.bridge, w.stop, w.done = first, firstStop, firstDone
		back()
		w.pass(10 * time.Minute)
		w.wantSends(2) // "music" was in the second one
		s, err := bridge.Decode("campus", w.store.Record().Data)
		if err != nil || s.Born != "anew" || !strings.HasPrefix(w.store.Record().Token, "replica-1/") {
			t.Errorf("stored is the state %q of %q (%v); want the new one, claimed by the first replica", s.Born, w.store.Record().Token, err)
		}
	})
}

// turning counts the turns of the loop, which asks it once in each.
type turning struct {
	bridge.Lease
	turned func()
}

func (l turning) Emptied() <-chan struct{} {
	l.turned()
	return l.Lease.Emptied()
}

// There is more to come that does not, as when NATS is gone in the middle of a backlog.
func TestAnIdleBacklogLeavesTheProcessorAlone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		turns := 0
		w.startWith(func(c *bridge.Config) {
			c.Source = told{w.source, func(_ map[string]bridge.Checkpoint, say func(bridge.Batch)) { say(batch("SCHOOL", 1, 1000, "")) }}
			c.Lease = turning{w.lease, func() {
				if turns++; turns == 10_000 { // or virtual time would stand still for ever
					t.Error("the loop spins")
					w.stop()
				}
			}}
		})
		w.pass(5 * time.Minute)
		if turns > 100 {
			t.Errorf("%d turns in five minutes in which nothing happens", turns)
		}
	})
}

// A first start may begin weeks ago: what is long expired is not sent, but
// teaches the planner.
func TestAStartInThePastTeachesThePlanner(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		const days, each = 12, 6
		for day := range days {
			for i := range each {
				at := time.Now().AddDate(0, 0, day-days).Add(time.Duration(i) * time.Minute)
				w.source.Append(at, mapping.Message{Subject: "lesson.cancelled", Data: fmt.Appendf(nil, `{"id":"%d-%d"}`, day, i)})
			}
		}
		w.store = &bridgetest.Store{}
		w.start()
		w.pass(3 * time.Minute)
		w.wantSends(0)
		s, err := bridge.Decode("campus", w.store.Record().Data)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(s.Forecast.Days); n < days-1 {
			t.Errorf("%d days were learnt, want %d or more", n, days-1)
		}
		if s.Counts.Expired != days*each || s.Counts.Matched != days*each {
			t.Errorf("%d of %d events expired: %+v", s.Counts.Expired, days*each, s.Counts)
		}
		w.wantResults("expired")
	})
}
