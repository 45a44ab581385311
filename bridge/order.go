package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// order is something that an operator wants done to the state.
type order struct {
	do   func(*State, *mapping.App, time.Time) error
	done chan error // capacity 1
}

// ErrNotOwner is returned by Do on a replica that stands by.
var ErrNotOwner = errors.New("this replica does not own the app")

// Do changes the state on an operator's word. It returns nil when the change
// is committed, and ErrNotOwner where another replica owns the app.
func (b *Bridge) Do(ctx context.Context, do func(*State, *mapping.App, time.Time) error) error {
	if b.status.Load().Role != RoleOwner {
		return ErrNotOwner
	}
	o := order{do: do, done: make(chan error, 1)}
	select {
	case b.orders <- o:
	case <-ctx.Done():
		return fmt.Errorf("cannot reach the app %s: %w", b.name, ctx.Err())
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("cannot tell whether the order to the app %s was carried out: %w", b.name, ctx.Err())
	}
}

func (t *tenure) obey(ctx context.Context, o order) error {
	now := time.Now()
	t.noteClock(now) // a step of before the order is not one after it
	if err := o.do(t.state, t.rules.App, now); err != nil {
		o.done <- err
		return nil //nolint:nilerr // the refusal is the operator's to read; the tenure goes on
	}
	t.callOff()
	t.touch()
	err := t.commit(ctx)
	if err == nil { // who gave it may look at once
		now = time.Now()
		t.expire(now)
		t.planner.plan, t.lastStatus = Decide(t.situation(now)), time.Time{}
		t.showStatus(now)
	}
	o.done <- err
	return err
}

// callOff keeps a send under way from beginning when an operator has just
// paused the app, or muted the digest. Once its first byte has left it goes on.
func (t *tenure) callOff() {
	b := t.state.Sending
	if b == nil || t.stopSend == nil {
		return
	}
	if _, muted := t.state.MutedUntil(b.Digest, time.Now()); muted || t.state.Paused != nil {
		t.stopSend()
	}
}
