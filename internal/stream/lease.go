package stream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Why a lease's lost channel was closed.
var (
	ErrLeaseTaken    = errors.New("another replica has taken the app over")
	ErrLeaseSilent   = errors.New("the lease could not be renewed in time")
	ErrLeaseHandover = errors.New("another replica was promised the app")
)

// Lease says whether this replica should own one app. It implements
// bridge.Lease. It is for liveness only: two replicas may both believe to
// own an app for a moment, and the compare-and-set of the state stops one.
//
// States: waiting (Acquire) -> held -> lost, by a refused or missing renewal
// -> or promised, when another replica asked for it (still renewed) -> either
// is left by Release, and then Acquire may be called again.
type Lease struct {
	app     string
	subject casSubject
	replica string
	name    string
	times   leaseTimes

	mu     sync.Mutex // guards what follows
	held   *hold      // nil: we don't hold it
	seen   sight      // the latest we know
	others bool       // have been seen with it since it was last acquired
	alone  bool       // none had been when it was

	waiting atomic.Bool   // in Acquire
	emptied chan struct{} // capacity 1: the stream was lost while we held the lease
}

// Lease returns the lease of one app, not spread over replicas; see Leases.
func (j *JetStream) Lease(app string) *Lease {
	return &Lease{
		app:     app,
		subject: j.casSubject(LeaseSubjects + app),
		replica: j.cfg.Replica,
		name:    j.cfg.Name,
		times:   productionTimes(),
		emptied: make(chan struct{}, 1),
	}
}

// Acquire waits until this replica may claim the app, and then renews the
// lease until Release is called, also after ctx has ended. lost is closed
// when the app must be stopped: it was lost, or must be given up and is still
// ours until Release.
//
// Dying while holding the lease leaves a record that nobody renews: a standby
// claims it after 3 s, and one that has just started, or could not look, after 6 s.
func (l *Lease) Acquire(ctx context.Context) (lost <-chan struct{}, err error) {
	if h := l.current(); h != nil && h.reason() == nil {
		return nil, fmt.Errorf("cannot acquire the lease of %s: it was not released", l.app)
	}
	_ = l.Release(ctx) // what is left of a lost one
	l.waiting.Store(true)
	defer l.waiting.Store(false)
	var w watch
	for {
		h, err := l.try(ctx, &w)
		l.report(err)
		if h != nil {
			l.mu.Lock()
			l.alone, l.others = !l.others, false
			l.mu.Unlock()
			return h.lost, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("cannot acquire the lease of %s: %w", l.app, ctx.Err())
		case <-time.After(l.times.poll):
		}
	}
}

// try looks once, and claims the lease if that is due. A conflict, or an
// answer that got lost, needs no care: the next look shows who has it.
func (l *Lease) try(ctx context.Context, w *watch) (*hold, error) {
	ctx, cancel := context.WithTimeout(ctx, l.times.patience/3) // an answer that was lost must not delay a takeover
	defer cancel()
	s, err := l.look(ctx)
	if err == nil && s.sequence == 0 && s.vanished == "" {
		s, err = l.first(ctx, s)
	}
	if err != nil {
		return nil, err
	}
	switch claim := w.look(time.Now(), s, l.replica, l.times); {
	case !claim && s.lost:
		return nil, fmt.Errorf("stream %s has lost what it had of %s, or the latest of it: the app is left to replica %s, which may have the state in memory, for up to %s",
			l.subject.js.cfg.StateStream, l.app, s.vanished, l.times.vanished)
	case !claim:
		return nil, nil
	}
	h, err := l.claim(ctx, s)
	if isConflict(err) {
		return nil, nil
	}
	return h, err
}

// first tells a lease that never was from one that was lost before we began:
// an app that has results had a lease.
func (l *Lease) first(ctx context.Context, s sight) (sight, error) {
	latest, err := l.subject.js.Publisher().Latest(ctx, l.app)
	if err != nil || latest.At.IsZero() {
		return s, err
	}
	s.vanished, s.lost = "unknown", true
	return l.note(s), nil
}

func (l *Lease) claim(ctx context.Context, s sight) (*hold, error) {
	began := time.Now()
	record := leaseRecord{Replica: l.replica, Name: l.name, Acquired: began.UTC()}
	sequence, err := l.write(ctx, record, s.sequence)
	if err != nil {
		return nil, err
	}
	h := newHold(l, record, sequence, began)
	h.before = s.stored
	l.mu.Lock()
	l.held = h
	l.mu.Unlock()
	go h.keep(context.WithoutCancel(ctx))
	return h, nil
}

// Release gives the lease up, so that another replica takes over at once. It
// does nothing if the lease is not ours. Dying in it is like dying before it.
func (l *Lease) Release(ctx context.Context) error {
	l.mu.Lock()
	h := l.held
	l.held = nil
	l.mu.Unlock()
	if h == nil {
		return nil
	}
	return h.release(ctx)
}

// Holds reports whether the lease is ours at this very moment, also in a
// process that has just gone on after a suspension, and also if it is promised.
func (l *Lease) Holds() bool {
	h := l.current()
	return h != nil && h.valid(time.Now())
}

// Emptied tells the holder that the stream has lost what it had, or the latest
// of it, and so perhaps of the app's state; the lease has been written again.
func (l *Lease) Emptied() <-chan struct{} { return l.emptied }

// Alone reports whether no other replica had the lease, as far as we saw, between
// the last two times that it was acquired: a claim replaces nothing unseen.
func (l *Lease) Alone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.alone
}

// Vanished names the replica, as in Config.Replica, whose lease was the last
// to vanish before our eyes, "unknown" if the lease did before we saw it;
// empty: none has.
func (l *Lease) Vanished() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen.vanished
}

func (l *Lease) current() *hold {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held
}

func (l *Lease) look(ctx context.Context) (sight, error) {
	msg, err := l.subject.get(ctx)
	if isMissing(err) { // it was there when we began
		l.note(sight{vanished: "unknown", lost: true})
	}
	if err != nil {
		return sight{}, err
	}
	var s sight
	if msg != nil {
		s.sequence, s.stored = msg.Sequence, msg.Time
		if err := json.Unmarshal(msg.Data, &s.record); err != nil {
			// Not ours, or of a later version: alive as long as it changes.
			s.record = leaseRecord{Replica: "unreadable"}
		}
	}
	return l.note(s), nil
}

// note keeps what was seen, and from whom something has vanished by now: a
// stream's sequences never go back, except when it is made anew or has lost
// writes, as at a power loss.
func (l *Lease) note(s sight) sight {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case s.sequence < l.seen.sequence && l.seen.lost: // once more: nobody has had what came back the first time
		s.vanished, s.lost = l.seen.vanished, true
	case s.sequence < l.seen.sequence:
		s.vanished, s.lost = cmp.Or(l.seen.record.Replica, "unknown"), true
	case l.seen.vanished != "":
		s.vanished = l.seen.vanished
		s.lost = l.seen.lost && s.sequence == l.seen.sequence
	}
	if s.sequence > 0 && !s.lost && s.record.Replica != l.replica { // what came back from before our own is not news
		l.others = true
	}
	l.seen = s
	return s
}

func (l *Lease) write(ctx context.Context, record leaseRecord, expect uint64) (uint64, error) {
	data, err := json.Marshal(record)
	if err != nil {
		return 0, err
	}
	sequence, err := l.subject.put(ctx, data, nil, expect)
	if err == nil {
		l.note(sight{sequence: sequence, record: record})
	}
	return sequence, err
}

func (l *Lease) report(err error) {
	conditions := l.subject.js.cfg.Conditions
	if err == nil {
		conditions.Clear(LeaseUnavailable, l.app)
		return
	}
	if !errors.Is(err, context.Canceled) {
		conditions.Set(LeaseUnavailable, l.app, err.Error())
	}
}

// Ownership says who owns an app, as far as this replica knows.
type Ownership struct {
	App     string
	Replica string // empty: nobody
	Name    string
	Mine    bool
	Leaving bool // mine, promised to another replica
}

// Owner says who owns the app, as of the latest look, at most a second ago
// while NATS is well.
func (l *Lease) Owner() Ownership {
	l.mu.Lock()
	seen, h := l.seen, l.held
	l.mu.Unlock()
	o := Ownership{App: l.app}
	if left := h == nil && seen.record.Replica == l.replica; left || seen.sequence == 0 || seen.record.Released {
		return o
	}
	o.Replica, o.Name = seen.record.Replica, seen.record.Name
	o.Mine = h != nil && seen.record.Replica == l.replica
	o.Leaving = o.Mine && errors.Is(h.reason(), ErrLeaseHandover)
	return o
}

// promise tells the app's loop to stop, for another replica to have the app;
// false: it is not ours to give, or promised already.
func (l *Lease) promise(replica string) bool {
	h := l.current()
	return h != nil && h.lose(ErrLeaseHandover, replica)
}
