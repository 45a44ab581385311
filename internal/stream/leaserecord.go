package stream

import "time"

// leaseRecord is what belfry.lease.<app> holds. Its stream sequence changes
// with every renewal; the content only tells who and since when.
type leaseRecord struct {
	Replica    string    `json:"replica"`               // unique per process start
	Name       string    `json:"name"`                  // of the replica, for people
	Acquired   time.Time `json:"acquired"`              // by this replica, on its own clock
	Released   bool      `json:"released,omitempty"`    // nobody owns the app
	HandoverTo string    `json:"handover_to,omitempty"` // with Released: who claims first
}

// sight is the lease as the leader has it. Sequence 0: there is none.
type sight struct {
	sequence uint64
	record   leaseRecord
	stored   time.Time // by NATS's clock; zero: not looked up
	vanished string    // the replica whose record was the last to vanish before our eyes; empty: none has
	lost     bool      // the stream has lost what it had, and nobody has written since
}

// leaseTimes are the patience of all who take part in a lease.
type leaseTimes struct {
	renew    time.Duration // between two renewals by the holder
	patience time.Duration // of standbys without any renewal, and of the holder with itself
	poll     time.Duration // between two looks of a standby
	handover time.Duration // that others leave to the one to whom an app was handed over
	grace    time.Duration // that an owner has to stop after it was asked to give the app up
	vanished time.Duration // that others leave to the last owner after the stream has lost what it had
}

func productionTimes() leaseTimes {
	return leaseTimes{
		renew:    time.Second,
		patience: 3 * time.Second,
		poll:     250 * time.Millisecond,
		handover: 2 * time.Second,
		grace:    time.Minute, // a send may be waiting 30 s for its answer
		vanished: 30 * time.Second,
	}
}

// watch is a standby's memory of what it saw. The times are its own
// monotonic clock's; the holder's clock never matters.
type watch struct {
	sequence uint64
	since    time.Time // when sequence was first seen
	looked   time.Time // the latest look
	lives    bool      // it was renewed before our eyes, and we have looked ever since
}

// look takes note of a lease and decides whether to claim it.
//
// A renewal that we could not have seen must not count as missing: after a
// stretch without looks (we were suspended, NATS was gone) patience starts anew.
//
// What the stream has lost, all or the latest of it, was state as well, and the
// only copy may be in the memory of its owner: others claim the lease late, so
// that they don't begin with less. Whoever was the last owner that we know
// leaves a later one, whom we did not see, the time of a renewal. Who has just
// started, or could not look, cannot know what was lost: it leaves that owner the
// time to come back.
func (w *watch) look(now time.Time, s sight, me string, t leaseTimes) (claim bool) {
	blind := now.Sub(w.looked) > t.patience/2
	w.lives = !blind && (w.lives || w.sequence > 0 && s.sequence > w.sequence)
	if s.sequence != w.sequence || blind {
		w.sequence, w.since = s.sequence, now
	}
	w.looked = now
	unchanged := now.Sub(w.since)
	switch {
	case s.lost && s.vanished == me:
		return unchanged >= t.patience
	case s.lost:
		return unchanged >= t.vanished
	case s.sequence == 0, s.record.Replica == me && !s.record.Released:
		return true
	case s.record.Released && (s.record.HandoverTo == "" || s.record.HandoverTo == me):
		return true
	case s.record.Released:
		return unchanged >= t.handover
	case !w.lives:
		return unchanged >= 2*t.patience
	}
	return unchanged >= t.patience
}

// silence is how long ago since was, on the clock that says more: the
// monotonic one may stand still while the machine sleeps, the other one jumps.
func silence(since, now time.Time) time.Duration {
	return max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
}
