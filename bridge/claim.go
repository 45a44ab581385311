package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// claim makes this replica the owner: it reads the state from the leader,
// resolves what the last owner left in the middle, and commits it with the
// next epoch. From that commit on, every write of the last owner is refused.
// If another replica is faster, it starts over with what that one stored.
//
// If the process dies before the commit landed, nothing has changed; after
// it, the next claim finds an epoch in which nothing was sent.
func (t *tenure) claim(ctx context.Context) (*State, error) {
	for {
		s, err := t.load(ctx)
		if err != nil {
			return nil, err
		}
		if s.Epoch > 0 { // else begin has asked
			if err := t.askNamesake(ctx, s, s.Ledger.Seen); err != nil {
				return nil, err
			}
		}
		s.Epoch++
		now := time.Now()
		interrupted := s.Sending
		s.Recover(t.rules.App, now)
		t.adopt(s, now)
		err = t.store(ctx, s, now)
		if errors.Is(err, ErrFenced) {
			t.log.Info("another replica claimed the app first, trying again", "why", err)
			continue
		}
		if err != nil {
			return nil, err
		}
		committed := time.Now()
		if interrupted != nil {
			t.log.Warn("found a broadcast whose sending was interrupted; whether it was sent is not known",
				"broadcast", interrupted.ID, "started", interrupted.Started, "remedy", "belfry resolve "+interrupted.ID+" --sent, or --not-sent")
		}
		return s, t.compareClocks(ctx, s, now, committed)
	}
}

func (t *tenure) load(ctx context.Context) (*State, error) {
	r, err := t.writer.load(ctx)
	if err != nil {
		return nil, err
	}
	data, taken := r.Data, r.Time
	switch {
	case r.Sequence == 0 && t.kept.Sequence == 0:
		return t.begin(ctx)
	case r.Sequence == 0:
		t.log.Error("the stored state has vanished; going on with the one in memory")
		data, taken = t.kept.Data, time.Time{}
	// Nobody has owned the app since, or there would be no memory: after a loss,
	// another owner's epochs may be lower than ours of before.
	case r.Sequence < t.kept.Sequence && older(r.Token, t.kept.Token) && sameBirth(r.Data, t.kept.Data):
		t.log.Error("the store has lost writes that it had acknowledged; going on with the state in memory", "stored", r.Token, "memory", t.kept.Token)
		data, taken = t.kept.Data, time.Time{}
	}
	s, err := Decode(t.name, data)
	if err == nil {
		if s.Taken.IsZero() {
			s.Taken = taken
		}
		t.askResults(ctx, s)
	}
	return s, err
}

// compareClocks tells whether our clock shows another time than the last owner's,
// by which the ledger was kept: the store's clock stood beside both. The claim landed
// between sealed and committed: sends count by the later, and nothing is said of what
// is only the time that it took. If the process dies before the next commit, the claim
// still has what the last owner's clock showed, and the next one compares it.
func (t *tenure) compareClocks(ctx context.Context, s *State, sealed, committed time.Time) error {
	if s.Taken.IsZero() || s.Sealed.IsZero() {
		s.Taken = time.Time{}
		return nil
	}
	r, err := t.writer.latest(ctx)
	if err != nil || r.Token != s.token() || r.Time.IsZero() {
		return err // another's: the next commit is fenced
	}
	step := committed.Round(0).Sub(r.Time) - s.Sealed.Sub(s.Taken)
	if step.Abs() > quotaGuard {
		s.slip(step, committed)
	}
	if step < -quotaGuard || step-committed.Sub(sealed) > quotaGuard {
		t.log.Warn("this machine's clock, or that of NATS, shows another time than when the app was owned last: sends count by both",
			"by", step.Round(time.Millisecond).String(), "nats", r.Time.UTC(), "here", committed.UTC(),
			"remedy", "see whether NTP is at work on the machines of Belfry and NATS; if it is, the last owner was cut off from NATS, and its last state was stored late")
	}
	s.Taken, t.clock = time.Time{}, committed // a step before this one has been seen to
	return nil
}

// lookFirst is the remedy where nobody knows what was sent; the app's name follows.
const lookFirst = "see what was sent (results; the provider's console), record it with belfry quota spend, mute what waits of it again (belfry digests, belfry mute), then belfry resume --app "

// begin makes a state where none is stored or remembered. Either there never was
// one, or it was lost: then nobody knows what was sent, and nothing is until an
// operator has looked.
func (t *tenure) begin(ctx context.Context) (*State, error) {
	owner := t.cfg.Lease.Vanished()
	latest, err := t.latestResult(ctx, t.writer.trouble)
	if err != nil {
		return nil, err
	}
	s := NewState(t.name, t.cfg.Born())
	s.Began = time.Now()
	born, _, _ := strings.Cut(latest.Commit, "/")
	s.comesAfter(born)
	if owner == "" && latest.At.IsZero() && t.kept.Token == "" {
		t.log.Info("no state is stored yet, beginning with an empty one")
		return s, t.askNamesake(ctx, s, time.Time{})
	}
	s.pause("the stored state is lost, and with it what was sent of the quota and what was waiting. "+
		"Events are read again from where start says: what was sent before the loss may wait again (belfry digests). "+lostTraces(owner, latest.At), time.Now())
	t.log.Error("the stored state has vanished; the app begins anew and is paused", "why", s.Paused.Why,
		"remedy", lookFirst+t.name)
	return s, nil
}

// askNamesake pauses an app that was renamed, or has its old name again: it
// knows nothing of what it has sent under the other one since. It is asked with
// every claim, and what it pauses for is in the state that the claim commits:
// the next one asks about what was sent later.
func (t *tenure) askNamesake(ctx context.Context, s *State, since time.Time) error {
	if t.cfg.Namesake == nil {
		return nil
	}
	why, err := insist(ctx, "look for another name of the app", func(ctx context.Context) (string, error) { return t.cfg.Namesake(ctx, since) }, t.writer.trouble)
	if err != nil || why == "" {
		return err
	}
	s.pause(why, time.Now())
	t.log.Error("the App Key has sent under another name; the app is paused", "why", why,
		"remedy", "record its sends, mute what waits again (belfry digests, belfry mute), then belfry resume --app "+t.name)
	return nil
}

// lostTraces says what is known of a state that was lost.
func lostTraces(owner string, latest time.Time) string {
	if owner == "unknown" { // as Lease.Vanished says it
		owner = ""
	}
	switch {
	case latest.IsZero() && owner == "":
		return "Its owner is not known"
	case latest.IsZero():
		return "Its owner was " + owner
	case owner == "":
		return "Its latest result is of " + latest.UTC().Format(time.RFC3339)
	}
	return "Its owner was " + owner + ", its latest result is of " + latest.UTC().Format(time.RFC3339)
}

// token marks a stored state as ours.
func (s *State) token() string { return fmt.Sprintf("%s/%d/%d", s.Owner, s.Epoch, s.Commit) }
