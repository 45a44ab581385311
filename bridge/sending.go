package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// start sends a digest. If the process dies
//   - before the commit has landed: nothing has left, and the stored state
//     still has the digest;
//   - after it: the next owner finds the broadcast as sending and holds it in
//     doubt, for it can't tell whether this line was reached.
func (t *tenure) start(ctx context.Context, d *Digest, reason string, now time.Time) error {
	b, body, err := t.state.Begin(t.rules.App, d, reason, now)
	t.touch()
	if err != nil {
		if t.planner.broken.Note(d, err) {
			t.log.Error("cannot send a digest; it is tried again when it has changed, or the rules have", "digest", d.Name(), "err", err,
				"remedy", "correct, replace or cancel the event, or mend the template")
		}
		return nil
	}
	if err := t.commit(ctx); err != nil {
		return err
	}
	t.log.Info("sends a broadcast", "broadcast", b.ID, "digest", d.Name(), "items", d.Count(), "why", reason)
	sendCtx, stop := context.WithCancel(ctx)
	t.stopSend = stop
	id := b.ID
	refused := false // written and read on the sending goroutine
	send := Send{ID: b.ID, Body: body, Deadline: b.Deadline, Host: t.state.Host, Permit: func() error {
		err := t.mayBegin()
		refused = err != nil
		return err
	}, Again: func() error {
		return t.Do(sendCtx, func(s *State, app *mapping.App, now time.Time) error { return s.Again(app, id, now) })
	}}
	provider := t.provider
	t.workers.Go(func() {
		defer stop()
		if now := time.Now(); !now.Before(send.Deadline) { // says nothing about the provider
			t.sent <- Outcome{Kind: NotSent, Message: "the state could only be stored after the send's deadline", At: now, CalledOff: true}
			return
		}
		o := provider.Send(sendCtx, send)
		o.CalledOff = o.Kind == NotSent && (refused || sendCtx.Err() != nil)
		t.sent <- o
	})
	return nil
}

// errLeaseOver keeps a send from beginning that slept past its lease: the
// next owner may have said already that it is in doubt.
var errLeaseOver = errors.New("the lease is over, another replica may own the app")

// mayBegin is asked by the provider right before the first byte, on its goroutine.
func (t *tenure) mayBegin() error {
	if !t.cfg.Lease.Holds() {
		return errLeaseOver
	}
	return nil
}

// settle commits an outcome at once: until then, a crash makes it in doubt.
func (t *tenure) settle(ctx context.Context, o Outcome) error {
	b := t.state.Sending
	t.stopSend = nil
	if o.SkewKnown {
		t.skew = o.Skew
	}
	t.state.Settle(t.rules.App, o, time.Now())
	t.touch()
	t.logOutcome(ctx, b, o)
	err := t.commit(ctx)
	if err != nil {
		t.logUnstored("the outcome of a broadcast could not be stored", b.ID, o)
	}
	return err
}

// logUnstored says what only this line will tell: it ends the doubt.
func (t *tenure) logUnstored(what, broadcast string, o Outcome) {
	remedy := fmt.Sprintf("if it is held in doubt: belfry resolve %s --not-sent", broadcast)
	switch o.Kind {
	case Accepted:
		remedy = fmt.Sprintf("if it is held in doubt: belfry resolve %s --sent", broadcast)
	case Doubtful:
		remedy = findOut(broadcast)
	}
	t.log.Error(what+"; its next owner will hold it in doubt",
		"broadcast", broadcast, "outcome", o.Kind, "message", o.Message, "provider_id", o.ProviderID, "remedy", remedy)
}

func findOut(broadcast string) string {
	return fmt.Sprintf("find out whether it was sent, then belfry resolve %s --sent, or --not-sent", broadcast)
}

// logOutcome says what a send came to, and what an operator can do about it.
func (t *tenure) logOutcome(ctx context.Context, b *Broadcast, o Outcome) {
	if o.CalledOff {
		t.log.Info("called a broadcast off before its first byte", "broadcast", b.ID, "why", o.Message)
		return
	}
	attrs := []any{"broadcast", b.ID, "digest", b.Digest.Name(),
		"http", o.HTTPStatus, "code", orZero(o.Code), "message", o.Message, "provider_id", o.ProviderID}
	level := slog.LevelWarn
	switch o.Kind {
	case Accepted, DryRun:
		level = slog.LevelInfo
	case NotSent, Throttled:
		if w := t.state.Backoff; w != nil {
			attrs = append(attrs, "again", w.Until.UTC().Format(time.RFC3339), "remedy", w.Remedy())
		}
	case Doubtful:
		if !slices.Contains(t.state.Held, b) {
			attrs = append(attrs, "counts_as", "sent: when_in_doubt is assume_sent")
			break
		}
		attrs = append(attrs, "remedy", findOut(b.ID))
	}
	t.log.Log(ctx, level, "broadcast "+string(o.Kind), attrs...)
	if n := len(t.state.Held); o.Kind == Doubtful && n >= MaxInDoubt {
		t.log.Error("too many broadcasts are in doubt: nothing more is sent until one is resolved", "in_doubt", n)
	}
}
