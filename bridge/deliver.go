package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// publisher publishes the entries of one outlet, each until it is acknowledged, on
// a goroutine of its own. If the process dies here, the next owner finds the entry
// in the outbox and publishes it again under the same id.
type publisher struct {
	cfg     *Config
	log     *slog.Logger
	trouble string
	entries <-chan OutboxEntry
	acks    chan<- string
	heldUp  *atomic.Bool // the app waits for its publishers
	unread  time.Time    // since when events of dead letters can't be fetched
}

func (p *publisher) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-p.entries:
			if p.deliver(ctx, e) != nil {
				return
			}
		}
	}
}

// errUnread: the event of a dead letter can't be fetched from its stream now.
var errUnread = errors.New("its stream does not give the event")

// Where dead letters hold the app up, its sends matter more than their bytes.
const unreadPatience = time.Minute

const (
	leftTooLarge = "with them the dead letter would be too large for its stream; the event's own stream has them"
	leftUnread   = "the event's own stream could not be read when the app was held up by its dead letters; it may have them"
)

// deliver goes on until the entry is stored.
func (p *publisher) deliver(ctx context.Context, e OutboxEntry) error {
	pace := newPace()
	left := "" // why it goes without what can be read elsewhere; empty: it is whole
	for {
		err := p.publish(ctx, e, left)
		if err == nil || ctx.Err() == nil { // else it was ended with the tenure
			p.cfg.Note(p.trouble, err)
		}
		switch {
		case !errors.Is(err, errUnread):
			if !p.heldUp.Load() {
				p.unread = time.Time{}
			}
		case p.unread.IsZero():
			p.unread = time.Now()
		case p.heldUp.Load() && time.Since(p.unread) >= unreadPatience:
			p.log.Warn("a dead letter is published without the event's bytes, for it holds the app up", "id", e.ID, "err", err)
			left = leftUnread
			continue
		}
		if err == nil {
			select {
			case p.acks <- e.ID:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if errors.Is(err, ErrPermanent) && left == "" {
			p.log.Warn("a result is too large for its stream and is published without what can be read elsewhere", "id", e.ID, "err", err)
			left = leftTooLarge // everything behind it waits: it must not be tried as it is for ever
			continue
		}
		if wait(ctx, pace) != nil {
			return err
		}
	}
}

func (p *publisher) publish(ctx context.Context, e OutboxEntry, left string) error {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	message, err := p.publication(ctx, e, left)
	if err != nil {
		return err
	}
	if err := p.cfg.Publisher.Publish(ctx, message); err != nil {
		return fmt.Errorf("cannot publish %s to %s: %w", message.ID, message.Subject, err)
	}
	return nil
}

// publication is the entry as subscribers get it: whole, or, with a reason,
// without the ids of a result's events and the bytes of a dead letter.
func (p *publisher) publication(ctx context.Context, e OutboxEntry, left string) (Publication, error) {
	switch {
	case e.Result != nil:
		r := *e.Result
		if left != "" {
			r.EventIDsLeftOut += len(r.EventIDs)
			r.EventIDs, r.Trace = nil, ""
		}
		message, err := r.Publication(e.ID)
		if err == nil {
			message.Header[CommitHeader] = []string{e.commit}
		}
		return message, err
	case left != "":
		return e.Dead.Publication(e.ID, nil, left), nil
	}
	m, err := p.cfg.Source.Get(ctx, e.Dead.Stream, e.Dead.Sequence)
	switch {
	case errors.Is(err, ErrMessageGone) || err == nil && !m.Time.Equal(e.Dead.At):
		return e.Dead.Publication(e.ID, nil, "the stream no longer had the event's bytes"), nil // gone, or another event since the stream was made anew
	case err != nil:
		return Publication{}, fmt.Errorf("cannot fetch event %d of %s for its dead letter: %w: %w", e.Dead.Sequence, e.Dead.Stream, errUnread, err)
	}
	return e.Dead.Publication(e.ID, &m, ""), nil
}
