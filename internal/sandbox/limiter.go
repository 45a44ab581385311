package sandbox

import "time"

// limiter counts the calls of one App Key in one bucket. A window is a rule
// for the moment at which a call leaves it.
type limiter struct {
	quota Quota
	calls []time.Time // ascending
}

// longestWindow is where a call no longer matters to any window.
const longestWindow = 48 * time.Hour

// wait is how long until a call may pass; zero: it may pass now.
func (l *limiter) wait(now time.Time) time.Duration {
	return max(
		l.waitFor(now, l.quota.PerHour, l.leavesHour),
		l.waitFor(now, l.quota.PerDay, l.leavesDay),
	)
}

func (l *limiter) waitFor(now time.Time, limit int, leaves func(time.Time) time.Time) time.Duration {
	if limit < 0 {
		return 0
	}
	var inside []time.Time
	for _, call := range l.calls {
		if end := leaves(call); end.After(now) {
			inside = append(inside, end)
		}
	}
	if len(inside) < limit {
		return 0
	}
	return inside[len(inside)-limit].Sub(now)
}

func (l *limiter) leavesHour(call time.Time) time.Time {
	if !l.quota.ClockHour {
		return call.Add(time.Hour)
	}
	call = call.In(l.quota.DayZone)
	return time.Date(call.Year(), call.Month(), call.Day(), call.Hour()+1, 0, 0, 0, l.quota.DayZone)
}

func (l *limiter) leavesDay(call time.Time) time.Time {
	y, m, d := call.In(l.quota.DayZone).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, l.quota.DayZone)
}

func (l *limiter) count(now time.Time) {
	for len(l.calls) > 0 && now.Sub(l.calls[0]) > longestWindow {
		l.calls = l.calls[1:]
	}
	l.calls = append(l.calls, now)
}

// uncount takes the last call back.
func (l *limiter) uncount() { l.calls = l.calls[:len(l.calls)-1] }
