package stream

import (
	"os"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

func TestAHoldIsValidWhileNobodyElseCanHaveTheLease(t *testing.T) {
	now := time.Now()
	l := &Lease{times: quick()}
	for name, tt := range map[string]struct {
		good time.Time
		lose error
		want bool
	}{
		"renewed just now":               {now, nil, true},
		"silent for its patience":        {now.Add(-l.times.patience), nil, false},
		"taken by another, and just now": {now, ErrLeaseTaken, false},
		"promised to another":            {now, ErrLeaseHandover, true},
		"promised, and silent":           {now.Add(-l.times.patience), ErrLeaseHandover, false},
	} {
		h := newHold(l, leaseRecord{}, 1, tt.good)
		if tt.lose != nil && !h.lose(tt.lose, "b") {
			t.Fatal("it was lost before")
		}
		if got := h.valid(now); got != tt.want {
			t.Errorf("%s: valid is %t", name, got)
		}
	}
}

// An owner that was asked to give an app up, and hangs, keeps it no longer than its grace.
func TestAnAppThatWasPromisedIsFreeAfterTheGrace(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	a, b := provisioned(t, n.URL(), "a"), provisioned(t, n.URL(), "b")
	l, standby := a.Lease("school"), b.Lease("school")
	l.times, standby.times = quick(), quick()
	l.times.grace = 500 * time.Millisecond
	acquired(t, l)
	claimed := acquiring(t, standby)
	if !l.promise("b") {
		t.Fatal("it was not ours to give")
	}
	select {
	case <-claimed:
	case <-within(t, 10*time.Second).Done():
		t.Fatal("an owner that does not stop keeps the app")
	}
}

func TestALeaseIsHeldOnlyWhileItsHoldIsValid(t *testing.T) {
	l := &Lease{times: quick()}
	if l.Holds() {
		t.Error("one that was never acquired is held")
	}
	l.held = newHold(l, leaseRecord{}, 1, time.Now().Add(-2*l.times.patience)) // the process slept, and keep has not run yet
	if l.Holds() {
		t.Error("one that was silent for too long is held")
	}
	l.held = newHold(l, leaseRecord{}, 1, time.Now())
	if !l.Holds() {
		t.Error("one that was renewed just now is not held")
	}
}

// Its results make no app one whose lease was lost.
func TestAnAppWithResultsIsTakenOverAsSoonAsOthers(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	a, b := provisioned(t, n.URL(), "a"), provisioned(t, n.URL(), "b")
	ctx := within(t, 20*time.Second)
	l, standby := a.Lease("school"), b.Lease("school")
	l.times, standby.times = quick(), quick()
	standby.times.vanished = time.Hour
	acquired(t, l)
	if err := a.Publisher().Publish(ctx, bridge.Publication{ID: "1", Subject: ResultSubjects + "school.all.sent"}); err != nil {
		t.Fatal(err)
	}
	claimed := acquiring(t, standby)
	a.nc.Close()
	select {
	case <-claimed:
	case <-ctx.Done():
		t.Fatalf("nobody takes the app over: %q has vanished", standby.Vanished())
	}
}

// Of what cannot be read as a whole nothing is taken: it may name us, or say that nobody owns the app.
func TestALeaseThatCannotBeReadIsAnothers(t *testing.T) {
	t.Parallel()
	l := provisioned(t, startNATS(t).URL(), "a").Lease("school")
	if _, err := l.subject.put(within(t, 5*time.Second), []byte(`{"replica":"`+l.replica+`","released":true,"acquired":7}`), nil, 0); err != nil {
		t.Fatal(err)
	}
	s, err := l.look(within(t, 5*time.Second))
	if err != nil || s.record.Replica == l.replica || s.record.Released {
		t.Errorf("seen is %+v, %v", s, err)
	}
	w := watch{looked: time.Now()}
	if w.look(time.Now(), s, l.replica, l.times) {
		t.Error("it is claimed at once")
	}
}

// A write whose answer was lost is the holder's own, also at the end.
func TestAReleaseGoesOnFromARenewalWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	l := provisioned(t, startNATS(t).URL(), "a").Lease("school")
	ctx := within(t, 10*time.Second)
	if _, err := l.Acquire(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := l.subject.put(ctx, []byte(`{"replica":"a"}`), nil, l.current().sequence); err != nil {
		t.Fatal(err)
	}
	if err := l.Release(ctx); err != nil {
		t.Fatal(err)
	}
	if s, err := l.look(ctx); err != nil || !s.record.Released {
		t.Errorf("the next owner waits for its patience to be over: %+v, %v", s.record, err)
	}
}

func TestARenewalMakesAMissingStreamAnewAndTellsOfIt(t *testing.T) {
	t.Parallel()
	c := provisioned(t, startNATS(t).URL(), "a")
	l := c.Lease("school")
	acquired(t, l)
	h := l.current()
	close(h.stop)
	<-h.done
	ctx := within(t, 10*time.Second)
	c.deleteStream(t, DefaultStateStream)
	if ours, err := h.renew(ctx); !ours || err != nil {
		t.Errorf("renewed %t, %v", ours, err)
	}
	if s, err := l.look(ctx); err != nil || s.record.Replica != "a" || s.sequence != h.sequence {
		t.Errorf("stored is %+v, %v", s, err)
	}
	select {
	case <-l.Emptied():
	default:
		t.Error("the owner is not told that its state is gone")
	}
	h.stop = make(chan struct{}) // for the clean-up
}

// What NATS has lost may go back beyond handovers.
func TestALeaseThatHasGoneBackToAnEarlierOwnerIsRenewed(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	a := provisioned(t, n.URL(), "a")
	ctx := within(t, 30*time.Second)
	put := func(c *client, records ...string) {
		for _, r := range records {
			s, err := c.Lease("school").look(ctx)
			if err == nil {
				_, err = c.casSubject(LeaseSubjects+"school").put(ctx, []byte(r), nil, s.sequence)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	put(a, `{"replica":"a"}`)
	n.stop()
	old := t.TempDir()
	if err := os.CopyFS(old, os.DirFS(n.dir)); err != nil {
		t.Fatal(err)
	}
	n.start()
	c := provisioned(t, n.URL(), "c")
	put(c, `{"replica":"a","released":true}`, `{"replica":"b"}`, `{"replica":"b","released":true}`)
	l := c.Lease("school")
	acquired(t, l)
	h := l.current()
	close(h.stop)
	<-h.done
	for _, tt := range []struct {
		since []string // stored after the loss
		want  bool
	}{{nil, true}, {[]string{`{"replica":"d"}`}, false}} {
		n.stop()
		n.dir = t.TempDir()
		if err := os.CopyFS(n.dir, os.DirFS(old)); err != nil {
			t.Fatal(err)
		}
		n.start()
		put(provisioned(t, n.URL(), "d"), tt.since...)
		c.waitFor(t, "-nats.disconnected ")
		h.sequence = 10 // of a renewal that is lost
		if ours, err := h.renew(ctx); ours != tt.want || err != nil {
			t.Errorf("with %v stored since: renewed %t, %v", tt.since, ours, err)
		}
	}
	select {
	case <-l.Emptied():
	default:
		t.Error("the owner is not told that its state is gone")
	}
	h.stop = make(chan struct{}) // for the clean-up
}
