package bridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// outlet is the way of outbox entries to their stream, one after the other. Dead
// letters have their own: each is fetched from its stream first, and when that
// is out of reach, no result must wait for it.
type outlet struct {
	trouble string // the condition while an entry is being tried again
	entries chan OutboxEntry
	waiting []OutboxEntry // committed, and not taken yet
}

func newOutlet(trouble string) outlet {
	return outlet{trouble: trouble, entries: make(chan OutboxEntry)}
}

// offer is what the publisher may take next, for a select: a nil channel when
// there is nothing.
func (o *outlet) offer() (chan<- OutboxEntry, OutboxEntry) {
	if len(o.waiting) == 0 {
		return nil, OutboxEntry{}
	}
	return o.entries, o.waiting[0]
}

func (o *outlet) taken() { o.waiting = o.waiting[1:] }

// queueUnpublished hands everything to the publishers that has been committed
// and that they do not have yet. Results are never shown before their commit:
// a fenced owner would report what has not happened.
func (t *tenure) queueUnpublished() {
	lines := map[string]int{}
	for _, e := range t.state.Outbox {
		if t.handed[e.ID] {
			continue
		}
		t.handed[e.ID] = true
		e.commit = t.state.Born + "/" + t.state.token()
		o, kind := &t.results, ""
		if e.Dead != nil {
			o = &t.deadLetters
		} else {
			kind = string(e.Result.State)
		}
		o.waiting = append(o.waiting, e)
		if e.Result != nil && (e.Result.Broadcast != "" || e.Result.Gap != nil) {
			continue // the log was told when it happened
		}
		if lines[kind]++; lines[kind] <= maxLines {
			t.logResult(e)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(lines)) {
		switch more := lines[kind] - maxLines; {
		case more <= 0:
		case kind == "":
			t.log.Warn("further events went to the dead letters", "events", more, "see", "belfry deadletter list")
		default:
			t.log.Info("further digests went the same way", "why", kind, "digests", more, "see", "the results belfry.result."+t.name+".>")
		}
	}
	t.heldUp.Store(t.mustPublish())
}

// mayPublish is the next result; none as long as the latest one has to be looked
// at, which would be one of ours.
func (t *tenure) mayPublish() (chan<- OutboxEntry, OutboxEntry) {
	if t.state.Unasked != "" {
		return nil, OutboxEntry{}
	}
	return t.results.offer()
}

func (t *tenure) acknowledged(id string) {
	delete(t.handed, id)
	crowded := t.state.Crowded()
	t.state.published(id)
	t.dirty = true
	t.changed = t.changed || crowded && !t.state.Crowded()
	if t.backlog != nil && t.state.roomy() {
		rest := t.backlog
		t.backlog = nil
		t.take(rest)
	}
	t.heldUp.Store(t.mustPublish())
}

// publisher publishes one entry after the other, each until it is
// acknowledged. If the process dies here, the next owner finds the entry in
// the outbox and publishes it again under the same id.
func (t *tenure) publisher(ctx context.Context, entries <-chan OutboxEntry, trouble string) {
	var unread time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-entries:
			if t.publishUntilTaken(ctx, e, trouble, &unread) != nil {
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

// publishUntilTaken goes on until the entry is stored. unread is since when
// events of dead letters can't be fetched.
func (t *tenure) publishUntilTaken(ctx context.Context, e OutboxEntry, trouble string, unread *time.Time) error {
	pace := newPace()
	left := "" // why it goes without what can be read elsewhere; empty: it is whole
	for {
		err := t.publishOnce(ctx, e, left)
		if err == nil || ctx.Err() == nil { // else it was ended with the tenure
			t.cfg.Note(trouble, err)
		}
		switch {
		case !errors.Is(err, errUnread):
			if !t.heldUp.Load() {
				*unread = time.Time{}
			}
		case unread.IsZero():
			*unread = time.Now()
		case t.heldUp.Load() && time.Since(*unread) >= unreadPatience:
			t.log.Warn("a dead letter is published without the event's bytes, for it holds the app up", "id", e.ID, "err", err)
			left = leftUnread
			continue
		}
		if err == nil {
			select {
			case t.acks <- e.ID:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if errors.Is(err, ErrPermanent) && left == "" {
			t.log.Warn("a result is too large for its stream and is published without what can be read elsewhere", "id", e.ID, "err", err)
			left = leftTooLarge // everything behind it waits: it must not be tried as it is for ever
			continue
		}
		if wait(ctx, pace) != nil {
			return err
		}
	}
}

func (t *tenure) publishOnce(ctx context.Context, e OutboxEntry, left string) error {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	p, err := t.publication(ctx, e, left)
	if err != nil {
		return err
	}
	if err := t.cfg.Publisher.Publish(ctx, p); err != nil {
		return fmt.Errorf("cannot publish %s to %s: %w", p.ID, p.Subject, err)
	}
	return nil
}

// publication is the entry as subscribers get it: whole, or, with a reason,
// without the ids of a result's events and the bytes of a dead letter.
func (t *tenure) publication(ctx context.Context, e OutboxEntry, left string) (Publication, error) {
	switch {
	case e.Result != nil:
		r := *e.Result
		if left != "" {
			r.EventIDsLeftOut += len(r.EventIDs)
			r.EventIDs, r.Trace = nil, ""
		}
		p, err := r.Publication(e.ID)
		if err == nil {
			p.Header[CommitHeader] = []string{e.commit}
		}
		return p, err
	case left != "":
		return e.Dead.Publication(e.ID, nil, left), nil
	}
	m, err := t.cfg.Source.Get(ctx, e.Dead.Stream, e.Dead.Sequence)
	switch {
	case errors.Is(err, ErrMessageGone) || err == nil && !m.Time.Equal(e.Dead.At):
		return e.Dead.Publication(e.ID, nil, "the stream no longer had the event's bytes"), nil // gone, or another event since the stream was made anew
	case err != nil:
		return Publication{}, fmt.Errorf("cannot fetch event %d of %s for its dead letter: %w: %w", e.Dead.Sequence, e.Dead.Stream, errUnread, err)
	}
	return e.Dead.Publication(e.ID, &m, ""), nil
}

func (t *tenure) logResult(e OutboxEntry) {
	switch {
	case e.Dead != nil:
		t.log.Warn("an event went to the dead letters", "stream", e.Dead.Stream, "sequence", e.Dead.Sequence,
			"subject", e.Dead.Subject, "reason", e.Dead.Reason, "rule", e.Dead.Rule, "err", e.Dead.Error)
	case e.Result.State == ResultWillMiss:
		t.log.Warn("a digest will not leave before its first item expires", "digest", DigestName(e.Result.Audience, e.Result.Template, e.Result.Group),
			"events", e.Result.Events, "why", e.Result.Reason)
	case e.Result.State == ResultQuotaLow:
		t.log.Warn("the day's sends are running out", "why", e.Result.Message)
	case e.Result.State == ResultBlocked:
		t.log.Error("the provider refuses the app itself: it is paused", "http", e.Result.HTTPStatus, "code", e.Result.Code,
			"message", e.Result.Message, "remedy", "mend it (a secret from a file is read again, one from the environment needs a restart), then belfry resume --app "+t.name)
	default:
		attrs := []any{"why", e.Result.State, "digest", DigestName(e.Result.Audience, e.Result.Template, e.Result.Group), "events", e.Result.Events}
		if e.Result.Message != "" {
			attrs = append(attrs, "message", e.Result.Message)
		}
		t.log.Info("items left without being sent", attrs...)
	}
}

const (
	failuresEvery = time.Minute // between two lines of the log about one rule
	maxLines      = 8           // of the log about the dead letters of one commit, and about its results of one state
)

func (t *tenure) logFailures(now time.Time) {
	for _, rule := range t.state.failedSince() {
		f, known := t.state.FailedOn[rule]
		if known {
			f.Read = now
			t.state.FailedOn[rule] = f
		}
		if last, told := t.toldOf[rule]; !known || told && now.Sub(last) < failuresEvery {
			continue
		}
		t.toldOf[rule] = now
		t.log.Warn("a rule's expression failed on an event, which counts as no match", "rule", rule, "part", f.Part, "err", f.Error,
			"events", t.state.Failed[rule], "remedy", fmt.Sprintf("belfry explain --stream %s --seq %d", f.Stream, f.Sequence))
	}
}
