package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// flaky is a Store whose writes fail as told. (The full one is in bridgetest,
// which imports this package.)
type flaky struct {
	record Record
	last   uint64
	late   func()
	fault  func() string
	read   func() error
	before Record      // what the record was before the latest write
	stale  func() bool // whether a read is answered from then, as by a leader that has not heard of its successor; nil: never
}

func (f *flaky) Put(_ context.Context, data []byte, token string, expect uint64) (uint64, error) {
	write := func() {
		if f.record.Sequence == expect {
			f.last++
			f.before = f.record
			f.record = Record{Data: data, Token: token, Sequence: f.last}
		}
	}
	switch fault := f.fault(); fault {
	case "":
		if f.record.Sequence != expect {
			return 0, errors.New("wrong last sequence")
		}
		write()
		return f.last, nil
	case "written":
		write()
		return 0, errors.New(fault)
	case "late":
		f.late = write
		return 0, errors.New(fault)
	default:
		return 0, errors.New(fault)
	}
}

func (f *flaky) Get(context.Context) (Record, error) {
	if err := f.read(); err != nil {
		return Record{}, err
	}
	r := f.record
	if f.stale != nil && f.stale() {
		r = f.before
	}
	if f.late != nil {
		f.late()
		f.late = nil
	}
	return r, nil
}

func TestCommitEndsCertainlyStoredWhateverBreaks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		faults := rapid.SliceOfN(rapid.SampledFrom([]string{"", "not written", "written", "late"}), 1, 12).Draw(rt, "faults")
		reads := rapid.SliceOfN(rapid.SampledFrom([]string{"", "no answer", "stale"}), 0, 6).Draw(rt, "reads")
		var tries, looks int
		f := &flaky{
			fault: func() string {
				tries++
				if tries > len(faults) {
					return ""
				}
				return faults[tries-1]
			},
			read: func() error {
				looks++
				if looks <= len(reads) && reads[looks-1] == "no answer" {
					return errors.New("no answer")
				}
				return nil
			},
			stale: func() bool { return looks <= len(reads) && reads[looks-1] == "stale" },
		}
		synctest.Test(t, func(t *testing.T) {
			c := committer{store: f, trouble: func(error) {}, holds: func() bool { return true }}
			for n := range 4 {
				token := fmt.Sprintf("r/1/%d", n)
				if err := c.commit(t.Context(), []byte(token), token); err != nil {
					t.Fatalf("commit %d: %v", n, err)
				}
				if f.record.Token != token || f.record.Sequence != c.sequence {
					t.Fatalf("after commit %d the store has %q at %d, we believe %d", n, f.record.Token, f.record.Sequence, c.sequence)
				}
			}
			if f.last != 4 {
				t.Fatalf("4 commits left %d messages", f.last)
			}
		})
	})
}

func TestCommitIsFencedByAnotherOwner(t *testing.T) {
	for _, fault := range []string{"", "not written", "written", "late"} {
		t.Run("with "+fault, func(t *testing.T) {
			f := &flaky{fault: func() string { return fault }, read: func() error { return nil }}
			f.record, f.last = Record{Token: "other/2/1", Sequence: 7}, 7
			c := committer{store: f, sequence: 5, trouble: func(error) {}}
			if err := c.commit(t.Context(), []byte("x"), "me/1/9"); !errors.Is(err, ErrFenced) {
				t.Errorf("commit = %v, want fenced", err)
			}
			if f.record.Token != "other/2/1" {
				t.Errorf("the other's state was overwritten by %q", f.record.Token)
			}
		})
	}
}

func TestCommitWritesALostStateAgainAsLongAsTheAppIsOurs(t *testing.T) {
	for name, stored := range map[string]Record{"vanished": {}, "as it was before": {Token: "me/1/8", Sequence: 4}} {
		for _, ours := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, ours: %t", name, ours), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := &flaky{fault: func() string { return "" }, read: func() error { return nil }}
					f.record, f.last = stored, stored.Sequence
					c := committer{store: f, sequence: 5, trouble: func(error) {}, holds: func() bool { return ours }}
					err := c.commit(t.Context(), []byte("x"), "me/1/9")
					if ours && (err != nil || f.record.Token != "me/1/9") {
						t.Errorf("commit = %v, stored %q; want our state stored again", err, f.record.Token)
					}
					if !ours && (!errors.Is(err, errLapsed) || f.last != stored.Sequence) {
						t.Errorf("commit = %v, stored %q; want nothing written: another may have had the app", err, f.record.Token)
					}
				})
			})
		}
	}
}

func TestCommitWritesOverWhatIsNoStateAsLongAsTheAppIsOurs(t *testing.T) {
	for _, name := range []string{"ours", "lost", "being claimed"} {
		for _, fault := range []string{"", "not written", "written", "late"} {
			t.Run(name+" with "+fault, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tries := 0
					f := &flaky{read: func() error { return nil }, fault: func() string {
						if tries++; tries > 1 {
							return ""
						}
						return fault
					}}
					f.record, f.last = Record{Data: []byte(`{"stream":"SCHOOL","seq":1}`), Sequence: 7}, 7
					c := committer{store: f, sequence: 5, trouble: func(error) {}, holds: func() bool { return name != "lost" }, claimed: name != "being claimed"}
					err := c.commit(t.Context(), []byte("x"), "me/1/9")
					if name == "ours" && (err != nil || f.record.Token != "me/1/9" || c.sequence != f.record.Sequence) {
						t.Errorf("commit = %v, stored %q; want our state", err, f.record.Token)
					}
					if name != "ours" && (!errors.Is(err, ErrFenced) || f.last != 7) {
						t.Errorf("commit = %v, %d messages; want fenced, and nothing written", err, f.last)
					}
				})
			})
		}
	}
}

// A publisher that overwrites the state all the time must not keep its owner from storing it.
func TestCommitGetsThroughWhereTheStateIsOverwrittenAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flaky{fault: func() string { return "" }, read: func() error { time.Sleep(time.Millisecond); return nil }}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		var publisher sync.WaitGroup
		defer publisher.Wait()
		defer stop()
		publisher.Go(func() {
			for ctx.Err() == nil {
				f.last++
				f.record = Record{Data: []byte(`{"stream":"SCHOOL","seq":1}`), Sequence: f.last}
				time.Sleep(20 * time.Millisecond)
			}
		})
		synctest.Wait()
		c := committer{store: f, trouble: func(error) {}, holds: func() bool { return true }, claimed: true}
		if err := c.commit(ctx, []byte("x"), "me/1/9"); err != nil {
			t.Errorf("commit = %v", err)
		}
	})
}

func TestCommitGivesUpOnlyWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flaky{fault: func() string { return "not written" }, read: func() error { return nil }}
		c := committer{store: f, trouble: func(error) {}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		if err := c.commit(ctx, []byte("x"), "me/1/1"); err == nil || time.Since(start) < time.Hour {
			t.Errorf("commit = %v after %s; want an error after the hour", err, time.Since(start))
		}
	})
}
