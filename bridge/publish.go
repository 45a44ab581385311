package bridge

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
)

// publishing is what the loop knows of the way of committed entries to their
// streams. Dead letters have an outlet of their own: each is fetched from its
// stream first, and when that is out of reach, no result must wait for it.
type publishing struct {
	results     outlet
	deadLetters outlet
	handed      map[string]bool // entries that a publisher has or is offered
	acks        chan string     // from the publishers
	heldUp      *atomic.Bool    // mustPublish, as the publishers may know
}

func newPublishing() publishing {
	return publishing{
		results: newOutlet("results.unpublished"), deadLetters: newOutlet("deadletters.unpublished"),
		handed: map[string]bool{}, acks: make(chan string), heldUp: &atomic.Bool{},
	}
}

// queue takes in those entries that no publisher has yet, and lists them.
func (p *publishing) queue(outbox []OutboxEntry, commit string) (fresh []OutboxEntry) {
	for _, e := range outbox {
		if p.handed[e.ID] {
			continue
		}
		p.handed[e.ID] = true
		e.commit = commit
		o := &p.results
		if e.Dead != nil {
			o = &p.deadLetters
		}
		o.waiting = append(o.waiting, e)
		fresh = append(fresh, e)
	}
	return fresh
}

// outlet hands the entries of one publisher over, one after the other.
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

// startPublishers starts one for each outlet.
func (t *tenure) startPublishers(ctx context.Context) {
	for _, o := range []outlet{t.publishing.results, t.publishing.deadLetters} {
		p := publisher{cfg: &t.cfg, log: t.log, trouble: o.trouble, entries: o.entries, acks: t.publishing.acks, heldUp: t.publishing.heldUp}
		t.workers.Go(func() { p.run(ctx) })
	}
}

// queueUnpublished hands everything to the publishers that has been committed
// and that they do not have yet. Results are never shown before their commit:
// a fenced owner would report what has not happened.
func (t *tenure) queueUnpublished() {
	t.logQueued(t.publishing.queue(t.state.Outbox, t.state.Born+"/"+t.state.token()))
	t.publishing.heldUp.Store(t.mustPublish())
}

// mayPublish is the next result; none as long as the latest one has to be looked
// at, which would be one of ours.
func (t *tenure) mayPublish() (chan<- OutboxEntry, OutboxEntry) {
	if t.state.Unasked != "" {
		return nil, OutboxEntry{}
	}
	return t.publishing.results.offer()
}

func (t *tenure) acknowledged(id string) {
	delete(t.publishing.handed, id)
	crowded := t.state.crowded()
	t.state.published(id)
	t.writer.dirty = true
	t.planner.changed = t.planner.changed || crowded && !t.state.crowded()
	if t.reader.backlog != nil && t.state.roomy() {
		rest := t.reader.backlog
		t.reader.backlog = nil
		t.take(rest)
	}
	t.publishing.heldUp.Store(t.mustPublish())
}

const maxLines = 8 // of the log about the dead letters of one commit, and about its results of one state

// logQueued tells of entries that are published from now on, but of no more than
// a few of a kind.
func (t *tenure) logQueued(entries []OutboxEntry) {
	lines := map[string]int{}
	for _, e := range entries {
		kind := "" // of dead letters
		if r := e.Result; r != nil {
			if r.Broadcast != "" || r.Gap != nil {
				continue // the log was told when it happened
			}
			kind = string(r.State)
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
		t.log.Error("the provider refuses the app itself: it is paused", "http", e.Result.HTTPStatus, "code", orZero(e.Result.Code),
			"message", e.Result.Message, "remedy", "mend it (a secret from a file is read again, one from the environment needs a restart), then belfry resume --app "+t.name)
	default:
		attrs := []any{"why", e.Result.State, "digest", DigestName(e.Result.Audience, e.Result.Template, e.Result.Group), "events", e.Result.Events}
		if e.Result.Message != "" {
			attrs = append(attrs, "message", e.Result.Message)
		}
		t.log.Info("items left without being sent", attrs...)
	}
}
