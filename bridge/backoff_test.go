package bridge

import (
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

// fails lets one broadcast after another come back with an outcome.
func fails(s *State, now time.Time, o Outcome) *Backoff {
	s.Sending = &Broadcast{ID: s.newID(), Digest: &Digest{Audience: "east", Template: "news", Rules: map[string]int{}}}
	s.Ledger.Charge(s.Sending.ID, now)
	s.Settle(planApp(mapping.PolicyASAP), o, now)
	return s.Backoff
}

func TestWhatTheProviderAsksForDoesNotMakeLaterWaitsLonger(t *testing.T) {
	s, now := NewState("town", "b0rn"), planStart
	for range 3 {
		b := fails(s, now, Outcome{Kind: Throttled, RetryAfter: now.Add(time.Second)})
		if want := now.Add(time.Minute); !b.Until.Equal(want) {
			t.Errorf("the next is at %s, want it no sooner than %s", b.Until, want)
		}
		now = b.Until
	}
	if b := fails(s, now, Outcome{Kind: Throttled, RetryAfter: now.Add(3 * time.Hour)}); !b.Until.Equal(now.Add(3 * time.Hour)) {
		t.Errorf("the next is at %s, the provider asked for three hours", b.Until)
	}
	for _, want := range []time.Duration{time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 8 * time.Hour} {
		if b := fails(s, now, Outcome{Kind: Throttled}); b.Until.Sub(now) != want {
			t.Errorf("throttled %d times, it waits %s, want %s", b.Times, b.Until.Sub(now), want)
		}
	}
	if s.Backoff.Times != 9 {
		t.Errorf("%d times, want 9", s.Backoff.Times)
	}
}

func TestABackoffAndTheLedgerEndTogetherWhateverTheClockDoes(t *testing.T) {
	for _, step := range []time.Duration{10 * time.Second, time.Hour} {
		s, now := NewState("town", "b0rn"), planStart
		b := fails(s, now, Outcome{Kind: NotSent, Message: "connection refused"})
		now = now.Add(step + time.Second) // a second has passed
		s.slip(step, now)
		if want := now.Add(time.Minute - time.Second); !b.Until.Equal(want) || !s.Ledger.ThrottledUntil.Equal(want) {
			t.Errorf("after a step of %s the back-off ends at %s and the ledger's at %s, want both at %s", step, b.Until, s.Ledger.ThrottledUntil, want)
		}
		now = now.Add(time.Minute)
		s.slip(step, now.Add(step))
		if b.Holds(now.Add(step)) {
			t.Errorf("a back-off that was over begins again with a step of %s", step)
		}
	}
	s := NewState("town", "b0rn")
	if b := fails(s, time.Now(), Outcome{Kind: Throttled, RetryAfter: time.Now().Add(time.Hour)}); b.Until != s.Ledger.ThrottledUntil {
		t.Errorf("the back-off ends at %v and the ledger's at %v: not by the same clock", b.Until, s.Ledger.ThrottledUntil)
	}
}

func urgentNews(app *mapping.App, led *quota.Ledger, now time.Time) Explanation {
	return urgentNewsThatLive(6*time.Hour, app, led, now)
}

func urgentNewsThatLive(life time.Duration, app *mapping.App, led *quota.Ledger, now time.Time) Explanation {
	d := &Digest{ID: "1", Audience: "east", Template: "news", Opened: now.Add(-time.Minute), ReadyBy: now, Events: 1, Items: []mapping.Item{
		{Key: "k", Arrived: now.Add(-time.Minute), ReadyBy: now, Expires: now.Add(life - time.Minute), Priority: mapping.Urgent},
	}}
	return Decide(Situation{Now: now, App: app, Digests: []*Digest{d}, Ledger: led}).Explanations[0]
}

func TestUrgentNewsThatGatherSayAMomentAtWhichASendIsLeft(t *testing.T) {
	app, now := planApp(mapping.PolicyPrice), planStart.Add(10*time.Hour)
	var led quota.Ledger
	led.ChargeAs("a", now.Add(-2*time.Minute), uint8(mapping.Urgent), forecastKey("east", "news"))
	if e := urgentNews(app, &led, now); !strings.Contains(e.Why, "has just gone") || !e.Until.Equal(now.Add(urgentWithin-time.Minute)) {
		t.Errorf("with a send left: %s", e.Why)
	}
	led.External("b", now.Add(-3*time.Minute), "")
	if e := urgentNews(app, &led, now); !strings.Contains(e.Why, "the quota frees one at 10:57") {
		t.Errorf("with no send left: %s", e.Why)
	}
}

func TestUrgentNewsDoNotGatherUntilTheyHaveExpired(t *testing.T) {
	app, now := planApp(mapping.PolicyPrice), planStart.Add(10*time.Hour)
	var led quota.Ledger
	led.ChargeAs("a", now.Add(-2*time.Minute), uint8(mapping.Urgent), forecastKey("east", "news"))
	for life, wait := range map[time.Duration]time.Duration{3 * time.Minute: 0, 8 * time.Minute: time.Minute, 20 * time.Minute: urgentWithin - time.Minute} {
		e := urgentNewsThatLive(life, app, &led, now)
		if at := now.Add(wait); wait > 0 && !e.Until.Equal(at) || wait == 0 && !strings.Contains(e.Why, "goes now") {
			t.Errorf("news that live for %s: %s", life, e.Why)
		}
	}
}

func TestUrgentNewsDoNotWaitForTheEchoOfWhatWasRejected(t *testing.T) {
	app, now := planApp(mapping.PolicyPrice), planStart.Add(10*time.Hour)
	app.Quota.CountRejected = true
	s := NewState("town", "b0rn")
	s.Sending = &Broadcast{ID: "x", Digest: &Digest{Audience: "east", Template: "news", Rules: map[string]int{}}}
	s.Ledger.ChargeAs("x", now.Add(-time.Minute), uint8(mapping.Urgent), forecastKey("east", "news"))
	s.Settle(app, Outcome{Kind: OutcomeRejected}, now)
	if len(s.Ledger.Spends) != 1 {
		t.Fatal("it is not charged")
	}
	if e := urgentNews(app, &s.Ledger, now); !strings.Contains(e.Why, "goes now") {
		t.Errorf("after a rejected one: %s", e.Why)
	}
}

func TestARetryAfterThatIsOverIsStillTheProvidersWord(t *testing.T) {
	s, now := NewState("town", "b0rn"), planStart
	if b := fails(s, now, Outcome{Kind: Throttled, RetryAfter: now.Add(-time.Millisecond)}); b.Until.Sub(now) != time.Minute {
		t.Errorf("it waits %s, want a minute", b.Until.Sub(now))
	}
}
