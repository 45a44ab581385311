package quota

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var zones = []string{
	"UTC", "Asia/Shanghai", "Europe/Berlin", "America/Sao_Paulo", "America/New_York",
	"Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu",
}

func anyLimits(t *rapid.T, tb testing.TB) Limits {
	var l Limits
	for i := range rapid.IntRange(1, 3).Draw(t, "windows") {
		w := Window{Name: fmt.Sprint(i), Max: rapid.IntRange(1, 4).Draw(t, "max"),
			Calendar: Calendar(rapid.IntRange(0, 2).Draw(t, "calendar"))}
		if w.Calendar == None {
			w.Rolling = time.Duration(rapid.IntRange(60, 90000).Draw(t, "rolling")) * time.Second
		}
		w.Location = zone(tb, rapid.SampledFrom(zones).Draw(t, "zone"))
		l.Windows = append(l.Windows, w)
	}
	l.Guard = time.Duration(rapid.IntRange(0, 30).Draw(t, "guard")) * time.Second
	return l
}

func anyTime(t *rapid.T, label string) time.Time {
	start := rapid.SampledFrom([]string{
		"2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z", "2018-11-03T12:00:00Z", "2018-02-17T12:00:00Z",
		"2011-12-29T00:00:00Z", "2026-04-04T00:00:00Z", "2026-06-30T20:00:00Z",
	}).Draw(t, label+" around")
	base, _ := time.Parse(time.RFC3339, start)
	return base.Add(time.Duration(rapid.Int64Range(0, 48*3600).Draw(t, label)) * time.Second)
}

// counts is the oracle: it asks the calendar directly, instead of computing
// where a window ends.
func counts(w Window, guard time.Duration, spend, now time.Time) bool {
	from, to := spend.Add(guard).In(w.zone()), now.Add(-guard).In(w.zone())
	switch w.Calendar {
	case Day:
		return from.Format("2006-01-02") >= to.Format("2006-01-02")
	case Hour:
		return from.Format("2006-01-02T15") >= to.Format("2006-01-02T15")
	}
	return now.Sub(spend) < w.Rolling+guard
}

func leftByHand(l Limits, led *Ledger, now time.Time) int {
	left := 1 << 30
	for _, w := range l.Windows {
		n := w.Max
		for _, s := range led.Spends {
			if counts(w, l.Guard, s.At, now) {
				n--
			}
		}
		left = min(left, n)
	}
	return max(left, 0)
}

func TestSendsLeftAgreeWithCountingByHand(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limits, now := anyLimits(rt, t), anyTime(rt, "now")
		var led Ledger
		for i := range rapid.IntRange(0, 6).Draw(rt, "spends") {
			shift := time.Duration(rapid.Int64Range(-60*3600, 30*3600).Draw(rt, "shift")) * time.Second
			led.External(fmt.Sprint(i), now.Add(shift), "")
		}
		if got, want := limits.Left(&led, now), leftByHand(limits, &led, now); got != want {
			rt.Fatalf("left = %d, by hand %d", got, want)
		}
	})
}

func TestNextIsTheFirstInstantWithASendLeft(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limits, now := anyLimits(rt, t), anyTime(rt, "now")
		var led Ledger
		for i := range rapid.IntRange(0, 6).Draw(rt, "spends") {
			shift := time.Duration(rapid.Int64Range(-30*3600, 3600).Draw(rt, "shift")) * time.Second
			led.External(fmt.Sprint(i), now.Add(shift), "")
		}
		next := limits.Next(&led, now)
		if left := leftByHand(limits, &led, now); (left > 0) != next.Equal(now) {
			rt.Fatalf("left %d at %s, but next is %s", left, now, next)
		}
		if leftByHand(limits, &led, next) == 0 {
			rt.Fatalf("nothing is left at %s", next)
		}
		if next.After(now) && leftByHand(limits, &led, next.Add(-1)) > 0 {
			rt.Fatalf("a send is left before %s", next)
		}
	})
}

func TestPruningChangesNoAnswer(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limits, now := anyLimits(rt, t), anyTime(rt, "now")
		var led Ledger
		for i := range rapid.IntRange(0, 200).Draw(rt, "spends") {
			shift := time.Duration(rapid.Int64Range(-200*3600, 0).Draw(rt, "shift")) * time.Second
			led.External(fmt.Sprint(i), now.Add(shift), "")
		}
		pruned := led.Clone()
		pruned.Prune(now, limits)
		back := now.Add(-time.Duration(rapid.Int64Range(0, 100*3600).Draw(rt, "back")) * time.Second)
		for _, then := range []time.Time{back, now, now.Add(time.Hour), now.Add(30 * time.Hour)} {
			// A reading before some spends sees them in the future, where all count: only that may differ.
			if got, want := limits.Left(pruned, then), limits.Left(&led, then); got != want {
				rt.Fatalf("left = %d at %s after pruning, want %d", got, then, want)
			}
			if got, want := limits.Next(pruned, then), limits.Next(&led, then); !got.Equal(want) {
				rt.Fatalf("next = %s at %s after pruning, want %s", got, then, want)
			}
		}
		if len(pruned.Spends) > 4+keepSpare {
			rt.Fatalf("%d spends are kept", len(pruned.Spends))
		}
	})
}

// The clock may fall behind what it showed before and catch up again, as often
// as it likes, also while a send is under way; whoever asks before every send
// never exceeds a window in true time.
func TestAClockThatStepsBackAndForthNeverAllowsMore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limits, truth := anyLimits(rt, t), anyTime(rt, "start")
		var led Ledger
		var sent []time.Time
		led.Prune(truth, limits)
		for i := range rapid.IntRange(1, 60).Draw(rt, "steps") {
			truth = truth.Add(time.Duration(rapid.Int64Range(0, 5*3600).Draw(rt, "pass")) * time.Second)
			clock := truth
			if rapid.Bool().Draw(rt, "behind") {
				clock = led.Seen.Add(-time.Duration(rapid.Int64Range(1, 40*3600).Draw(rt, "by")) * time.Second)
			}
			led.Prune(clock, limits)
			if limits.Left(&led, clock) == 0 {
				continue
			}
			led.Charge(fmt.Sprint(i), clock)
			truth = truth.Add(time.Duration(rapid.Int64Range(0, 60).Draw(rt, "takes")) * time.Second)
			if rapid.Bool().Draw(rt, "behind meanwhile") {
				clock = led.Seen.Add(-time.Duration(rapid.Int64Range(1, 40*3600).Draw(rt, "by")) * time.Second)
			} else {
				clock = truth
			}
			led.Postpone(fmt.Sprint(i), clock, clock)
			sent = mayBeSent(rt, limits, sent, truth)
		}
	})
}

// mayBeSent adds a send, which must be one too many for no window.
func mayBeSent(rt *rapid.T, limits Limits, sent []time.Time, truth time.Time) []time.Time {
	for _, w := range limits.Windows {
		n := 1
		for _, s := range sent {
			if counts(w, 0, s, truth) {
				n++
			}
		}
		if n > w.Max {
			rt.Fatalf("send %d at %s is number %d of a window of %d", len(sent), truth, n, w.Max)
		}
	}
	return append(sent, truth)
}

// The clock is right at first, and then set forward and back, as often as anyone likes.
func TestAClockWhoseStepsAreSeenNeverAllowsMore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limits, truth := anyLimits(rt, t), anyTime(rt, "start")
		var led Ledger
		var sent []time.Time
		ahead := time.Duration(0)
		for i := range rapid.IntRange(1, 60).Draw(rt, "steps") {
			truth = truth.Add(time.Duration(rapid.Int64Range(0, 5*3600).Draw(rt, "pass")) * time.Second)
			if rapid.Bool().Draw(rt, "step") {
				by := time.Duration(rapid.Int64Range(-30*3600, 30*3600).Draw(rt, "by")) * time.Second
				ahead += by
				led.Slip(by, truth.Add(ahead))
			}
			clock := truth.Add(ahead)
			led.Prune(clock, limits)
			if limits.Left(&led, clock) == 0 {
				continue
			}
			led.Charge(fmt.Sprint(i), clock)
			sent = mayBeSent(rt, limits, sent, truth)
		}
	})
}

// Prune forgets from the front, and takes the latest for the last.
func TestALedgerIsInOrderOfTimeWhateverIsDone(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limits, now := anyLimits(rt, t), anyTime(rt, "now")
		var led Ledger
		for i := range rapid.IntRange(1, 30).Draw(rt, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(-3*3600, 3*3600).Draw(rt, "pass")) * time.Second)
			ago := time.Duration(rapid.Int64Range(-3600, 3*3600).Draw(rt, "ago")) * time.Second
			switch id := fmt.Sprint(i); rapid.IntRange(0, 6).Draw(rt, "what") {
			case 0:
				led.Charge(id, now)
			case 1:
				led.External(id, now.Add(-ago), "")
			case 2:
				led.ExternalNow(id, now, "")
			case 3:
				led.Postpone(fmt.Sprint(rapid.IntRange(0, i).Draw(rt, "of")), now.Add(time.Minute), now)
			case 4:
				led.Slip(ago, now)
			case 5:
				led.Trust(now)
			case 6:
				led.Prune(now, limits)
			}
			if !slices.IsSortedFunc(led.Spends, func(a, b Spend) int { return a.At.Compare(b.At) }) {
				rt.Fatalf("not in order: %+v", led.Spends)
			}
		}
	})
}
