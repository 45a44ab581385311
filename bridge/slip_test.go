package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/belfry-bridge/belfry/mapping"
)

func TestAClockThatIsSetForwardMakesNoSendOlderInATenure(t *testing.T) {
	state := NewState("campus", "born")
	now := time.Now()
	sent := now.Add(-time.Hour)
	state.Ledger.ChargeAs("born-1", sent.Add(-50*time.Minute), 0, "")
	te := &tenure{Bridge: &Bridge{name: "campus", log: slog.New(slog.DiscardHandler)}, state: state}
	te.stepped(clockNoise, now)
	if at := state.Ledger.Spends[0].At; te.writer.dirty || at.Equal(sent.Round(0)) {
		t.Errorf("dated anew without a step: %s", at)
	}
	state.Backoff = &Backoff{Until: now.Round(0).Add(-49 * time.Minute)}
	te.stepped(50*time.Minute, now)
	if !state.Backoff.Holds(now) {
		t.Error("a back-off with a minute to go is over")
	}
	if at := state.Ledger.Spends[0].At; !at.Equal(sent.Round(0)) {
		t.Errorf("the send is dated %s, want %s", at, sent)
	}
	if !te.writer.dirty {
		t.Error("it is not stored")
	}
}

// A process that began with a wrong clock hears of it with the first answer.
func TestADayEndsByTheProvidersClock(t *testing.T) {
	app := planApp(mapping.PolicyASAP)
	app.Quota.PerHour, app.Quota.PerDay, app.Quota.Location = 10, 1, time.UTC
	s := NewState("town", "b0rn")
	shown := time.Date(2026, 11, 30, 23, 30, 0, 0, time.UTC) // it is half past three in the afternoon
	s.Sending = &Broadcast{ID: "b1", State: Sending, Started: shown, Deadline: shown, Digest: &Digest{Audience: "east", Template: "news"}}
	s.Ledger.Charge("b1", shown)
	s.Settle(app, Outcome{Kind: Accepted, HTTPStatus: 200, At: shown, SkewKnown: true, Skew: -8 * time.Hour}, shown)
	for after, left := range map[time.Duration]int{time.Hour: 0, 8 * time.Hour: 0, 9 * time.Hour: 1} {
		if got := LimitsFor(app.Quota).Left(&s.Ledger, shown.Add(after)); got != left {
			t.Errorf("%d left after %s, want %d", got, after, left)
		}
	}
}

// misread is what a clock showed at an instant that it was off by so much.
func misread(at time.Time, by time.Duration) time.Time {
	type layout struct { // of a time.Time: the monotonic reading is in ext
		wall uint64
		ext  int64
		loc  *time.Location
	}
	shown := at.Add(by)
	(*layout)(unsafe.Pointer(&shown)).ext = (*layout)(unsafe.Pointer(&at)).ext //nolint:gosec // nothing else makes such a time
	return shown
}

// Its answer's date lies between what the two clocks showed, which proves nothing.
func TestAClockThatIsSetDuringASendIsNotForgottenWithItsAnswer(t *testing.T) {
	s, now := NewState("town", "b0rn"), time.Now()
	s.Sending = &Broadcast{ID: "b1", State: Sending, Started: misread(now, -8*time.Hour), Deadline: now, Digest: &Digest{Audience: "east", Template: "news"}}
	s.slip(8*time.Hour, now)
	s.Settle(planApp(mapping.PolicyASAP), Outcome{Kind: Accepted, HTTPStatus: 200, At: now, SkewKnown: true}, now)
	if s.Ledger.Skew != -8*time.Hour {
		t.Errorf("the provider's clock is taken to be %s ahead of ours", s.Ledger.Skew)
	}
}

// An answer without a date, or none, tells of no clock.
func TestWithoutADateTheProvidersClockStaysAsItIsKnown(t *testing.T) {
	s, now := NewState("town", "b0rn"), time.Now()
	s.Sending = &Broadcast{ID: "b1", State: Sending, Started: now, Deadline: now, Digest: &Digest{Audience: "east", Template: "news"}}
	s.Ledger.Skew = -8 * time.Hour
	s.Settle(planApp(mapping.PolicyASAP), Outcome{Kind: Doubtful, At: now}, now)
	if s.Ledger.Skew != -8*time.Hour {
		t.Errorf("the provider's clock is taken to be %s ahead of ours", s.Ledger.Skew)
	}
}

// stored is a Store that has one record.
type stored Record

func (s stored) Get(context.Context) (Record, error) { return Record(s), nil }
func (s stored) Put(context.Context, []byte, string, uint64) (uint64, error) {
	return 0, errors.New("nothing is to be stored")
}

// Its clock was set while another replica owned the app.
func TestAStepBetweenTenuresIsSeenOnce(t *testing.T) {
	for _, step := range []time.Duration{8 * time.Hour, -8 * time.Hour} {
		now := time.Now()
		s := NewState("campus", "born")
		s.Sealed, s.Taken = now.Add(-time.Hour), now.Add(-time.Hour)
		b := &Bridge{name: "campus", log: slog.New(slog.DiscardHandler), cfg: Config{Note: func(string, error) {}}, clock: misread(now, -step)}
		te := &tenure{Bridge: b, state: s, writer: writer{committer: committer{store: stored{Token: s.token(), Time: now.Add(-step)}, trouble: func(error) {}}}}
		if err := te.compareClocks(t.Context(), s, now, now); err != nil {
			t.Fatal(err)
		}
		if te.noteClock(time.Now()); (s.Ledger.Skew + step).Abs() > time.Second {
			t.Errorf("the provider's clock is taken to be %s ahead of ours, want %s", s.Ledger.Skew, -step)
		}
	}
}

func TestAStepBackIsNotedAndShortensNoBackOff(t *testing.T) {
	te := &tenure{Bridge: &Bridge{name: "campus", log: slog.New(slog.DiscardHandler), cfg: Config{Note: func(string, error) {}}}, state: NewState("campus", "born")}
	now := time.Now()
	until := now.Round(0).Add(9 * time.Hour)
	te.clock, te.state.Backoff = misread(now, 8*time.Hour), &Backoff{Until: until}
	te.noteClock(now)
	if te.state.Ledger.Skew != 8*time.Hour || !te.state.Backoff.Until.Equal(until) || !te.writer.dirty {
		t.Errorf("the provider's clock is %s ahead of ours; the back-off ends at %s, want %s; stored: %t", te.state.Ledger.Skew, te.state.Backoff.Until, until, te.writer.dirty)
	}
}

// "date -s …; belfry quota trust-clock": the loop has not looked at the clock in between.
func TestAnOrderComesAfterTheStepOfTheClockBeforeIt(t *testing.T) {
	te := &tenure{Bridge: &Bridge{name: "campus", log: slog.New(slog.DiscardHandler), cfg: Config{Note: func(string, error) {}}}, state: NewState("campus", "born"), rules: &Rules{}}
	te.clock = misread(time.Now(), 8*time.Hour)
	te.state.Ledger.See(te.clock)
	trust := order{done: make(chan error, 1), do: func(s *State, _ *mapping.App, now time.Time) error {
		s.TrustClock(now)
		return errors.New("so that nothing is stored")
	}}
	if err := te.obey(t.Context(), trust); err != nil {
		t.Fatal(err)
	}
	if te.noteClock(time.Now()); te.state.Ledger.Skew != 0 {
		t.Errorf("the clock is right, and the provider's is taken to be %s ahead of it", te.state.Ledger.Skew)
	}
}

// An app that has been idle has stored no later reading than that of its last commit.
func TestAClockThatIsSetBackIsNoticedAlsoByAnIdleApp(t *testing.T) {
	state, told := NewState("campus", "born"), ""
	te := &tenure{Bridge: &Bridge{name: "campus", log: slog.New(slog.DiscardHandler), cfg: Config{Note: func(name string, err error) {
		if err != nil {
			told = name
		}
	}}}, state: state}
	now := planStart
	state.Ledger.See(now.Add(-12 * time.Hour)) // the last commit
	te.noteClock(now)
	now = now.Add(-8 * time.Hour)
	te.noteClock(now)
	if told != "clock.behind" {
		t.Errorf("the trouble is %q", told)
	}
	if state.Ledger.Charge("born-1", now); !state.Ledger.Spends[0].Unsure {
		t.Errorf("a send is dated %s, eight hours before it was made", state.Ledger.Spends[0].At)
	}
}

// What wakes the loop must give it something to do: else it spins until the plan is due.
func TestAPlanThatIsNotYetDueDoesNotWakeTheLoop(t *testing.T) {
	now := time.Now()
	rules := planApp(mapping.PolicyASAP)
	te := &tenure{Bridge: &Bridge{name: "campus"}, state: NewState("campus", "born"), rules: &Rules{App: rules}}
	te.planner.changed, te.planner.last, te.planner.plan.WakeAt = true, now.Add(-planEvery/2), now
	if at := te.wakeAt(now); te.planner.due(now) || !te.planner.due(at) || !at.After(now) {
		t.Errorf("a plan is due %s from now, and the loop wakes %s from now", te.planner.last.Add(planEvery).Sub(now), at.Sub(now))
	}
	te.planner.changed = false
	if at := te.wakeAt(now); !te.planner.due(now) || at.After(now) {
		t.Errorf("the plan wants to be looked at again, and the loop wakes %s from now", at.Sub(now))
	}
	te.planner.changed, te.planner.last = true, now.Add(time.Hour)
	if !te.planner.due(now) {
		t.Error("a clock that was set back holds the next plan up")
	}
}

func TestAnItemWithoutAnIdleWindowIsAnArrivalToo(t *testing.T) {
	d, at := &Digest{ID: "1", Audience: "a", Rules: map[string]int{}}, planStart
	join := func(after time.Duration, g mapping.Gather) {
		it := mapping.Item{Key: at.Add(after).String(), Arrived: at.Add(after), ReadyBy: at.Add(time.Hour), Expires: at.Add(time.Hour)}
		d.put(it, 5)
		d.gather(&it, g)
	}
	join(0, mapping.Gather{Idle: 2 * time.Minute})
	join(90*time.Second, mapping.Gather{AtMost: 15 * time.Minute})
	if want := at.Add(90*time.Second + 2*time.Minute); !d.Ready().Equal(want) {
		t.Errorf("its window closes at %s, want %s", d.Ready(), want)
	}
	join(80*time.Second, mapping.Gather{AtMost: 15 * time.Minute}) // of a stream that lags
	if want := at.Add(90*time.Second + 2*time.Minute); !d.Ready().Equal(want) {
		t.Errorf("after an older one it closes at %s, want %s", d.Ready(), want)
	}
}

// What is known of failures takes little of the state, however many rules fail.
func TestTheLatestFailuresAreKnownOfSomeRules(t *testing.T) {
	s := NewState("town", "b0rn")
	for i := range maxFailedOn + 10 {
		s.countFailure(mapping.Failure{Rule: fmt.Sprint("rule ", i), Part: "when", Err: errors.New(strings.Repeat("é", maxFailure))},
			&mapping.Message{Stream: "S", Sequence: uint64(i), Time: planStart.Add(time.Duration(i) * time.Second)})
	}
	_, first := s.FailedOn["rule 9"]
	last := s.FailedOn[fmt.Sprint("rule ", maxFailedOn+9)]
	if len(s.FailedOn) != maxFailedOn || first || last.Sequence != maxFailedOn+9 || len(last.Error) > maxFailure || len(s.Failed) != maxFailedOn+10 {
		t.Errorf("known of %d rules, of the tenth: %t; the last is %+v", len(s.FailedOn), first, last)
	}
	if s.adopt(planApp(mapping.PolicyASAP)); len(s.Failed) > 0 || len(s.FailedOn) > 0 {
		t.Errorf("failures of rules that are gone: %v, %v", s.Failed, s.FailedOn)
	}
}

func TestARefusalBesideAClockThatDiffersNamesIt(t *testing.T) {
	s := NewState("town", "b0rn")
	fails(s, planStart, Outcome{Kind: Blocked, Code: new(1004), Message: "signature refused", SkewKnown: true, Skew: 20 * time.Second})
	if strings.Contains(s.Paused.Why, "clock") {
		t.Error(s.Paused.Why)
	}
	s = NewState("town", "b0rn")
	fails(s, planStart, Outcome{Kind: Blocked, Code: new(1004), Message: "signature refused", SkewKnown: true, Skew: -5 * time.Minute})
	if !strings.Contains(s.Paused.Why, "the provider's clock differs from ours by -5m0s") {
		t.Error(s.Paused.Why)
	}
}

func TestAStepIsToldWhereItMakesSendsCountLonger(t *testing.T) {
	for by, want := range map[time.Duration]string{clockNoise: "", -time.Hour: "", 50 * time.Minute: "sends count for that much longer\" by=50m0s\n"} {
		var log strings.Builder
		te := &tenure{Bridge: &Bridge{name: "campus", log: slog.New(slog.NewTextHandler(&log, nil))}, state: NewState("campus", "born")}
		if te.stepped(by, time.Now()); want == "" && log.Len() > 0 || !strings.HasSuffix(log.String(), want) {
			t.Errorf("a step of %s: told is %q", by, log.String())
		}
	}
}
