package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
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
		t.broken[d.ID] = err.Error()
		t.log.Error("cannot send a digest; it waits for better rules until its items expire", "digest", d.ID, "err", err)
		return nil
	}
	if err := t.commit(ctx); err != nil {
		return err
	}
	t.log.Info("sends a broadcast", "broadcast", b.ID, "digest", nameOf(d.Audience, d.Template, d.Group), "items", d.Count(), "why", reason)
	sendCtx, stop := context.WithCancel(ctx)
	t.stopSend = stop
	refused := false // written and read on the sending goroutine
	send := Send{ID: b.ID, Body: body, Deadline: b.Deadline, Host: t.state.Host, Permit: func() error {
		err := t.mayBegin()
		refused = err != nil
		return err
	}}
	provider := t.provider
	t.workers.Add(1)
	go func() {
		defer t.workers.Done()
		defer stop()
		o := provider.Send(sendCtx, send)
		o.CalledOff = o.Kind == NotSent && (refused || sendCtx.Err() != nil)
		t.sent <- o
	}()
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
	level := slog.LevelInfo
	if o.Kind != Accepted && o.Kind != DryRun {
		level = slog.LevelWarn
	}
	attrs := []any{"broadcast", b.ID, "digest", nameOf(b.Digest.Audience, b.Digest.Template, b.Digest.Group),
		"http", o.HTTPStatus, "code", o.Code, "message", o.Message, "provider_id", o.ProviderID}
	if slices.Contains(t.state.Held, b) {
		attrs = append(attrs, "remedy", fmt.Sprintf("find out whether it was sent, then belfry resolve %s --sent, or --not-sent", b.ID))
		if n := len(t.state.Held); n >= MaxInDoubt {
			t.log.Error("too many broadcasts are in doubt: nothing more is sent until one is resolved", "in_doubt", n)
		}
	}
	if w := t.state.Backoff; w != nil && (o.Kind == NotSent || o.Kind == Throttled) {
		attrs = append(attrs, "again", w.Until.UTC().Format(time.RFC3339), "remedy", w.Remedy())
	}
	t.log.Log(ctx, level, "broadcast "+string(o.Kind), attrs...)
	err := t.commit(ctx)
	if err != nil {
		t.log.Error("the outcome of a broadcast could not be stored; its next owner will hold it in doubt",
			"broadcast", b.ID, "outcome", o.Kind, "message", o.Message, "provider_id", o.ProviderID)
	}
	return err
}
