package bridge

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// startWithin is how long after the decision the first byte of a request may
// leave: both hosts may be tried in it. A late send is thereby impossible,
// however long the process was suspended.
const startWithin = 15 * time.Second

// lateArrival is how long a request that has left may be on its way, when no
// answer tells that it has arrived.
const lateArrival = 30 * time.Second

// Begin takes a digest out of the gathering and makes it the broadcast that
// is being sent, charged to the ledger. Nothing may leave before the state
// that results was committed. It fails, and changes nothing, when the digest
// can't be rendered.
func (s *State) Begin(app *mapping.App, d *Digest, reason string, now time.Time) (*Broadcast, []byte, error) {
	if s.Sending != nil {
		return nil, nil, fmt.Errorf("cannot send digest %s: broadcast %s is under way", d.ID, s.Sending.ID)
	}
	rendered, err := app.Render(d.View(s.App, now))
	if err != nil {
		return nil, nil, err
	}
	body, err := rendered.Request.Body()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot encode digest %s: %w", d.ID, err)
	}
	hash := sha256.Sum256(body)
	s.Digests = slices.DeleteFunc(s.Digests, func(o *Digest) bool { return o == d })
	s.used -= d.size()
	s.apart = nil // those left may be
	s.closeSiblings(d)
	s.Sending = &Broadcast{
		ID: s.newID(), State: Sending, Digest: d, RequestHash: hex.EncodeToString(hash[:]), Epoch: s.Epoch,
		Started: now, Deadline: now.Add(startWithin), Reason: reason,
		Package: rendered.Request.Audience.PackageName, Cuts: rendered.Cuts,
	}
	s.Ledger.ChargeAs(s.Sending.ID, now, uint8(d.Priority()), kind(d))
	return s.Sending, body, nil
}

// Settle records what the send under way came to (architecture, section 6).
func (s *State) Settle(app *mapping.App, o Outcome, now time.Time) {
	b := s.Sending
	s.Sending, b.Outcome = nil, &o
	s.Ledger.Postpone(b.ID, countedBy(b, o.Kind, now), now)
	s.Host = cmp.Or(o.Host, s.Host)
	if o.SkewKnown && clockStep(b.Started, now).Abs() <= clockNoise { // else two clocks of ours were compared with it
		s.Ledger.Skew = o.Skew
	}
	if o.Kind != NotSent && o.Kind != Throttled {
		s.Backoff = nil
	}
	s.settleSecond(b)
	switch o.Kind {
	case Accepted:
		s.finish(app, b, ResultSent, "", now)
	case OutcomeRejected:
		s.giveBack(app, b)
		s.finish(app, b, ResultRejected, "", now)
	case DryRun:
		s.finish(app, b, ResultDryRun, "", now)
	case NotSent:
		s.takeBack(app, b, ResultNotSent, "", now)
		s.backOff(o, now)
	case Throttled:
		s.takeBack(app, b, ResultThrottled, "", now)
		s.backOff(o, now)
	case Blocked:
		s.takeBack(app, b, ResultNotSent, "", now)
		s.block(o, now)
	default:
		s.doubt(app, b, now)
	}
}

// Again charges a second call of the send under way before it is made: the first
// was refused, and may count, too (provider-api.md section 5).
func (s *State) Again(app *mapping.App, id string, now time.Time) error {
	if s.Sending == nil || s.Sending.ID != id { // its owner has lost the app, and may have it again
		return fmt.Errorf("cannot call again for the broadcast %s: it is under way no more", id)
	}
	if !app.Quota.CountRejected {
		return nil
	}
	if LimitsFor(app.Quota).Left(&s.Ledger, now) == 0 {
		return errors.New("the quota has no room for a second call")
	}
	s.Ledger.ChargeAs(s.Sending.secondCall(), now, uint8(s.Sending.Digest.Priority()), "rejected")
	return nil
}

// settleSecond takes the charge of a second call back that was not made. Nobody
// knows whether an owner made it that was lost.
func (s *State) settleSecond(b *Broadcast) {
	if b.written() < 2 && !b.Outcome.Lost {
		s.Ledger.Refund(b.secondCall())
	}
}

// giveBack takes back the charge of what certainly was not sent, unless the
// provider may have counted it.
func (s *State) giveBack(app *mapping.App, b *Broadcast) {
	if b.counts(app) {
		s.Ledger.Rename(b.ID, "rejected") // nothing of its kind has gone
		return
	}
	s.Ledger.Refund(b.ID)
}

// countedBy is the latest time at which the provider may have counted a send:
// its host may have been hard to reach, or slow.
func countedBy(b *Broadcast, outcome OutcomeKind, now time.Time) time.Time {
	if outcome == Doubtful {
		return later(now, b.Deadline).Add(lateArrival)
	}
	return now
}

// finish ends a broadcast; resolved is by whose word, if nothing has shown it.
func (s *State) finish(app *mapping.App, b *Broadcast, state ResultState, resolved string, now time.Time) {
	events := uint64(b.Digest.Events)
	switch state {
	case ResultSent:
		b.State = Sent
		s.Counts.Sent += events
		s.Counts.Broadcasts++
		s.Counts.Cuts += uint64(len(b.Cuts))
	case ResultDryRun:
		b.State = Sent // as far as a dry run goes
		s.Counts.DryRun += events
	default:
		b.State = Rejected
		s.Counts.Rejected += events
	}
	s.reportBroadcast(app, b, state, resolved, now)
}

// takeBack refunds the send and returns the digest to the gathering: it was
// not sent, for certain or by the word of resolved.
func (s *State) takeBack(app *mapping.App, b *Broadcast, state ResultState, resolved string, now time.Time) {
	s.giveBack(app, b)
	s.reportBroadcast(app, b, state, resolved, now)
	s.restore(app, b.Digest)
}

const (
	calledOffBackoff = 5 * time.Second // long enough for a lease that is over to be noticed
	firstBackoff     = time.Minute
	longestBackoff   = 15 * time.Minute
	firstThrottle    = time.Hour // the shorter of the provider's windows (seed)
	longestThrottle  = 8 * time.Hour
	maxBackoffDouble = 8
)

// backOff waits longer from time to time. When the provider throttles, others
// use the same App Key or it counts differently: its word binds us. A send
// that we called off ourselves says nothing about the provider.
func (s *State) backOff(o Outcome, now time.Time) {
	b := Backoff{Throttled: o.Kind == Throttled, Why: o.Message, Since: now}
	if s.Backoff != nil && s.Backoff.Throttled == b.Throttled {
		b.Times, b.Doubled, b.Since = s.Backoff.Times, s.Backoff.Doubled, s.Backoff.Since
	}
	switch {
	case o.CalledOff:
		b.Until = now.Add(calledOffBackoff)
	case b.Throttled && !o.RetryAfter.IsZero():
		b.Times++
		b.Until = later(o.RetryAfter, now.Add(firstBackoff))
	default:
		b.Times++
		wait, longest := firstBackoff, longestBackoff
		if b.Throttled {
			wait, longest = firstThrottle, longestThrottle
		}
		b.Until = now.Add(min(wait<<b.Doubled, longest))
		b.Doubled = min(b.Doubled+1, maxBackoffDouble)
	}
	b.Until = b.Until.Round(0) // by the wall clock, as the ledger has it: they end together
	s.Backoff = &b
	s.Ledger.Throttle(b.Until)
}

func (s *State) block(o Outcome, now time.Time) {
	why := o.Message
	if o.SkewKnown && o.Skew.Abs() >= skewOfNote {
		why += fmt.Sprintf("; the provider's clock differs from ours by %s", o.Skew.Round(time.Second))
	}
	if s.Paused != nil {
		why = "the provider refuses the app: " + why
	}
	s.pause(why, now)
	s.Paused.Code = orZero(o.Code)
	s.report(s.newID()+"."+string(ResultBlocked),
		Result{State: ResultBlocked, HTTPStatus: o.HTTPStatus, Code: o.Code, Message: o.Message, Attempts: o.Attempts}, now)
}

// skewOfNote is a difference of clocks that may be why a signature is refused.
const skewOfNote = 30 * time.Second

// doubt keeps the charge, and the digest for a human, unless the template
// says to assume the best.
func (s *State) doubt(app *mapping.App, b *Broadcast, now time.Time) {
	b.State = InDoubt
	s.reportBroadcast(app, b, ResultInDoubt, "", now)
	if t := app.Templates[b.Digest.Template]; t != nil && t.WhenInDoubt == mapping.AssumeSent {
		s.finish(app, b, ResultSent, "assumed: when_in_doubt is assume_sent", now)
		return
	}
	s.Held = append(s.Held, b)
}

// EndBackoff is an operator's word that it may be tried again.
func (s *State) EndBackoff() {
	s.Backoff = nil
	s.Ledger.ThrottledUntil = time.Time{}
}

// slip is for a clock that was set forward by so much (back, if that is negative),
// and shows now: no send got older, what was on its way may still be, and a back-off is
// as long as it was.
func (s *State) slip(by time.Duration, now time.Time) {
	s.Ledger.Slip(by, now)
	for _, b := range s.Held {
		if by > 0 && now.Round(0).Add(-by).Before(b.Arrived()) {
			b.Outcome.At = earlier(b.Outcome.At.Add(by), now.Round(0))
		}
	}
	if by > 0 && s.Backoff.Holds(now.Round(0).Add(-by)) {
		s.Backoff.Until = s.Backoff.Until.Add(by)
	}
}

// TrustClock is an operator's word that the clock is right at now: whatever was
// dated to a later time, when it was ahead, no longer counts until then.
func (s *State) TrustClock(now time.Time) {
	s.Ledger.Trust(now)
	s.Backoff = nil
	if b := s.Sending; b != nil {
		b.Deadline = earlier(b.Deadline, now.Add(startWithin))
	}
	for _, b := range s.Held {
		if b.Deadline.After(now) {
			b.Deadline = now
		}
		if b.Outcome != nil && b.Outcome.At.After(now) {
			b.Outcome.At = now
		}
	}
}

// Resolve ends the doubt about a broadcast by an operator's word: it was sent
// after all, or it was not, and its items go back to their digest and the
// send is refunded. That it was not sent is refused while its request may still arrive.
func (s *State) Resolve(app *mapping.App, id string, sent bool, by string, now time.Time) error {
	i := slices.IndexFunc(s.Held, func(b *Broadcast) bool { return b.ID == id })
	if i < 0 {
		return fmt.Errorf("cannot resolve %q: no such broadcast is in doubt", id)
	}
	b := s.Held[i]
	if from := b.Arrived(); !sent && now.Before(from) {
		return fmt.Errorf("cannot take %s as not sent before %s: its request may be on its way until then; look into the provider's record after that",
			id, from.UTC().Format("2 Jan 15:04:05 MST"))
	}
	s.Held = slices.Delete(s.Held, i, i+1)
	if sent {
		s.finish(app, b, ResultSent, by, now)
	} else {
		s.takeBack(app, b, ResultNotSent, by, now)
	}
	return nil
}

// Recover is the first thing that a new owner does: a broadcast found as
// sending may or may not have left, and nothing can tell.
func (s *State) Recover(app *mapping.App, now time.Time) {
	if s.Sending == nil {
		return
	}
	o := Outcome{
		Kind: Doubtful, At: now, Lost: true,
		Message: fmt.Sprintf("the owner stopped while sending (started %s, epoch %d); whether it was sent is not known",
			s.Sending.Started.UTC().Format(time.RFC3339), s.Sending.Epoch),
	}
	s.Settle(app, o, now)
}

func (s *State) reportBroadcast(app *mapping.App, b *Broadcast, state ResultState, resolved string, now time.Time) {
	r := b.result(state)
	r.Resolved = resolved
	r.Quota = LimitsFor(app.Quota).Usage(&s.Ledger, now)
	s.report(b.ID+"."+string(state), r, now)
}
