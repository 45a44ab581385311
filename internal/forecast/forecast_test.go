package forecast

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// habitual observes n items at ten o'clock of every one of some days.
func habitual(days, n int) *Forecast {
	var f Forecast
	for day := range days {
		for i := range n {
			f.Observe(monday.AddDate(0, 0, day).Add(10*time.Hour+time.Duration(i)*time.Second), "town/news", 1)
		}
		f.Observe(monday.AddDate(0, 0, day), "town/midnight", 0)
	}
	return &f
}

func expected(o Outlook, key string, slot int) float64 {
	sum := 0.0
	for _, p := range o.Paths {
		for _, r := range p.Rows {
			if r.Key == key {
				sum += p.Weight * r.Counts[slot]
			}
		}
	}
	return sum
}

func TestADayLikeAllDaysIsExpectedAgain(t *testing.T) {
	f := habitual(12, 6)
	o := f.Outlook(monday.AddDate(0, 0, 11).Add(8 * time.Hour)) // a Friday
	if got := expected(o, "town/news", 20); math.Abs(got-6) > 1e-9 {
		t.Errorf("expects %v items at ten, want 6", got)
	}
	if got := expected(o, "town/news", 30); got != 0 {
		t.Errorf("expects %v items at three, want none", got)
	}
	if got := expected(o, "town/news", PerDay+20); math.Abs(got-6) > 1e-9 {
		t.Errorf("expects %v items at ten tomorrow, want 6", got)
	}
}

func TestADayWatchedFromTheMorningOnIsExpectedUntilThreeWholeOnesAreKnown(t *testing.T) {
	var f Forecast
	day := func(n, hour, items int) {
		for range items {
			f.Observe(monday.AddDate(0, 0, n).Add(time.Duration(hour)*time.Hour), "town/news", 1)
		}
	}
	day(0, 12, 8) // watching begins at noon
	day(1, 0, 1)
	if got := expected(f.Outlook(monday.AddDate(0, 0, 1).Add(time.Hour)), "town/news", 24); got < 3 || got > 8 {
		t.Errorf("on the second day %.1f items are expected at noon, want most of the 8 of the first", got)
	}
	for n := 1; n <= 4; n++ {
		day(n, 0, 1)
	}
	if got := expected(f.Outlook(monday.AddDate(0, 0, 4).Add(time.Hour)), "town/news", 24); got != 0 {
		t.Errorf("on the fifth day %.1f items are expected at noon, want none: three whole days had none", got)
	}
}

func TestAForecastThatHasLearntDoesNotLeanOnToday(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var f Forecast
		first := monday.Add(time.Duration(rapid.IntRange(0, 7*48-1).Draw(rt, "begins")) * Slot)
		now := first.AddDate(0, 0, rapid.IntRange(3, 24).Draw(rt, "days"))
		for at := first; at.Before(now); at = at.Add(6 * time.Hour) {
			f.Observe(at, "town/news", 1)
		}
		if f.Learning(now) {
			rt.Skip("it still learns")
		}
		before := f.Outlook(now)
		f.Observe(now, "town/news", 1)
		if diff := cmp.Diff(before, f.Outlook(now)); diff != "" {
			rt.Fatalf("one more arrival changes the outlook:\n%s", diff)
		}
	})
}

func TestADayThatIsOverIsKnownBeforeTheNextOneBringsAnything(t *testing.T) {
	f := habitual(1, 6)
	midnight := monday.AddDate(0, 0, 1)
	if got := expected(f.Outlook(midnight), "town/news", 20); got < 4 {
		t.Errorf("at the first midnight %.1f items are expected at ten, want most of the 6 of the day before", got)
	}
	if f.Today.Number != dayNumber(monday) || len(f.Days) != 0 {
		t.Error("an outlook changes what was learnt")
	}
}

func TestADayWithoutArrivalsThatIsBegunAgainHasNoFirstOne(t *testing.T) {
	var f, want Forecast
	for _, f := range []*Forecast{&f, &want} {
		f.Observe(monday, "town/news", 1)
	}
	noon := monday.AddDate(0, 0, 1).Add(12 * time.Hour)
	f.Observe(noon.AddDate(0, 0, 5), "town/news", 1) // by a clock that was ahead
	f.Correct(noon)
	f.Observe(noon, "town/news", 1)
	want.Observe(noon, "town/news", 1)
	evening := noon.Add(8 * time.Hour)
	if got, want := f.prior(evening)[0].Counts[40], want.prior(evening)[0].Counts[40]; got != want {
		t.Errorf("%v an hour are expected to come, want %v", got, want)
	}
}

func TestADayThatHasNotComeIsTakenBack(t *testing.T) {
	noon := monday.AddDate(0, 0, 11).Add(12 * time.Hour) // a Friday
	for name, ahead := range map[string]time.Duration{"three days": 72 * time.Hour, "a year": 366 * 24 * time.Hour} {
		f, want := habitual(12, 6), habitual(12, 6)
		f.Observe(noon.Add(ahead), "town/news", 1)
		f.Observe(noon, "town/news", 1)
		f.Correct(noon)
		want.Observe(noon, "town/news", 1)
		f.Observe(noon.Add(time.Hour), "town/news", 1)
		want.Observe(noon.Add(time.Hour), "town/news", 1)
		if f.Today.Number != dayNumber(noon) {
			t.Errorf("%s: today is day %d, want %d", name, f.Today.Number, dayNumber(noon))
		}
		if ahead < 100*time.Hour { // a year ago, everything is forgotten
			f.Version, want.Version, f.Recent, want.Recent, want.First = 0, 0, nil, nil, 1 // by its slots, not by what came first
			if diff := cmp.Diff(want, f); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
			continue
		}
		for day := 12; day < 26; day++ {
			for range 6 {
				f.Observe(monday.AddDate(0, 0, day).Add(10*time.Hour), "town/news", 1)
			}
		}
		if got := expected(f.Outlook(monday.AddDate(0, 0, 25).Add(8*time.Hour)), "town/news", 20); got < 5 || got > 6 {
			t.Errorf("%s: two weeks later %v items are expected at ten, want most of 6", name, got)
		}
	}
}

func TestWeightsAddUpToOne(t *testing.T) {
	for _, days := range []int{0, 1, 2, 5, 9, 30} {
		sum := 0.0
		f := habitual(days, 2)
		for _, p := range f.Outlook(monday.AddDate(0, 0, days)).Paths {
			sum += p.Weight
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("after %d days the weights add up to %v", days, sum)
		}
	}
}

func TestOnTheFirstDayThingsAreExpectedToGoOn(t *testing.T) {
	var f Forecast
	for i := range 8 {
		f.Observe(monday.Add(9*time.Hour+time.Duration(i)*15*time.Minute), "town/news", 1)
	}
	o := f.Outlook(monday.Add(11 * time.Hour))
	if got := expected(o, "town/news", 24); got < 1 || got > 2 {
		t.Errorf("expects %v items in the next half hour, want between 1 and 2", got)
	}
	if got := expected(o, "town/news", 2); got != 0 {
		t.Errorf("expects %v items at one in the night, want none", got)
	}
	if !f.Learning(monday.Add(11 * time.Hour)) {
		t.Error("does not say that it is still learning")
	}
}

func TestWeekendsAreExpectedToBeLikeWeekends(t *testing.T) {
	var f Forecast
	for day := range 28 {
		at := monday.AddDate(0, 0, day)
		f.Observe(at, "town/midnight", 0)
		if w := at.Weekday(); w == time.Saturday || w == time.Sunday {
			f.Observe(at.Add(12*time.Hour), "town/market", 1)
		}
	}
	friday, saturday := monday.AddDate(0, 0, 32), monday.AddDate(0, 0, 33)
	f.Observe(friday, "town/midnight", 0)
	if got := expected(f.Outlook(friday), "town/market", 24); got != 0 {
		t.Errorf("expects %v at noon of a Friday, want none", got)
	}
	if got := expected(f.Outlook(friday), "town/market", PerDay+24); math.Abs(got-1) > 1e-9 {
		t.Errorf("expects %v at noon of the Saturday after, want 1", got)
	}
	f.Observe(saturday, "town/midnight", 0)
	if got := expected(f.Outlook(saturday), "town/market", 24); math.Abs(got-1) > 1e-9 {
		t.Errorf("expects %v at noon of a Saturday, want 1", got)
	}
}

func TestTheFirstSaturdayIsExpectedToGoOnAsItBeganWhereThatIsUnlikeTheWeekdays(t *testing.T) {
	saturday := monday.AddDate(0, 0, 5)
	expect := func(perHour int) float64 {
		f := habitual(5, 6) // weekdays with 6 items at ten and none later
		for hour := range 4 {
			for i := range perHour {
				f.Observe(saturday.Add(time.Duration(7+hour)*time.Hour+time.Duration(i)*time.Minute), "town/news", 1)
			}
		}
		at := saturday.Add(11 * time.Hour)
		if !f.Learning(at) {
			t.Error("nothing is learnt from the first Saturday before it is over")
		}
		return expected(f.Outlook(at), "town/news", 30)
	}
	if got := expect(20); got < 4 {
		t.Errorf("after 20 items an hour, %.1f are expected in half an hour of the afternoon, want most of 10", got)
	}
	if got := expect(2); got > 0.5 {
		t.Errorf("after as many items as on a weekday, %.1f are expected in half an hour of the afternoon, want few", got)
	}
}

func TestADayOfTheOtherKindCountsByHowMuchItIsLikeToday(t *testing.T) {
	const hour = 2 // slots
	day := func(partial bool, from, to, n int) Day {
		counts := [PerDay]uint32{}
		for slot := from; slot < to; slot++ {
			counts[slot] = uint32(n)
		}
		return Day{Partial: partial, Counts: pack([]Row{{Counts: counts}})}
	}
	for _, tt := range []struct {
		name        string
		then        Day
		today       int // in each half hour since seven
		least, most float64
	}{
		{"just like it", day(false, 7*hour, 20*hour, 5), 5, 1, 1},
		{"like it until now, and not later", day(false, 7*hour, 12*hour, 5), 5, 1, 1},
		{"a few more", day(false, 7*hour, 20*hour, 5), 6, 0.8, 1},
		{"a tenth more, on a busy day", day(false, 7*hour, 20*hour, 10_000), 11_000, 0.9, 1},
		{"ten times as much", day(false, 7*hour, 20*hour, 5), 50, 0, 0.05},
		{"nothing at all", day(false, 7*hour, 20*hour, 5), 0, 0, 0.05},
		{"watched from eleven on", day(true, 11*hour, 20*hour, 5), 5, 1, 1},
		{"watched from later on", day(true, 15*hour, 20*hour, 5), 5, 1, 1},
	} {
		var f Forecast
		noon := monday.Add(12 * time.Hour)
		f.Observe(monday, "town/other", 1) // begins the day
		f.Rows[0].Counts[0] = 0
		for slot := 7 * hour; slot < 12*hour; slot++ {
			f.Rows[0].Counts[slot] = uint32(tt.today)
		}
		if got := f.likeness(&tt.then, noon); got < tt.least || got > tt.most {
			t.Errorf("%s: it counts for %.3f, want %v to %v", tt.name, got, tt.least, tt.most)
		}
	}
}

func TestTwentyWeekdaysAndEightDaysOfWeekendsAreRememberedAndFadeSlowly(t *testing.T) {
	f := habitual(7*8, 6)
	weekdays := f.Outlook(monday.AddDate(0, 0, 7*8).Add(8 * time.Hour))
	weekends := f.Outlook(monday.AddDate(0, 0, 7*8+5).Add(8 * time.Hour))
	if len(weekdays.Paths) != 20 || len(weekends.Paths) != 8 {
		t.Errorf("%d weekdays and %d days of weekends are replayed, want 20 and 8", len(weekdays.Paths), len(weekends.Paths))
	}
	oldest, latest := weekdays.Paths[0].Weight, weekdays.Paths[19].Weight // Friday, and a Monday almost four weeks before
	if got := oldest / latest; got < 0.45 || got > 0.6 {
		t.Errorf("a day of four weeks ago weighs %.2f of yesterday, want about half", got)
	}
}

func TestABurstIsExpectedToEchoWhereBurstsHave(t *testing.T) {
	var f Forecast
	for day := range 10 {
		f.Observe(monday.AddDate(0, 0, day), "town/midnight", 0)
		start := monday.AddDate(0, 0, day).Add(time.Duration(6+day) * time.Hour)
		for i := range 12 {
			f.Observe(start.Add(time.Duration(i)*5*time.Minute), "town/incidents", 2)
		}
		f.Observe(start.Add(2*time.Hour), "town/single", 2)
	}
	now := monday.AddDate(0, 0, 10).Add(3 * time.Hour)
	for i := range 4 {
		f.Observe(now.Add(time.Duration(i-4)*time.Minute), "town/incidents", 2)
	}
	bursts := f.Bursts(now)
	if len(bursts) != 1 || bursts[0].Key != "town/incidents" || bursts[0].PerHour < 2 || bursts[0].Lasts <= 0 {
		t.Errorf("got %+v", bursts)
	}
}

func TestCountsAreRoundedLittle(t *testing.T) {
	for _, n := range []float64{0, 1, 31, 32, 33, 100, 999, 100_000} {
		if got := unsqueeze(squeeze(n)); math.Abs(got-n) > 0.022*n {
			t.Errorf("%v becomes %v", n, got)
		}
	}
}

func TestLateItemsAreCountedUpToSome46InAHalfHour(t *testing.T) {
	var f Forecast
	for day := range 3 {
		f.Observe(monday.AddDate(0, 0, day), "town/news", 1)
	}
	for range 100 {
		f.Observe(monday.AddDate(0, 0, 1), "town/news", 1)
	}
	if got := unsqueeze(f.Days[1].Counts[2]); got < 45 || got > 48 {
		t.Errorf("%v are counted", got)
	}
}

func TestAForecastStaysSmallAndSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var f, back Forecast
		at := monday
		for range rapid.IntRange(1, 300).Draw(rt, "items") {
			at = at.Add(time.Duration(rapid.IntRange(0, 20*3600).Draw(rt, "pause")) * time.Second)
			f.Observe(at, fmt.Sprint("town/", rapid.IntRange(0, 60).Draw(rt, "key")), rapid.IntRange(0, 3).Draw(rt, "priority"))
		}
		b, err := json.Marshal(&f)
		if err != nil {
			rt.Fatal(err)
		}
		if len(b) > 60<<10 {
			rt.Fatalf("the forecast takes %d bytes", len(b))
		}
		if err := json.Unmarshal(b, &back); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(f.Outlook(at), back.Outlook(at)); diff != "" {
			rt.Fatal(diff)
		}
		if diff := cmp.Diff(f.Bursts(at), back.Bursts(at)); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func TestAFullForecastStaysWithinItsBound(t *testing.T) {
	var f Forecast
	long := strings.Repeat("name", 10)
	for day := range 40 {
		for slot := range PerDay {
			for key := range 60 {
				f.Observe(monday.AddDate(0, 0, day).Add(time.Duration(slot)*Slot), fmt.Sprintf("%s-%02d/%s-%02d", long, key, long, key), key%4)
			}
		}
	}
	for i := range f.Rows { // as after a flood
		for slot := range f.Rows[i].Counts {
			f.Rows[i].Counts[slot] = 100_000
		}
	}
	b, err := json.Marshal(&f)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", len(b))
	if len(b) > 80<<10 {
		t.Errorf("a full forecast takes %d bytes", len(b))
	}
}

// Two streams are caught up on side by side: one is at today when the other
// is still days behind.
func TestAStreamThatIsDaysBehindTeachesTheDaysOnWhichThingsHappened(t *testing.T) {
	type arrival struct {
		at  time.Time
		key string
	}
	var inOrder, behind, ahead []arrival
	for day := range 10 {
		at := monday.AddDate(0, 0, day)
		a, b := arrival{at, "town/midnight"}, arrival{at.Add(10 * time.Hour), "town/news"}
		inOrder, ahead = append(inOrder, a), append(ahead, a)
		for range 6 {
			inOrder, behind = append(inOrder, b), append(behind, b)
		}
	}
	learn := func(list []arrival) *Forecast {
		var f Forecast
		for _, a := range list {
			f.Observe(a.at, a.key, 1)
		}
		return &f
	}
	now := monday.AddDate(0, 0, 9).Add(10*time.Hour + 20*time.Minute)
	want := learn(inOrder).Outlook(now)
	got := learn(slices.Concat(ahead, behind)).Outlook(now)
	for slot := range 2 * PerDay {
		for _, key := range []string{"town/news", "town/midnight"} {
			if w, g := expected(want, key, slot), expected(got, key, slot); math.Abs(w-g) > 0.05*w+1e-9 {
				t.Errorf("%s in slot %d: expects %v, want %v", key, slot, g, w)
			}
		}
	}
}
