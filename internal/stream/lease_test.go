package stream

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

// acquired acquires or fails.
func acquired(t *testing.T, l *Lease) <-chan struct{} {
	t.Helper()
	lost, err := l.Acquire(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Release(within(t, time.Second)) })
	return lost
}

// acquiring acquires in the background and says when it has.
func acquiring(t *testing.T, l *Lease) <-chan time.Time {
	t.Helper()
	done := make(chan time.Time, 1)
	ctx, cancel := context.WithCancel(within(t, 20*time.Second))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if _, err := l.Acquire(ctx); err == nil {
			done <- time.Now()
		}
	}()
	t.Cleanup(func() { cancel(); <-ended; _ = l.Release(within(t, time.Second)) })
	return done
}

func closed(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-within(t, 20*time.Second).Done():
		t.Fatal(what)
	}
}

// In real time, which is shown and not judged: how long a look takes is the
// machine's affair. What is decided after how many looks is judged by
// TestAStandbyClaimsALease, and that it adds up by the next test.
func TestStandbyTakesOverAfterAReleaseAndAfterACrash(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	a, b := provisioned(t, n.URL(), "a"), provisioned(t, n.URL(), "b")
	left, crashed := a.Lease("left"), a.Lease("crashed")
	acquired(t, left)
	acquired(t, crashed)
	afterRelease, afterCrash := acquiring(t, b.Lease("left")), acquiring(t, b.Lease("crashed"))

	began := time.Now()
	if err := left.Release(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Logf("after a release it took %v", (<-afterRelease).Sub(began))
	began = time.Now()
	a.nc.Close() // nothing is renewed or released any more
	t.Logf("after a crash it took %v", (<-afterCrash).Sub(began))
}

func TestTakeoverAddsUpToUnderOneSecondAfterAReleaseAndUnderFourAfterACrash(t *testing.T) {
	t.Parallel()
	p := productionTimes()
	const answers = 200 * time.Millisecond // of a server that is well, for all that is asked
	if worst := p.poll + answers; worst >= time.Second {
		t.Errorf("after a release: %v", worst)
	}
	// The last renewal may be seen a poll late, and its 3 s noticed a poll late.
	if worst := p.poll + p.patience + p.poll + answers; worst >= 4*time.Second {
		t.Errorf("after a crash: %v", worst)
	}
	if 2*p.renew >= p.patience {
		t.Error("one lost renewal already ends a lease")
	}
}

func TestHolderLosesALeaseThatAnotherReplicaHasClaimed(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	one, two := provisioned(t, n.URL(), "a"), provisioned(t, n.URL(), "b")
	l := one.Lease("school")
	l.times = quick()
	lost := acquired(t, l)
	thief := two.Lease("school")
	for {
		s, err := thief.look(within(t, time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = thief.write(within(t, time.Second), leaseRecord{Replica: "b"}, s.sequence); err == nil {
			break
		}
		if !isConflict(err) { // the holder renewed between the two
			t.Fatal(err)
		}
	}
	closed(t, "the lease is still believed to be held", lost)
	if !errors.Is(l.current().reason(), ErrLeaseTaken) {
		t.Errorf("why: %v", l.current().reason())
	}
	if err := l.Release(within(t, time.Second)); err != nil {
		t.Fatal(err)
	}
	if s, err := thief.look(within(t, time.Second)); err != nil || s.record.Replica != "b" || s.record.Released {
		t.Errorf("the other's lease was touched: %+v, %v", s, err)
	}
}

func TestHolderLosesALeaseThatItCannotRenewAndGetsItBackLater(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	c := provisioned(t, n.URL(), "a")
	l := c.Lease("school")
	l.times = quick()
	lost := acquired(t, l)
	n.stop()
	closed(t, "the lease is still believed to be held", lost)
	if !errors.Is(l.current().reason(), ErrLeaseSilent) {
		t.Errorf("why: %v", l.current().reason())
	}
	c.waitFor(t, "+lease.unavailable school")
	n.start()
	acquired(t, l)
	c.waitFor(t, "-lease.unavailable school")
}

// What a process does that was suspended: its clock has jumped when it looks.
func TestHolderThatSleptForThreeSecondsLosesItsLeaseBeforeItWrites(t *testing.T) {
	t.Parallel()
	c := provisioned(t, startNATS(t).URL(), "a")
	l := c.Lease("school")
	acquired(t, l)
	h := l.current()
	if !l.Holds() {
		t.Error("a lease that was just claimed is not held")
	}
	close(h.stop)
	<-h.done
	for ago, want := range map[time.Duration]bool{2900 * time.Millisecond: true, 3 * time.Second: false, time.Hour: false} {
		if h.good = time.Now(); h.valid(h.good.Add(ago)) != want {
			t.Errorf("%s after the renewal the lease is held: %v, want %v", ago, !want, want)
		}
	}
	before := h.sequence
	_, err := h.renewSince(within(t, time.Second), time.Now().Add(-3*time.Second))
	if !errors.Is(err, ErrLeaseSilent) || h.sequence != before {
		t.Errorf("renewed after a sleep: %v, sequence %d after %d", err, h.sequence, before)
	}
	h.stop = make(chan struct{}) // for the clean-up
}

func TestRenewalWhoseAnswerWasLostIsRecognised(t *testing.T) {
	t.Parallel()
	c := provisioned(t, startNATS(t).URL(), "a")
	l := c.Lease("school")
	l.times = quick()
	lost := acquired(t, l)
	h := l.current()
	ctx := within(t, 10*time.Second)
	for { // as if a renewal had landed without us knowing
		s, err := l.look(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.subject.put(ctx, []byte(`{"replica":"a"}`), nil, s.sequence); err == nil {
			break
		}
	}
	seen, _ := l.look(ctx)
	for next := seen; next.sequence <= seen.sequence; next, _ = l.look(ctx) {
		select {
		case <-lost:
			t.Fatalf("lost: %v", h.reason())
		case <-ctx.Done():
			t.Fatal("not renewed any more")
		default:
		}
	}
}

func TestLeaseSurvivesAnEmptyNATS(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	c := provisioned(t, n.URL(), "a")
	l := c.Lease("school")
	l.times = quick()
	l.times.patience = 15 * time.Second
	acquired(t, l)
	s := c.Store("school")
	ctx := within(t, 20*time.Second)
	if _, err := s.Put(ctx, []byte("one"), "a/1/1", 0); err != nil {
		t.Fatal(err)
	}
	n.stop()
	n.dir = t.TempDir()
	n.start()
	for { // the streams come back by being looked for
		r, err := s.Get(ctx)
		if err == nil && r.Sequence == 0 {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Put(ctx, []byte("one"), "a/1/1", 0); err != nil {
		t.Error(err)
	}
	for o := l.Owner(); !o.Mine; o = l.Owner() {
		if ctx.Err() != nil {
			t.Fatalf("the lease did not come back: %+v, %v", o, l.current().reason())
		}
	}
}

func TestStandbyLeavesWhatVanishedToItsOwner(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	a, b := provisioned(t, n.URL(), "a"), provisioned(t, n.URL(), "b")
	l, standby := a.Lease("school"), b.Lease("school")
	l.times, standby.times = quick(), quick()
	lost := acquired(t, l)
	claimed := acquiring(t, standby)
	ctx := within(t, 20*time.Second)
	for standby.Owner().Replica != "a" {
		if ctx.Err() != nil {
			t.Fatal("the standby does not see the owner")
		}
	}
	a.deleteStream(t, DefaultStateStream)
	closed(t, "the owner is not told that its state is gone", l.Emptied())
	select {
	case <-lost:
		t.Fatalf("the owner lost what was its own: %v", l.current().reason())
	case <-claimed:
		t.Fatal("the standby has claimed the app before its owner could store its state again")
	default:
	}

	a.nc.Close()
	b.deleteStream(t, DefaultStateStream)
	b.waitFor(t, "+lease.unavailable school")
	select {
	case <-claimed:
	case <-ctx.Done():
		t.Fatal("an app whose owner has died with it stays without one")
	}
	b.waitFor(t, "-lease.unavailable school")
	if got := standby.Vanished(); got != "a" {
		t.Errorf("the state vanished from %q, want a", got)
	}
}

func TestReplicaThatSawNoLeaseBeforeTheStreamVanishedWaitsAsWell(t *testing.T) {
	t.Parallel()
	c := provisioned(t, startNATS(t).URL(), "a")
	l := c.Lease("school")
	ctx := within(t, 20*time.Second)
	c.deleteStream(t, DefaultStateStream)
	if _, err := l.look(ctx); !isMissing(err) {
		t.Fatalf("looked at a stream that is gone: %v", err)
	}
	var w watch
	s, err := l.look(ctx) // the first look has made the stream again
	if err != nil || s.sequence != 0 || s.vanished != "unknown" {
		t.Fatalf("%+v, %v", s, err)
	}
	if w.look(time.Now(), s, "a", l.times) {
		t.Error("claimed at once; an owner that is well may be about to write its lease again")
	}
}

// Its owner is about to write both again, and is not known to a replica that
// has just started: the app's results are.
func TestReplicaThatStartsRightAfterTheStreamWasMadeAnewWaitsAsWell(t *testing.T) {
	t.Parallel()
	c := provisioned(t, startNATS(t).URL(), "a")
	ctx := within(t, 20*time.Second)
	if err := c.Publisher().Publish(ctx, bridge.Publication{ID: "1", Subject: ResultSubjects + "school.all.sent"}); err != nil {
		t.Fatal(err)
	}
	known, fresh := c.Lease("school"), c.Lease("college")
	for range 2 {
		var w watch
		if h, err := known.try(ctx, &w); h != nil || err == nil || known.Vanished() != "unknown" {
			t.Fatalf("claimed an app that has results and no lease: %v, %v, vanished from %q", h, err, known.Vanished())
		}
	}
	acquired(t, fresh)
	if got := fresh.Vanished(); got != "" {
		t.Errorf("an app without results has vanished from %q", got)
	}
	if _, err := known.write(ctx, leaseRecord{Replica: "b"}, 0); err != nil {
		t.Fatal(err)
	}
	if s, err := known.look(ctx); err != nil || s.lost {
		t.Errorf("its owner has written, and it still counts as lost: %+v, %v", s, err)
	}
}

func TestALeaseKnowsWhetherAnotherReplicaHasHadItSince(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	a, b := provisioned(t, n.URL(), "a"), provisioned(t, n.URL(), "b")
	l, other := a.Lease("school"), b.Lease("school")
	l.times, other.times = quick(), quick()
	ctx := within(t, 20*time.Second)
	turn := func(l *Lease, alone bool) {
		t.Helper()
		if _, err := l.Acquire(ctx); err != nil {
			t.Fatal(err)
		}
		if l.Alone() != alone {
			t.Errorf("alone since the last time: %v, want %v", l.Alone(), alone)
		}
		if err := l.Release(ctx); err != nil {
			t.Fatal(err)
		}
	}
	turn(l, true)
	turn(l, true)
	turn(other, false)
	turn(l, false)
	turn(l, true)
	a.deleteStream(t, DefaultStateStream)
	turn(l, true)
}

func TestLeaseThatVanishedIsNotReleased(t *testing.T) {
	t.Parallel()
	c := provisioned(t, startNATS(t).URL(), "a")
	l := c.Lease("school")
	ctx := within(t, 20*time.Second)
	if _, err := l.Acquire(ctx); err != nil {
		t.Fatal(err)
	}
	c.deleteStream(t, DefaultStateStream)
	c.recreate(ctx, stateStream(c.cfg))
	if err := l.Release(ctx); err != nil {
		t.Fatal(err)
	}
	if msg, err := l.subject.get(ctx); err != nil || msg != nil {
		t.Errorf("an empty stream has the lease %+v (%v): a standby would begin at once, with nothing", msg, err)
	}
}

// The state has gone back as well, and the owner, whose lease is over, has it in memory.
func TestALeaseThatHasGoneBackIsReleasedToItsOwnerFirst(t *testing.T) {
	t.Parallel()
	c := provisioned(t, startNATS(t).URL(), "a")
	l := c.Lease("school")
	ctx := within(t, 20*time.Second)
	if _, err := l.subject.put(ctx, []byte(`{"replica":"a"}`), nil, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Acquire(ctx); err != nil {
		t.Fatal(err)
	}
	h := l.current()
	close(h.stop) // nothing is renewed any more
	<-h.done
	h.stop = make(chan struct{})
	c.deleteStream(t, DefaultStateStream)
	c.recreate(ctx, stateStream(c.cfg))
	if _, err := l.subject.put(ctx, []byte(`{"replica":"`+l.replica+`"}`), nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := l.Release(ctx); err != nil {
		t.Fatal(err)
	}
	s, err := c.Lease("school").look(ctx)
	if err != nil || !s.record.Released {
		t.Fatalf("it is not released: %+v, %v", s, err)
	}
	var own, other watch
	if other.look(time.Now(), s, "b", l.times) {
		t.Error("another replica claims the app at once, with what NATS has left of its state")
	}
	if !own.look(time.Now(), s, l.replica, l.times) {
		t.Error("its owner does not")
	}
}

func TestStandbyNoticesAStreamThatWasMadeAnewBetweenTwoLooks(t *testing.T) {
	t.Parallel()
	l := &Lease{replica: "b"}
	l.note(sight{sequence: 70, record: leaseRecord{Replica: "a"}})
	l.note(sight{sequence: 71, record: leaseRecord{Replica: "a"}})
	if l.Vanished() != "" {
		t.Error("a renewal is taken for a loss")
	}
	l.note(sight{sequence: 1, record: leaseRecord{Replica: "c"}})
	if l.Vanished() != "a" || l.seen.lost != true {
		t.Errorf("vanished from %q, want a: %+v", l.Vanished(), l.seen)
	}
	if l.note(sight{sequence: 1, record: leaseRecord{Replica: "c"}}).lost != true {
		t.Error("the loss is forgotten before anybody has written")
	}
	if l.note(sight{sequence: 2, record: leaseRecord{Replica: "c"}}).lost {
		t.Error("somebody has written, and it still counts as lost")
	}
}

// What comes back first may be of an earlier owner, who has nothing in memory.
func TestALeaseThatIsLostTwiceIsLeftToItsLastOwner(t *testing.T) {
	t.Parallel()
	l := &Lease{replica: "b"}
	l.note(sight{sequence: 70, record: leaseRecord{Replica: "a"}})
	l.note(sight{sequence: 80, record: leaseRecord{Replica: "b"}})
	l.note(sight{sequence: 69, record: leaseRecord{Replica: "a"}})
	if s := l.note(sight{}); !s.lost || s.vanished != "b" {
		t.Errorf("after the second loss: %+v, want it left to b", s)
	}
	l.note(sight{sequence: 1, record: leaseRecord{Replica: "c"}})
	if s := l.note(sight{}); !s.lost || s.vanished != "c" {
		t.Errorf("after another owner: %+v, want it left to c", s)
	}
}

func TestPromisedLeaseIsKeptUntilItIsReleasedAndThenWaitsForTheOther(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	l := provisioned(t, n.URL(), "a").Lease("school")
	l.times = quick()
	lost := acquired(t, l)
	if !l.promise("b") || l.promise("c") {
		t.Error("want one promise to be possible")
	}
	closed(t, "the loop is not told to stop", lost)
	if !errors.Is(l.current().reason(), ErrLeaseHandover) || !l.Owner().Leaving {
		t.Errorf("why %v, owner %+v", l.current().reason(), l.Owner())
	}
	ctx := within(t, 10*time.Second)
	before, err := l.look(ctx)
	for now := before; now.sequence == before.sequence; now, err = l.look(ctx) {
		if err != nil {
			t.Fatal("not renewed any more", err)
		}
	}
	if err := l.Release(ctx); err != nil {
		t.Fatal(err)
	}
	s, err := l.look(ctx)
	if err != nil || !s.record.Released || s.record.HandoverTo != "b" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestLeaseIsAcquiredOnceAtATime(t *testing.T) {
	t.Parallel()
	l := provisioned(t, startNATS(t).URL(), "a").Lease("school")
	acquired(t, l)
	if _, err := l.Acquire(within(t, time.Second)); err == nil {
		t.Error("acquired twice")
	}
}

// As where an acknowledgement was stored in its place: nobody knows whose it was.
func TestALeaseThatNamesNobodyVanishesAsWell(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	js := provisioned(t, n.URL(), "a")
	l, ctx := js.Lease("school"), within(t, 20*time.Second)
	if _, err := js.js.Publish(ctx, LeaseSubjects+"school", []byte(`{"stream":"SCHOOL","seq":1}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.look(ctx); err != nil {
		t.Fatal(err)
	}
	if err := js.js.DeleteStream(ctx, DefaultStateStream); err != nil {
		t.Fatal(err)
	}
	_, _ = l.look(ctx) // makes the stream anew
	if s, err := l.look(ctx); err != nil || !s.lost || l.Vanished() != "unknown" {
		t.Errorf("after the loss: %+v, %v; vanished %q", s, err, l.Vanished())
	}
}
