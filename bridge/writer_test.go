package bridge

import (
	"testing"
	"time"
)

func TestACommitIsDueWhenTheLoopWakesForIt(t *testing.T) {
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		last  time.Time
		pause time.Duration
		due   bool
	}{
		"the pause is over":                {now.Add(-time.Second), time.Second, true},
		"it is not":                        {now.Add(-time.Second), 2 * time.Second, false},
		"there is none":                    {now.Add(-time.Nanosecond), 0, true},
		"at once":                          {time.Time{}, time.Second, true},
		"at once, and there is no pause":   {time.Time{}, 0, true},
		"the clock is behind the last one": {now.Add(time.Hour), time.Second, true},
	} {
		w := writer{dirty: true, last: tt.last}
		at := w.wakeAt(tt.pause)
		if w.due(now, tt.pause) != tt.due || at.IsZero() || !w.due(at, tt.pause) || tt.due && tt.last.Before(now) && at.After(now) {
			t.Errorf("%s: due %t, and the loop wakes at %s", name, w.due(now, tt.pause), at)
		}
		w.dirty = false
		if w.due(now, tt.pause) || !w.wakeAt(tt.pause).IsZero() {
			t.Errorf("%s: due, or waited for, though nothing has changed", name)
		}
	}
}
