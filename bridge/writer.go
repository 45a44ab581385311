package bridge

import (
	"context"
	"time"
)

const (
	commitEvery  = time.Second     // how much reading a crash repeats
	commitSeldom = 5 * time.Second // the same where a commit takes long
	commitShare  = 50              // of its time an app spends a 50th on commits, unless they are seldom
)

// writer stores the state of one tenure, and knows when to do it again.
type writer struct {
	committer
	codec *Codec
	dirty bool          // the state differs from the stored one
	last  time.Time     // the latest commit; zero: the next is due at once
	took  time.Duration // for it
	times CommitTimes
}

func (w *writer) due(now time.Time, pause time.Duration) bool {
	return w.dirty && (now.Sub(w.last) >= pause || now.Before(w.last))
}

func (w *writer) wakeAt(pause time.Duration) time.Time {
	if !w.dirty {
		return time.Time{}
	}
	return w.last.Add(max(pause, 1)) // without a pause, too, it is not the zero time, which is never
}

// commitPause is how long to wait between two commits. Where nothing waits for them,
// many apps with large states would else do nothing but commit. What ended
// is counted at once, and belfry reconcile looks for its results.
func (t *tenure) commitPause() time.Duration {
	switch waits := t.unsealed() > 0; {
	case waits && t.reader.backlog != nil: // as reading does, for room in the outbox
		return 0
	case waits:
		return commitEvery
	}
	return min(max(commitEvery, commitShare*t.writer.took), commitSeldom)
}

// unsealed is how many results wait for a commit before they may be published:
// of those of drops, the commit makes them.
func (t *tenure) unsealed() int {
	return len(t.state.Outbox) + len(t.state.Drops) - len(t.publishing.handed)
}

// commit stores the state, and lets go what had to wait for that.
func (t *tenure) commit(ctx context.Context) error {
	now := time.Now()
	ctx, cancel := outlive(ctx, drainCommit)
	defer cancel()
	if err := t.store(ctx, t.state, now); err != nil {
		return err
	}
	t.cfg.Note("state.unstorable", nil)
	t.writer.dirty, t.writer.last = false, time.Now()
	t.writer.took = t.writer.last.Sub(now)
	t.writer.times.Add(t.writer.took)
	t.queueUnpublished()
	return nil
}

// store seals a state and stores it.
func (t *tenure) store(ctx context.Context, s *State, now time.Time) error {
	s.Seal(t.rules.App, t.cfg.Replica, now)
	data, err := t.writer.codec.Encode(s)
	if err != nil {
		return err
	}
	if err := t.writer.commit(ctx, data, s.token()); err != nil {
		return err
	}
	t.kept = Record{Data: data, Token: s.token(), Sequence: t.writer.sequence}
	return nil
}
