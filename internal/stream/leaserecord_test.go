package stream

import (
	"slices"
	"testing"
	"time"
)

func TestAStandbyClaimsALease(t *testing.T) {
	t.Parallel()
	type at struct {
		ms  int
		seq uint64
	}
	held, released := leaseRecord{Replica: "x"}, leaseRecord{Replica: "x", Released: true}
	toMe, toOther := released, released
	toMe.HandoverTo, toOther.HandoverTo = "me", "y"
	every250 := func(from, to int, seq uint64) (looks []at) {
		for ms := from; ms <= to; ms += 250 {
			looks = append(looks, at{ms, seq})
		}
		return looks
	}
	for name, c := range map[string]struct {
		record   leaseRecord
		looks    []at
		claim    bool // at the last look; never before
		vanished string
	}{
		"that nobody ever had, at once":                     {leaseRecord{}, []at{{0, 0}}, true, ""},
		"that was released, at once":                        {released, []at{{0, 7}}, true, ""},
		"that was handed over to it, at once":               {toMe, []at{{0, 7}}, true, ""},
		"that it holds itself, after an answer got lost":    {leaseRecord{Replica: "me"}, []at{{0, 7}}, true, ""},
		"that nobody renewed for 6 s, as far as we saw":     {held, every250(0, 6000, 7), true, ""},
		"but not before":                                    {held, every250(0, 2750, 7), false, ""},
		"but not while it is renewed":                       {held, append(every250(0, 2750, 7), every250(3000, 5750, 8)...), false, ""},
		"3 s after the last renewal":                        {held, append(every250(0, 1000, 7), every250(1250, 4250, 8)...), true, ""},
		"but not when it slept for most of the 3 s":         {held, []at{{0, 7}, {250, 7}, {9000, 7}, {9250, 7}}, false, ""},
		"but 6 s after NATS was away, and lost it unseen":   {held, slices.Concat(every250(0, 1000, 7), every250(1250, 2000, 8), every250(9000, 15000, 8)), true, ""},
		"and renewed until shortly before that":             {held, append(every250(0, 1000, 7), every250(9000, 15000, 9)...), true, ""},
		"that was promised to another one, but only after":  {toOther, every250(0, 1750, 7), false, ""},
		"that vanished with its owner's memory, after 30 s": {leaseRecord{}, every250(0, 30000, 0), true, "x"},
		"that vanished, but not before":                     {leaseRecord{}, every250(0, 29750, 0), false, "x"},
		"that vanished from itself, after 3 s":              {leaseRecord{}, every250(0, 3000, 0), true, "me"},
		"that vanished from itself, but not before":         {leaseRecord{}, every250(0, 2750, 0), false, "me"},
		"that vanished, not if it came back":                {held, append(every250(0, 20000, 0), every250(20250, 23000, 1)...), false, "x"},
		"that was promised to one that did not come":        {toOther, every250(0, 2000, 7), true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w watch
			start := time.Now()
			for i, look := range c.looks {
				got := w.look(start.Add(time.Duration(look.ms)*time.Millisecond), sight{sequence: look.seq, record: c.record, vanished: c.vanished, lost: c.vanished != "" && look.seq == 0}, "me", productionTimes())
				if want := c.claim && i == len(c.looks)-1; got != want {
					t.Fatalf("at %d ms: claims %v, want %v", look.ms, got, want)
				}
			}
		})
	}
}

func TestSilenceCountsTheTimeThatTheMachineSlept(t *testing.T) {
	t.Parallel()
	now := time.Now()
	slept := now.Round(0).Add(-time.Hour) // without a monotonic reading
	if got := silence(slept, now); got < time.Hour {
		t.Errorf("an hour of sleep counts %v", got)
	}
	if got := silence(now, now.Add(2*time.Second)); got != 2*time.Second {
		t.Errorf("two seconds count %v", got)
	}
}
