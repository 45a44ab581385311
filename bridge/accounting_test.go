package bridge_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

const accountRules = `version: 1
apps:
  campus: {app_key: "${K}", app_secret: "${S}", base_urls: ["https://api.example.com"], sender: office, packages: [com.example.student]}
audiences:
  students: {app: campus, package: com.example.student, platforms: [ios]}
  some: {app: campus, package: com.example.student, platforms: [ios], users: event.data.users}
templates:
  lessons:
    gather: {idle: 2m, at_most: 15m}
    keep: 3
    expires_after: 2h
    message: {type: RC:TxtMsg, content: {content: "{{ .Count }}{{ range .Items }}{{ .Text }}{{ end }}"}} # all that is left may be counted only
    notification: {title: "{{ .Count }}", alert: "x"}
  fees:
    gather: {idle: 2m, at_most: 15m, max_items: 4}
    expires_after: 40m
    when_in_doubt: assume_sent
    message: {type: RC:TxtMsg, content: {content: "{{ .Count }}"}}
    notification: {title: "{{ .Count }}", alert: "x"}
rules:
  - {name: lesson, on: lesson, audience: students, template: lessons, key: event.data.id, group_by: event.data.group, item: "{{ .data.id }}"}
  - {name: also, on: lesson, when: event.data.also, audience: students, template: fees, key: event.data.id, item: "{{ .data.id }}"}
  - {name: personal, on: personal, audience: some, template: lessons, key: event.data.id, with: {id: event.data.id}, item: "{{ .id }}"}
  - {name: never, on: other, when: "has(event.data.never)", audience: students, template: fees}
  - {name: restored, on: restored, cancels: [lesson, also], key: event.data.id}
`

// account is a state to which anything may happen.
type account struct {
	app       *mapping.App
	s         *bridge.State
	now       time.Time
	sequence  uint64
	asked     []uint64 // sequences of the events that a rule listens to
	published map[string]bridge.OutboxEntry
}

func (a *account) event(subject string, data any) {
	body, isText := data.(string)
	if !isText {
		b, _ := json.Marshal(data)
		body = string(b)
	}
	a.sequence++
	if subject != "foreign" {
		a.asked = append(a.asked, a.sequence)
	}
	a.s.Fold(a.app, &mapping.Message{Subject: subject, Stream: "S", Sequence: a.sequence, Time: a.now, Data: []byte(body)})
}

// commit stores and loads the state, and publishes what it has to say.
func (a *account) commit(rt *rapid.T) {
	a.s.Epoch = max(a.s.Epoch, 1)
	a.s.Seal(a.app, "replica", a.now)
	var err error
	if a.s, err = bridge.Decode("campus", encoded(rt, a.s)); err != nil {
		rt.Fatal(err)
	}
	for _, e := range a.s.Outbox {
		if _, twice := a.published[e.ID]; twice {
			rt.Fatalf("%s is reported twice", e.ID)
		}
		a.published[e.ID] = e
	}
	a.s.Outbox = nil
}

func (a *account) begin(rt *rapid.T) {
	if a.s.Sending != nil || len(a.s.Digests) == 0 || len(a.s.Held) > 8 {
		return
	}
	d := rapid.SampledFrom(a.s.Digests).Draw(rt, "digest")
	if _, _, err := a.s.Begin(a.app, d, "drawn", a.now); err != nil {
		rt.Fatal(err)
	}
}

// check is what always holds.
func (a *account) check(rt *rapid.T) {
	if events, items := a.s.Counts.Missing(a.s.Waiting()); events != 0 || items != 0 {
		rt.Fatalf("%d events and %d items have no end: %+v, %d wait", events, items, a.s.Counts, a.s.Waiting())
	}
	span, want := a.s.Folded["S"], bridge.Span{}
	if n := len(a.asked); n > 0 {
		want = bridge.Span{First: a.asked[0], Last: a.asked[n-1], Events: uint64(n)}
	}
	if span != want || a.s.Counts.Read != want.Events {
		rt.Fatalf("the span is %+v and %d events are counted; want %+v", span, a.s.Counts.Read, want)
	}
}

// checkResults compares the results with the counters, once all were published.
func (a *account) checkResults(rt *rapid.T) {
	told, dead := map[bridge.ResultState]uint64{}, uint64(0)
	finals := map[string]int{}
	for _, e := range a.published {
		if e.Result == nil {
			dead++
			continue
		}
		told[e.Result.State] += uint64(e.Result.Events)
		if e.Result.State.Final() && e.Result.Broadcast != "" {
			finals[e.Result.Broadcast]++
		}
	}
	for id, n := range finals {
		if n != 1 {
			rt.Fatalf("broadcast %s has %d final results", id, n)
		}
	}
	c := a.s.Counts
	for state, want := range c.Reported() {
		if told[state] != want {
			rt.Fatalf("results tell of %d events that are %s, the counters of %d", told[state], state, want)
		}
	}
	if dead != c.DeadLetters {
		rt.Fatalf("%d dead letters were published, %d are counted", dead, c.DeadLetters)
	}
}

func TestEveryEventEndsExactlyOnce(t *testing.T) {
	app := compile(t, accountRules).App
	kinds := []bridge.OutcomeKind{
		bridge.Accepted, bridge.OutcomeRejected, bridge.NotSent, bridge.Throttled, bridge.Blocked, bridge.Doubtful, bridge.DryRun,
	}
	rapid.Check(t, func(rt *rapid.T) {
		a := &account{app: app, s: bridge.NewState("campus", "born"), now: floodStart, published: map[string]bridge.OutboxEntry{}}
		key := func(rt *rapid.T) string { return fmt.Sprint("k", rapid.IntRange(0, 12).Draw(rt, "key")) }
		rt.Repeat(map[string]func(*rapid.T){
			"": a.check,
			"lesson": func(rt *rapid.T) {
				a.event("lesson", map[string]any{"id": key(rt), "group": rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "group"), "also": rapid.Bool().Draw(rt, "also")})
			},
			"personal": func(rt *rapid.T) {
				users := make([]string, rapid.SampledFrom([]int{0, 1, 700, 2300}).Draw(rt, "users"))
				from := rapid.IntRange(0, 3).Draw(rt, "from") * 500
				for i := range users {
					users[i] = fmt.Sprint("u", from+i)
				}
				a.event("personal", map[string]any{"id": key(rt), "users": users})
			},
			"restored":  func(rt *rapid.T) { a.event("restored", map[string]any{"id": key(rt)}) },
			"nonsense":  func(*rapid.T) { a.event("lesson", "{") },
			"lacking":   func(*rapid.T) { a.event("lesson", map[string]any{"also": true}) },
			"unmatched": func(*rapid.T) { a.event("other", map[string]any{}) },
			"foreign":   func(*rapid.T) { a.event("foreign", map[string]any{}) },
			"time": func(rt *rapid.T) {
				a.now = a.now.Add(time.Duration(rapid.IntRange(1, 50).Draw(rt, "minutes")) * time.Minute)
			},
			"expire":  func(*rapid.T) { a.s.Expire(a.now) },
			"foresee": func(*rapid.T) { a.s.Foresee(a.app, a.now) },
			"mute":    func(*rapid.T) { a.s.Mute(bridge.Mute{Template: "lessons", Until: a.now.Add(3 * time.Hour)}) },
			"commit":  a.commit,
			"begin":   a.begin,
			"settle": func(rt *rapid.T) {
				if a.s.Sending != nil {
					a.s.Settle(a.app, bridge.Outcome{Kind: rapid.SampledFrom(kinds).Draw(rt, "outcome"), At: a.now}, a.now)
				}
			},
			"takeover": func(*rapid.T) { a.s.Recover(a.app, a.now) },
			"resolve": func(rt *rapid.T) {
				if len(a.s.Held) > 0 {
					b := rapid.SampledFrom(a.s.Held).Draw(rt, "held")
					sent := rapid.Bool().Draw(rt, "sent")
					if err := a.s.Resolve(a.app, b.ID, sent, "by test", a.now); (err != nil) != (!sent && a.now.Before(b.Arrived())) {
						rt.Fatal(err)
					}
				}
			},
		})
		a.commit(rt)
		a.check(rt)
		a.checkResults(rt)
	})
}

func TestTextsThatWereCutAreCounted(t *testing.T) {
	app := compile(t, strings.Replace(accountRules, `alert: "x"`, `alert: "{{ .Last.Text }}"`, 1)).App
	a := &account{app: app, s: bridge.NewState("campus", "born"), now: floodStart}
	a.event("lesson", map[string]any{"id": strings.Repeat("x", 4050), "group": "a", "also": false})
	if _, _, err := a.s.Begin(app, a.s.Digests[0], "", a.now); err != nil {
		t.Fatal(err)
	}
	a.s.Settle(app, bridge.Outcome{Kind: bridge.Accepted, At: a.now}, a.now)
	if a.s.Counts.Cuts != 1 || a.s.Counts.Broadcasts != 1 {
		t.Errorf("%+v, want one text that was cut", a.s.Counts)
	}
}

func TestAClockThatIsBehindForgetsNothingOfTheForecast(t *testing.T) {
	app := compile(t, accountRules).App
	a := &account{app: app, s: bridge.NewState("campus", "born"), now: floodStart}
	for day := range 20 {
		a.event("lesson", map[string]any{"id": fmt.Sprint("k", day), "group": "a", "also": false})
		a.s.Seal(app, "replica", a.now)
		a.now = a.now.AddDate(0, 0, 1)
	}
	learnt := len(a.s.Forecast.Days)
	a.s.Seal(app, "replica", a.now.AddDate(0, 0, -40))
	if n := len(a.s.Forecast.Days); n != learnt || n < 15 {
		t.Errorf("%d of %d days are left", n, learnt)
	}
	a.now = a.now.AddDate(1, 0, 0)
	a.event("lesson", map[string]any{"id": "b", "group": "a", "also": false}) // stored by a server a year ahead
	a.now = a.now.AddDate(-1, 0, 0)
	a.s.Seal(app, "replica", a.now)
	if today := a.s.Forecast.Today.Number; today > int(a.now.Unix()/86400)+1 {
		t.Errorf("today is day %d", today)
	}
}
