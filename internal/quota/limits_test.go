package quota

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatalf("cannot load zone %s: %v", name, err)
	}
	return loc
}

func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatalf("cannot parse %q: %v", s, err)
	}
	return v
}

func TestASpendStopsCounting(t *testing.T) {
	day := func(name string) Window { return Window{Max: 1, Calendar: Day, Location: zone(t, name)} }
	tests := []struct {
		name   string
		window Window
		guard  time.Duration
		spend  string
		frees  string
	}{
		{"an hour later in a rolling hour", Window{Rolling: time.Hour}, 0, "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"},
		{"a guard later with a guard", Window{Rolling: time.Hour}, 5 * time.Second, "2026-03-01T10:00:00Z", "2026-03-01T11:00:05Z"},
		{"at the next full hour", Window{Calendar: Hour}, 0, "2026-03-01T10:59:59Z", "2026-03-01T11:00:00Z"},
		{"an hour later when the guard reaches over the full hour", Window{Calendar: Hour}, 5 * time.Second, "2026-03-01T10:59:57Z", "2026-03-01T12:00:05Z"},
		{"at midnight of the zone", day("Asia/Shanghai"), 0, "2026-03-01T10:00:00Z", "2026-03-01T16:00:00Z"},
		{"a guard after midnight", day("Asia/Shanghai"), 5 * time.Second, "2026-03-01T10:00:00Z", "2026-03-01T16:00:05Z"},
		{"a day later when the guard reaches over midnight", day("Asia/Shanghai"), 5 * time.Second, "2026-03-01T15:59:57Z", "2026-03-02T16:00:05Z"},
		{"at the end of a month", day("Asia/Shanghai"), 0, "2026-03-31T10:00:00Z", "2026-03-31T16:00:00Z"},
		{"at the end of a year", day("Asia/Shanghai"), 0, "2026-12-31T10:00:00Z", "2026-12-31T16:00:00Z"},
		{"after a day of 23 hours", day("Europe/Berlin"), 0, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"after a day of 25 hours", day("Europe/Berlin"), 0, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
		{"at one o'clock where midnight does not exist", day("America/Sao_Paulo"), 0, "2018-11-03T12:00:00Z", "2018-11-04T03:00:00Z"},
		{"at the second midnight where the evening is repeated", day("America/Sao_Paulo"), 0, "2018-02-17T12:00:00Z", "2018-02-18T03:00:00Z"},
		{"at the day after next where a date is skipped", day("Pacific/Apia"), 0, "2011-12-29T20:00:00Z", "2011-12-30T10:00:00Z"},
		{"after both of a repeated hour", Window{Calendar: Hour, Location: zone(t, "Europe/Berlin")}, 0, "2026-10-25T00:10:00Z", "2026-10-25T02:00:00Z"},
		{"after the half hour that Lord Howe repeats", Window{Calendar: Hour, Location: zone(t, "Australia/Lord_Howe")}, 0, "2026-04-04T14:45:00Z", "2026-04-04T15:30:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.window.frees(at(t, tt.spend), tt.guard); !got.Equal(at(t, tt.frees)) {
				t.Errorf("spend at %s frees at %s, want %s", tt.spend, got.UTC().Format(time.RFC3339), tt.frees)
			}
		})
	}
}

func TestSendsLeftAreTheMinimumOverAllWindows(t *testing.T) {
	limits := Limits{Windows: []Window{{Name: "hour", Max: 2, Rolling: time.Hour}, {Name: "day", Max: 3, Calendar: Day}}}
	var led Ledger
	noon := at(t, "2026-03-01T12:00:00Z")
	led.Charge("a", noon)
	led.External("x", noon.Add(10*time.Minute), "the shop's own console")
	now := noon.Add(20 * time.Minute)
	if got := limits.Left(&led, now); got != 0 {
		t.Errorf("left = %d, want 0", got)
	}
	if got, want := limits.Next(&led, now), noon.Add(time.Hour); !got.Equal(want) {
		t.Errorf("next = %s, want %s", got, want)
	}
	led.Charge("b", noon.Add(2*time.Hour))
	if got, want := limits.Next(&led, noon.Add(2*time.Hour)), at(t, "2026-03-02T00:00:00Z"); !got.Equal(want) {
		t.Errorf("next = %s, want %s", got, want)
	}
	want := []Usage{
		{Window: "hour", Max: 2, Used: 1, Left: 1, Frees: noon.Add(3 * time.Hour)},
		{Window: "day", Max: 3, Used: 3, Left: 0, Frees: at(t, "2026-03-02T00:00:00Z")},
	}
	if diff := cmp.Diff(want, limits.Usage(&led, noon.Add(2*time.Hour))); diff != "" {
		t.Error(diff)
	}
}

func TestAThrottledLedgerAllowsNothingUntilThen(t *testing.T) {
	limits := Limits{Windows: []Window{{Max: 2, Rolling: time.Hour}}}
	now := at(t, "2026-03-01T12:00:00Z")
	var led Ledger
	led.Throttle(now.Add(time.Minute))
	led.Throttle(now.Add(time.Second))
	if got := limits.Left(&led, now); got != 0 {
		t.Errorf("left = %d, want 0", got)
	}
	if got := limits.Next(&led, now); !got.Equal(now.Add(time.Minute)) {
		t.Errorf("next = %s, want a minute later", got)
	}
	if got := limits.Left(&led, now.Add(time.Minute)); got != 2 {
		t.Errorf("left = %d after the throttling, want 2", got)
	}
}

func TestAWindowThatAllowsNothingHasNoNextSend(t *testing.T) {
	limits := Limits{Windows: []Window{{Max: 0, Rolling: time.Hour}}}
	now := at(t, "2026-03-01T12:00:00Z")
	if got := limits.Next(&Ledger{}, now); !got.IsZero() {
		t.Errorf("next = %s, want none", got)
	}
}

func TestARefundGivesTheSendBack(t *testing.T) {
	limits := Limits{Windows: []Window{{Max: 1, Rolling: time.Hour}}}
	now := at(t, "2026-03-01T12:00:00Z")
	var led Ledger
	led.Charge("a", now)
	led.Charge("a", now.Add(time.Minute))
	if len(led.Spends) != 1 {
		t.Fatalf("charging twice made %d spends", len(led.Spends))
	}
	if led.Refund("b") {
		t.Error("refunded a send that was never charged")
	}
	if !led.Refund("a") || limits.Left(&led, now) != 1 {
		t.Errorf("the refund did not give the send back: %+v", led)
	}
}

func TestASpendWhileTheClockIsBehindCountsUntilItCaughtUp(t *testing.T) {
	limits := Limits{Windows: []Window{{Max: 1, Rolling: time.Hour}}}
	noon := at(t, "2026-03-01T12:00:00Z")
	var led Ledger
	led.Prune(noon, limits)
	led.Charge("a", noon.Add(-2*time.Hour)) // the clock was set back by two hours
	caughtUp := noon.Add(90 * time.Minute)
	if got := limits.Left(&led, caughtUp); got != 0 {
		t.Errorf("left = %d before the spend was dated, want 0", got)
	}
	led.Prune(caughtUp, limits)
	if got := limits.Left(&led, caughtUp.Add(59*time.Minute)); got != 0 {
		t.Errorf("left = %d 59 minutes after the clock caught up, want 0", got)
	}
	if got := limits.Left(&led, caughtUp.Add(time.Hour)); got != 1 {
		t.Errorf("left = %d an hour after the clock caught up, want 1", got)
	}
}

// Nobody knows when a send was made whose answer came by a clock that had been set back.
func TestASendIsDatedByTheLatestReadingOfTheClockThatItsAnswerCameBy(t *testing.T) {
	start := at(t, "2026-03-01T10:00:00Z")
	hour := Limits{Windows: []Window{{Max: 1, Rolling: time.Hour}}}
	for _, c := range []struct {
		name     string
		counted  time.Duration // after the start
		answered time.Duration
		later    time.Duration // when the next is asked for
		frees    time.Duration // after the start
	}{
		{"a right clock", time.Minute, time.Minute, 2 * time.Minute, 61 * time.Minute},
		{"a send that may be on its way", 3 * time.Minute, time.Minute, 2 * time.Minute, 63 * time.Minute},
		{"a clock that was set back", -time.Minute, -time.Minute, -time.Minute, 60 * time.Minute},
		{"one that was, and has caught up", -time.Minute, -time.Minute, 30 * time.Minute, 90 * time.Minute},
	} {
		var led Ledger
		led.Charge("a", start)
		led.Postpone("a", start.Add(c.counted), start.Add(c.answered))
		if got, want := hour.Next(&led, start.Add(c.later)), start.Add(c.frees); !got.Equal(want) {
			t.Errorf("%s: the next send is left at %s, want %s", c.name, got, want)
		}
	}
}

func TestAnAnswerNotesWhatTheClockShows(t *testing.T) {
	start := at(t, "2026-03-01T10:00:00Z")
	var led Ledger
	led.Charge("a", start)
	led.Postpone("a", start.Add(time.Minute), start.Add(time.Minute))
	led.Charge("b", start.Add(30*time.Second))
	if b, _ := led.Find("b"); !b.Unsure || !b.At.Equal(start.Add(time.Minute)) {
		t.Errorf("a send by a clock that was set back since the last answer: %+v", b)
	}
}

func TestAnOperatorsWordEndsTheDoubtAboutTheClock(t *testing.T) {
	limits := Limits{Windows: []Window{{Max: 1, Rolling: time.Hour}}}
	now := at(t, "2026-03-01T12:00:00Z")
	var led Ledger
	led.Charge("a", now.AddDate(70, 0, 0))
	led.Throttle(now.AddDate(70, 0, 0))
	led.Trust(now)
	if got := limits.Next(&led, now); !got.Equal(now.Add(time.Hour)) {
		t.Errorf("next = %s, want an hour later", got)
	}
}

func TestALedgerSurvivesJSON(t *testing.T) {
	now := at(t, "2026-03-01T12:00:00Z")
	var led, back Ledger
	led.Charge("a", now)
	led.External("", now.Add(-time.Hour), "console")
	led.Throttle(now.Add(time.Hour))
	b, err := json.Marshal(&led)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(led, back); diff != "" {
		t.Error(diff)
	}
}

func TestReleasedIsTheLastTimeThatASpendLeftAWindow(t *testing.T) {
	limits := Limits{Windows: []Window{{Max: 2, Rolling: time.Hour}, {Max: 3, Calendar: Day}}, Guard: 5 * time.Second}
	noon := at(t, "2026-03-01T12:00:00Z")
	var led Ledger
	if got := limits.Released(&led, noon); !got.IsZero() {
		t.Errorf("released = %s without a spend", got)
	}
	led.Charge("a", noon)
	led.Charge("b", noon.Add(30*time.Minute))
	tests := []struct{ now, want string }{
		{"2026-03-01T13:10:00Z", "2026-03-01T13:00:05Z"},
		{"2026-03-01T13:30:05Z", "2026-03-01T13:30:05Z"},
		{"2026-03-02T09:00:00Z", "2026-03-02T00:00:05Z"},
	}
	for _, tt := range tests {
		if got := limits.Released(&led, at(t, tt.now)); !got.Equal(at(t, tt.want)) {
			t.Errorf("released at %s = %s, want %s", tt.now, got, tt.want)
		}
	}
}

func TestAFloodOfOthersSendsDoesNotForgetOurOwn(t *testing.T) {
	limits := Limits{Windows: []Window{{Name: "hour", Max: 2, Rolling: time.Hour}, {Name: "day", Max: 3, Rolling: 25 * time.Hour}}, Guard: 5 * time.Second}
	var led Ledger
	now := at(t, "2026-03-01T08:00:00Z")
	for i := range 3 {
		now = now.Add(61 * time.Minute)
		led.Charge(fmt.Sprint("own", i), now)
	}
	now = now.Add(2 * time.Hour)
	for i := range 135 {
		led.External(fmt.Sprint("shop", i), now, "a loop in the shop")
		led.Prune(now, limits)
	}
	for i := range 135 {
		led.Refund(fmt.Sprint("shop", i))
	}
	if left := limits.Left(&led, now); left != 0 {
		t.Errorf("%d sends left although 3 of ours count until tomorrow", left)
	}
}

// A time that carries a reading of the monotonic clock is compared by that
// with others of its process, and so never lies before them.
func TestTheLedgerGoesByTheWallClock(t *testing.T) {
	var l Ledger
	now := time.Now()
	l.ChargeAs("a", now, 1, "town/news")
	l.External("b", now.Add(-time.Minute), "by hand")
	l.Postpone("a", now.Add(time.Second), now)
	l.Throttle(now.Add(time.Minute))
	check := func(after string) {
		t.Helper()
		if got := fmt.Sprint(l); strings.Contains(got, " m=") {
			t.Errorf("after %s the ledger has readings of the monotonic clock: %s", after, got)
		}
	}
	check("a send")
	l.Spends[0].Unsure = true
	l.Prune(now.Add(time.Second), Limits{})
	check("a commit")
	l.Trust(now)
	check("an order to trust the clock")
}

// Whether it was behind or is ahead: no time has passed.
func TestAClockThatIsSetForwardMakesNoSendOlder(t *testing.T) {
	limits := Limits{Windows: []Window{{Name: "hour", Max: 2, Rolling: time.Hour}}}
	noon := at(t, "2026-03-01T12:00:00Z")
	var l Ledger
	l.Charge("a", noon)
	l.Charge("b", noon.Add(10*time.Minute))
	l.Throttle(noon.Add(30 * time.Minute))
	now := noon.Add(11 * time.Minute).Add(50 * time.Minute)
	l.Slip(50*time.Minute, now)
	if left := limits.Left(&l, now); left != 0 {
		t.Errorf("%d sends are left eleven minutes after the first of two", left)
	}
	for i, want := range []time.Time{noon.Add(50 * time.Minute), noon.Add(time.Hour)} {
		if got := l.Spends[i].At; !got.Equal(want) {
			t.Errorf("the send %s is dated %s, want %s", l.Spends[i].ID, got, want)
		}
	}
	if want := noon.Add(80 * time.Minute); !l.ThrottledUntil.Equal(want) {
		t.Errorf("throttled until %s, want %s", l.ThrottledUntil, want)
	}
	l.Slip(24*time.Hour, now.Add(time.Minute)) // the machine stood still: nothing is dated later than now
	if got := l.Spends[1].At; !got.Equal(now.Add(time.Minute)) {
		t.Errorf("a send is dated %s, later than now", got)
	}
}

func TestAClockThatIsSetPastMidnightBeginsNoDay(t *testing.T) {
	limits := Limits{Windows: []Window{{Name: "day", Max: 1, Calendar: Day}}}
	var l Ledger
	l.Charge("a", at(t, "2026-03-01T10:00:00Z"))
	l.Slip(8*time.Hour, at(t, "2026-03-02T04:00:00Z")) // it was eight in the evening
	for clock, left := range map[string]int{"2026-03-02T04:00:00Z": 0, "2026-03-02T07:59:59Z": 0, "2026-03-02T08:00:00Z": 1} {
		if got := limits.Left(&l, at(t, clock)); got != left {
			t.Errorf("%d left when the clock shows %s, want %d", got, clock, left)
		}
	}
	if frees := limits.Frees(&l, l.Spends[0].At); !frees.Equal(at(t, "2026-03-02T08:00:00Z")) {
		t.Errorf("it is said to count until %s", frees)
	}
	if released := limits.Released(&l, at(t, "2026-03-02T07:59:59Z")); !released.IsZero() {
		t.Errorf("it is said to have come back at %s", released)
	}
	l.Trust(at(t, "2026-03-02T04:00:00Z"))
	if limits.Left(&l, at(t, "2026-03-02T04:00:00Z")) != 1 {
		t.Error("an operator says that the clock is right, and the day is not over")
	}
}

func TestASendOfOthersThatIsMadeNowCountsUntilAClockThatIsBehindHasCaughtUp(t *testing.T) {
	limits := Limits{Windows: []Window{{Name: "hour", Max: 1, Rolling: time.Hour}}}
	noon := at(t, "2026-03-01T12:00:00Z")
	l := Ledger{Seen: noon}
	l.ExternalNow("shop-1", noon.Add(-2*time.Hour), "by hand")
	for _, now := range []time.Time{noon.Add(-2 * time.Hour), noon.Add(-time.Minute), noon.Add(30 * time.Minute)} {
		if limits.Left(&l, now) != 0 {
			t.Errorf("at %s a send is left", now)
		}
	}
	l.Prune(noon.Add(10*time.Minute), limits) // the clock is right again
	if limits.Left(&l, noon.Add(69*time.Minute)) != 0 || limits.Left(&l, noon.Add(71*time.Minute)) != 1 {
		t.Errorf("it is dated %s", l.Spends[0].At)
	}
}

// A clock that was ahead for a moment has pruned with a time at which nothing counts.
func TestAClockThatWasAheadForAMomentDoesNotEmptyTheLedger(t *testing.T) {
	limits := Limits{Windows: []Window{{Name: "hour", Max: 2, Rolling: time.Hour}, {Name: "day", Max: 3, Calendar: Day}}, Guard: 5 * time.Second}
	noon := at(t, "2026-03-01T12:00:00Z")
	var l Ledger
	for i := range 3 {
		l.Charge(fmt.Sprint(i), noon.Add(time.Duration(i-3)*time.Hour))
	}
	l.Prune(noon.AddDate(1, 0, 0), limits)
	l.Trust(noon)
	l.Prune(noon, limits)
	if left := limits.Left(&l, noon); left != 0 || len(l.Spends) != 3 {
		t.Errorf("%d sends are left, and %d are known", left, len(l.Spends))
	}
}

// To trust the clock dates what is unsure or of the future, and nothing else.
func TestTrustInAClockLeavesWhatIsSure(t *testing.T) {
	noon := at(t, "2026-03-01T12:00:00Z")
	l := Ledger{Seen: noon.Add(time.Hour), ThrottledUntil: noon.Add(-time.Minute), Spends: []Spend{
		{ID: "sure", At: noon.Add(-2 * time.Hour)}, {ID: "unsure", At: noon.Add(-time.Hour), Unsure: true}, {ID: "ahead", At: noon.Add(time.Hour)},
	}}
	l.Trust(noon)
	for i, want := range []time.Time{noon.Add(-2 * time.Hour), noon, noon} {
		if s := l.Spends[i]; !s.At.Equal(want) || s.Unsure {
			t.Errorf("%+v, want %s", s, want)
		}
	}
	if !l.Seen.Equal(noon) || !l.ThrottledUntil.Equal(noon.Add(-time.Minute)) {
		t.Errorf("seen %s, throttled until %s", l.Seen, l.ThrottledUntil)
	}
}

func TestTheWordOnASendIsChangedWhereverItStands(t *testing.T) {
	var led Ledger
	start := at(t, "2026-03-01T10:00:00Z")
	led.ChargeAs("a", start, 0, "news")
	led.ChargeAs("b", start.Add(time.Minute), 0, "news")
	led.Rename("a", "rejected")
	led.Rename("c", "rejected")
	if led.Spends[0].Why != "rejected" || led.Spends[1].Why != "news" {
		t.Errorf("%+v", led.Spends)
	}
}
