package sandbox_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belfry-bridge/belfry/internal/sandbox"
)

func TestTheLimiterReadsItsWindowsAsConfigured(t *testing.T) {
	bad := strings.Replace(goodBody, `"ops"`, `""`, 1)
	type call struct {
		at   string // of 2 March, UTC; with a day: "3 09:00"
		bad  bool   // a refused one
		want int    // code
	}
	for _, c := range []struct {
		name  string
		quota sandbox.Quota
		calls []call
	}{
		{"two in any 60 minutes", sandbox.Quota{PerDay: -1}, []call{{at: "10:20"}, {at: "10:50"}, {at: "11:19", want: 1008}, {at: "11:20"}, {at: "11:49", want: 1008}, {at: "11:50"}}},
		{"two in a clock hour", sandbox.Quota{PerDay: -1, ClockHour: true}, []call{{at: "10:58"}, {at: "10:59"}, {at: "10:59", want: 1008}, {at: "11:00"}, {at: "11:01"}, {at: "11:02", want: 1008}}},
		{"three in a day that begins at midnight in UTC+8", sandbox.Quota{}, []call{{at: "08:00"}, {at: "10:00"}, {at: "12:00"}, {at: "15:59", want: 1008}, {at: "16:00"}}},
		{"three in a day that begins at midnight in UTC", sandbox.Quota{DayZone: time.UTC}, []call{{at: "08:00"}, {at: "10:00"}, {at: "12:00"}, {at: "16:00", want: 1008}, {at: "23:59", want: 1008}, {at: "3 00:00"}}},
		{"other numbers", sandbox.Quota{PerHour: 1, PerDay: 2}, []call{{at: "08:00"}, {at: "08:30", want: 1008}, {at: "09:00"}, {at: "10:00", want: 1008}}},
		{"no limits", sandbox.Quota{PerHour: -1, PerDay: -1}, []call{{at: "08:00"}, {at: "08:00"}, {at: "08:00"}, {at: "08:00"}}},
		{"refused calls count", sandbox.Quota{}, []call{{at: "10:20", bad: true, want: 1002}, {at: "10:21", bad: true, want: 1002}, {at: "10:22", want: 1008}}},
		{"refused calls do not count", sandbox.Quota{UncountRejected: true}, []call{{at: "10:20", bad: true, want: 1002}, {at: "10:21", bad: true, want: 1002}, {at: "10:22"}}},
		{"calls answered 429 do not count", sandbox.Quota{PerDay: -1}, []call{{at: "10:00"}, {at: "10:00"}, {at: "10:59", want: 1008}, {at: "11:00"}, {at: "11:00"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, sandbox.Config{Quota: c.quota})
			for i, x := range c.calls {
				at := x.at
				if !strings.Contains(at, " ") {
					at = "2 " + at
				}
				now, err := time.Parse("2006 1 2 15:04", "2026 3 "+at)
				if err != nil {
					t.Fatal(err)
				}
				w.now = now
				body := goodBody
				if x.bad {
					body = bad
				}
				if got := w.send(t, body).Code; got != x.want {
					t.Errorf("call %d at %s: code %d, want %d", i+1, x.at, got, x.want)
				}
			}
		})
	}
}

func TestRetryAfterNamesTheMomentAtWhichThereIsRoom(t *testing.T) {
	w := newWorld(t, sandbox.Config{RetryAfter: true})
	w.send(t, goodBody)
	w.now = w.now.Add(10*time.Minute + time.Second/2)
	w.send(t, goodBody)
	got := w.send(t, goodBody)
	seconds, err := strconv.Atoi(got.header.Get("Retry-After"))
	if err != nil || got.Code != 1008 {
		t.Fatalf("answer %+v: %v", got, err)
	}
	w.now = w.now.Add(time.Duration(seconds) * time.Second)
	if got := w.send(t, goodBody); got.Code != 0 {
		t.Errorf("after Retry-After: code %d", got.Code)
	}
	if got := newWorld(t, sandbox.Config{ServiceDisabled: true}).send(t, goodBody); got.header.Get("Retry-After") != "" {
		t.Error("Retry-After on another refusal")
	}
}

func TestEveryAppKeyHasItsOwnQuota(t *testing.T) {
	s, err := sandbox.New(sandbox.Config{Apps: map[string]string{testKey: testSecret, "other": testSecret}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	w := &world{Server: s, now: time.Now()}
	for _, key := range []string{testKey, testKey, "other", "other"} {
		r := w.request(sandbox.SendPath, goodBody, nil)
		r.Header.Set("App-Key", key)
		if got := do(t, s.Handler(), r); got.Code != 0 {
			t.Errorf("%s: code %d", key, got.Code)
		}
	}
}

// Whatever the calls, no window ever holds more than it may, and a call is
// refused only if one would.
func TestTheRollingLimiterIsExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, sandbox.Config{ClockTolerance: time.Hour})
		w.now = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
		zone := time.FixedZone("UTC+8", 8*60*60)
		var passed []time.Time
		for _, minutes := range rapid.SliceOfN(rapid.IntRange(0, 400), 1, 40).Draw(rt, "pauses") {
			w.now = w.now.Add(time.Duration(minutes) * time.Minute)
			inHour := func(x time.Time) bool { return w.now.Sub(x) < time.Hour }
			inDay := func(x time.Time) bool {
				return x.In(zone).Format(time.DateOnly) == w.now.In(zone).Format(time.DateOnly)
			}
			fits := count(passed, inHour) < 2 && count(passed, inDay) < 3
			if got := w.send(t, goodBody).Code; (got == 0) != fits {
				rt.Fatalf("at %s after %v: code %d, fits %t", w.now, passed, got, fits)
			}
			if fits {
				passed = append(passed, w.now)
			}
		}
	})
}

func count(list []time.Time, is func(time.Time) bool) (n int) {
	for _, x := range list {
		if is(x) {
			n++
		}
	}
	return n
}
