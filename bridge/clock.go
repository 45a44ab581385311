package bridge

import (
	"fmt"
	"time"
)

// clockNoise is less than any step of a clock that is worth a word.
const clockNoise = 500 * time.Millisecond

// noteClock sees to it that a clock which is set forward does not make sends
// older, and tells of one that was ahead, or is behind now: what is sent until
// it has caught up counts until then.
func (t *tenure) noteClock(now time.Time) {
	step := time.Duration(0)
	if !t.clock.IsZero() { // also of an earlier tenure: a step may have cost it its lease
		step = clockStep(t.clock, now)
	}
	t.clock = now
	t.stepped(step, now)
	t.state.Ledger.See(now) // an idle app commits nothing, and a clock may be set back
	seen := t.state.Ledger.Seen
	behind := seen.Sub(now) > quotaGuard
	if behind == t.clockBehind {
		return
	}
	t.clockBehind = behind
	if !behind {
		t.cfg.Note("clock.behind", nil)
		return
	}
	t.cfg.Note("clock.behind", fmt.Errorf("the clock shows %s, but has shown %s: what is sent until then counts until then; "+
		"if the clock is right now: belfry quota trust-clock --app %s --why …",
		now.UTC().Format(time.RFC3339), seen.UTC().Format(time.RFC3339), t.name))
}

// clockStep is by how much a clock was set between two readings: the wall clock's
// difference, beyond the monotonic one's.
func clockStep(from, to time.Time) time.Duration {
	return to.Round(0).Sub(from.Round(0)) - to.Sub(from)
}

// stepped is for a clock that was set by so much since it was last read.
func (t *tenure) stepped(by time.Duration, now time.Time) {
	if by.Abs() <= clockNoise {
		return
	}
	if by > 0 {
		t.log.Warn("the clock was set forward, or the machine stood still: sends count for that much longer", "by", by.Round(time.Millisecond).String())
	}
	t.state.slip(by, now)
	t.touch()
}
