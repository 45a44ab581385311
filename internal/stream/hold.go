package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// hold is one stretch of owning an app, from claim to release.
type hold struct {
	lease  *Lease
	before time.Time     // when NATS stored what our claim has replaced; zero: it replaced nothing
	lost   chan struct{} // closed once, with why set
	stop   chan struct{} // closed by release
	done   chan struct{} // closed when keep has returned

	// Owned by keep until done is closed, then by release.
	record   leaseRecord
	sequence uint64
	emptied  bool // the stream has lost writes, and nobody has been told yet

	mu         sync.Mutex // guards what follows
	why        error
	promisedTo string
	good       time.Time // when the latest good renewal began
}

func newHold(l *Lease, record leaseRecord, sequence uint64, good time.Time) *hold {
	return &hold{
		lease: l, record: record, sequence: sequence, good: good,
		lost: make(chan struct{}), stop: make(chan struct{}), done: make(chan struct{}),
	}
}

// keep renews the lease until release, or until it is lost. A lease that was
// promised to another replica is kept on, so that the last commit is made in
// peace, but no longer than the grace: a loop that hangs must not keep the app.
func (h *hold) keep(ctx context.Context) {
	defer close(h.done)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tick := time.NewTicker(h.lease.times.renew)
	defer tick.Stop()
	promised := h.lost
	var grace <-chan time.Time
	for {
		select {
		case <-h.stop:
			return
		case <-grace:
			return
		case <-promised:
			promised, grace = nil, time.After(h.lease.times.grace)
			continue
		case <-tick.C:
		}
		good, err := h.renewSince(ctx, h.good) // which nobody else writes
		if err != nil {
			if h.lose(err, "") {
				h.lease.subject.js.cfg.Logger.Warn("lost the lease; leaves the app", "app", h.lease.app, "why", err)
			}
			good = time.Time{} // also of a lease that was promised before
		}
		h.mu.Lock()
		h.good = good
		h.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// valid reports whether nobody else can have claimed the lease yet; one that was
// promised is ours until it is released. It looks at the clock itself: after a
// suspension it may be asked before keep runs.
func (h *hold) valid(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return (h.why == nil || errors.Is(h.why, ErrLeaseHandover)) && silence(h.good, now) < h.lease.times.patience
}

// renewSince renews once and returns when the latest good renewal began. An
// error means that the lease is lost.
//
// The silence is looked at before, for this process may just have woken up
// from a long sleep, and after, for the try itself may have taken long.
func (h *hold) renewSince(ctx context.Context, good time.Time) (time.Time, error) {
	if silence(good, time.Now()) >= h.lease.times.patience {
		return good, ErrLeaseSilent
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, h.lease.times.patience/3)
	defer cancel()
	ours, err := h.renew(ctx)
	h.lease.report(err)
	switch {
	case !ours:
		return good, ErrLeaseTaken
	case err == nil:
		return began, nil
	case silence(good, time.Now()) >= h.lease.times.patience:
		return good, ErrLeaseSilent
	}
	return good, nil
}

// renew tries until the renewal is stored, in three steps at most: into a
// stream that is missing (it is made again by looking), into one that is new
// and empty, and then for good. After every failure the leader says who has
// the subject: it may be an earlier try of ours whose answer was lost.
func (h *hold) renew(ctx context.Context) (ours bool, err error) {
	for range 3 {
		var sequence uint64
		if sequence, err = h.lease.write(ctx, h.record, h.sequence); err == nil {
			h.sequence = sequence
			h.tellEmptied()
			return true, nil
		}
		s, lookErr := h.lease.look(ctx)
		switch {
		case isMissing(lookErr):
			continue
		case lookErr != nil:
			return true, fmt.Errorf("%w; %w", err, lookErr)
		case !h.owns(s):
			return false, nil
		}
		h.emptied = h.emptied || s.sequence < h.sequence
		h.sequence = s.sequence
	}
	return true, err
}

// tellEmptied says that whatever the stream had is to be written again.
func (h *hold) tellEmptied() {
	if !h.emptied {
		return
	}
	h.emptied = false
	select {
	case h.lease.emptied <- struct{}{}:
	default: // it is known already
	}
}

// owns reports whether nobody else has written what was seen since our claim. A
// stream that has lost our renewals may have what we replaced again, or what was before that.
func (h *hold) owns(s sight) bool {
	ours := s.record.Replica == h.record.Replica && !s.record.Released
	back := s.sequence < h.sequence && !s.stored.After(h.before)
	return s.sequence == 0 || ours || back
}

// release writes that nobody owns the app. A refusal is ours to repeat only
// if the lease still is. A lease that has vanished is not written again: who
// finds one that was released claims the app at once, and the state is gone. One
// that has gone back is left to ourselves first: the state may be in our memory.
func (h *hold) release(ctx context.Context) error {
	close(h.stop)
	<-h.done
	if h.sequence == 0 {
		return nil
	}
	h.record.Released, h.record.HandoverTo = true, h.promise()
	var err error
	for range 3 {
		_, err = h.lease.write(ctx, h.record, h.sequence)
		if err == nil || ctx.Err() != nil {
			return err
		}
		s, lookErr := h.lease.look(ctx)
		if lookErr != nil {
			continue
		}
		if s.sequence == 0 || !h.owns(s) {
			return nil
		}
		if s.sequence < h.sequence {
			h.record.HandoverTo = h.record.Replica
		}
		h.sequence = s.sequence
	}
	return err
}

// lose closes the lost channel; the first reason stays.
func (h *hold) lose(why error, promisedTo string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.why != nil {
		return false
	}
	h.why, h.promisedTo = why, promisedTo
	close(h.lost)
	return true
}

func (h *hold) reason() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.why
}

func (h *hold) promise() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.promisedTo
}
