package bridge

import (
	"context"
	"time"
)

const (
	drainCommit  = 5 * time.Second
	drainPublish = 2 * time.Second
)

// outlive returns a context that ends a grace after its parent: what has
// begun when the app is given up gets the time to come to a known end.
func outlive(parent context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		timer := time.AfterFunc(grace, cancel)
		context.AfterFunc(ctx, func() { timer.Stop() })
	})
	return ctx, func() { stop(); cancel() }
}

// leave ends a tenure that can't go on: a send that has not begun is kept
// from beginning, and one that has is waited for, only to be logged.
func (t *tenure) leave(err error) error {
	if t.stopSend == nil {
		return err
	}
	t.stopSend()
	t.logUnstored("left the app while a broadcast was under way", t.state.Sending.ID, <-t.sent)
	return err
}

// drain leaves in good order: no more reading, the send under way to its end,
// a last commit, and what can be published in a moment.
func (t *tenure) drain(ctx context.Context) error {
	t.lastStatus = time.Time{}
	t.showStatus(time.Now()) // the last for some time: a broadcast may have just begun
	t.setRole(RoleDraining)
	t.reader.stop()
	if t.stopSend != nil {
		t.log.Info("waits for the broadcast under way", "broadcast", t.state.Sending.ID)
		if err := t.settle(ctx, <-t.sent); err != nil {
			return err
		}
	}
	// Also where nothing has changed: what is no state may be stored in its place,
	// and the next owner could not read it.
	if t.writer.dirty || t.cfg.Lease.Holds() {
		if err := t.commit(ctx); err != nil {
			return err
		}
	}
	return t.drainOutbox(ctx)
}

func (t *tenure) drainOutbox(ctx context.Context) error {
	deadline := time.NewTimer(drainPublish)
	defer deadline.Stop()
	for patient := true; patient && len(t.publishing.handed) > 0; {
		toResults, result := t.mayPublish()
		toDead, dead := t.publishing.deadLetters.offer()
		select {
		case toResults <- result:
			t.publishing.results.taken()
		case toDead <- dead:
			t.publishing.deadLetters.taken()
		case id := <-t.publishing.acks:
			t.acknowledged(id)
		case <-deadline.C:
			t.log.Info("leaves results for the next owner to publish", "results", len(t.publishing.handed))
			patient = false
		}
	}
	if !t.writer.dirty {
		return nil
	}
	return t.commit(ctx)
}
