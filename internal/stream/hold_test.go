package stream

import (
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
