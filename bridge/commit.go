package bridge

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// ErrFenced is returned by a commit when another owner has committed since.
// The app must be left at once: nothing more may be sent or stored.
var ErrFenced = errors.New("another owner has taken the app over")

// errUnreachable is returned when the app was given up before the store gave a
// clear answer: the lease has run out meanwhile.
var errUnreachable = errors.New("the store did not answer in time")

// errLapsed is returned where a state that was lost may not be written again from
// memory: another replica may have claimed the app, and sent, since the lease was over.
var errLapsed = errors.New("the stored state was lost, and the lease was over by then")

var errOverwritten = errors.New("something that is no state was stored in its place")

// putTimeout bounds one try; a server that is alive answers in milliseconds.
const putTimeout = 3 * time.Second

// committer runs the commit protocol of one owner over a Store. It is used by
// one goroutine.
type committer struct {
	store    Store
	sequence uint64          // of the state that we know to be stored; 0: none yet
	trouble  func(err error) // called on every failed try and with nil when it is over

	holds   func() bool // whether nobody else can have claimed the app since we did
	claimed bool        // by us: until then the last owner may commit once more
}

// commit stores data and returns nil once that is certain.
//
// A publish that fails may have landed, may land yet, or never will. So the
// leader is asked: our token means that it landed; another sequence with
// another token that we are fenced; one with no token at all that no owner has
// written it; an unchanged one that it has not landed,
// and then the same bytes go again with the same expectation, of which the
// server accepts one at most. It gives up only when ctx ends: then the next
// owner's read decides, as after a crash.
func (c *committer) commit(ctx context.Context, data []byte, token string) error {
	pace := newPace()
	again := false
	for {
		err := c.try(ctx, data, token)
		if err == nil || errors.Is(err, ErrFenced) || errors.Is(err, errLapsed) {
			c.trouble(nil)
			return err
		}
		if ctx.Err() == nil { // else the app is left, and what was asked last was ended by that
			c.trouble(err)
		}
		if errors.Is(err, errOverwritten) && !again {
			again = true
			continue // before somebody writes there once more
		}
		again = false
		if wait(ctx, pace) != nil {
			return fmt.Errorf("cannot commit %s: %w: %w", token, errUnreachable, err)
		}
	}
}

func (c *committer) try(ctx context.Context, data []byte, token string) error {
	putCtx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	sequence, putErr := c.store.Put(putCtx, data, token, c.sequence)
	if putErr == nil {
		c.sequence = sequence
		return nil
	}
	r, err := c.read(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return putErr // nobody waits for the read any more
	case err != nil:
		return fmt.Errorf("%w; %w", putErr, err)
	}
	vanished := r.Sequence == 0 && c.sequence > 0
	rewound := r.Sequence < c.sequence && older(r.Token, token) && sameBirth(r.Data, data)
	switch {
	case r.Token == token:
		c.sequence = r.Sequence
		return nil
	case (vanished || rewound) && !c.holds():
		// Who has slept past the lease has not seen the owner of meanwhile, whose
		// state this would replace: nothing that is stored tells.
		return fmt.Errorf("%w: %w", errLapsed, putErr)
	case vanished:
		// The stream was lost or emptied behind us. What we hold is the only
		// copy of the ledger: write it again, as the first message.
		c.sequence = 0
		return fmt.Errorf("the stored state has vanished, writing it again: %w", putErr)
	case rewound:
		// As after a power loss, or where a backup was put back: what we hold
		// is newer. Had somebody else claimed the app since, the epoch would say
		// so, and its birth if it was begun anew.
		c.sequence = r.Sequence
		return fmt.Errorf("the store has lost writes that it had acknowledged, writing the state again: %w", putErr)
	case r.Sequence > c.sequence && olderOfOurs(r.Token, token):
		// The read before this one was answered by a leader that had not heard
		// of its successor. Nobody but us has written.
		c.sequence = r.Sequence
		return fmt.Errorf("an earlier state of ours is stored at another sequence, trying again: %w", putErr)
	case r.Sequence != c.sequence && r.Token == "" && birth(r.Data) == "" && c.claimed && c.holds():
		// Whoever may publish an event can have its acknowledgement sent to our subject.
		// No owner wrote it, and another replica claims nothing that it cannot read.
		c.sequence = r.Sequence
		return fmt.Errorf("%w, writing it again: %w", errOverwritten, putErr)
	case r.Sequence != c.sequence && r.Token == "":
		return fmt.Errorf("%w, or something else has written to its subject: what is stored names no owner", ErrFenced)
	case r.Sequence != c.sequence:
		return fmt.Errorf("%w (committed by %s, we are %s)", ErrFenced, r.Token, token)
	}
	return putErr
}

// older reports whether a stored state is from before ours: of an earlier
// epoch, or an earlier commit of our own.
func older(stored, ours string) bool {
	_, epoch, _, ok := parseToken(stored)
	_, ourEpoch, _, ourOK := parseToken(ours)
	return ok && ourOK && epoch < ourEpoch || olderOfOurs(stored, ours)
}

// olderOfOurs reports whether a stored state is an earlier commit of our own
// in the same epoch.
func olderOfOurs(stored, ours string) bool {
	replica, epoch, commit, ok := parseToken(stored)
	ourReplica, ourEpoch, ourCommit, ourOK := parseToken(ours)
	return ok && ourOK && epoch == ourEpoch && replica == ourReplica && commit < ourCommit
}

// parseToken takes "<replica>/<epoch>/<commit>" apart.
func parseToken(token string) (replica string, epoch, commit uint64, ok bool) {
	parts := strings.Split(token, "/")
	if len(parts) != 3 {
		return "", 0, 0, false
	}
	epoch, err := strconv.ParseUint(parts[1], 10, 64)
	commit, err2 := strconv.ParseUint(parts[2], 10, 64)
	return parts[0], epoch, commit, err == nil && err2 == nil
}

// read asks the leader once.
func (c *committer) read(ctx context.Context) (Record, error) {
	getCtx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	return c.store.Get(getCtx)
}

// load reads the state before a claim, for as long as it takes.
func (c *committer) load(ctx context.Context) (Record, error) {
	r, err := c.latest(ctx)
	if err == nil {
		c.sequence = r.Sequence
	}
	return r, err
}

// latest asks the leader for as long as it takes.
func (c *committer) latest(ctx context.Context) (Record, error) {
	return insist(ctx, "read the state", c.read, c.trouble)
}

// insist asks until there is an answer, or ctx ends. trouble is told of every try.
func insist[T any](ctx context.Context, what string, ask func(context.Context) (T, error), trouble func(error)) (answer T, err error) {
	pace := newPace()
	for {
		answer, err = ask(ctx)
		trouble(err)
		if err == nil {
			return answer, nil
		}
		if wait(ctx, pace) != nil {
			return answer, fmt.Errorf("cannot %s: %w: %w", what, errUnreachable, err)
		}
	}
}

// newPace waits a little longer after every failure, up to two seconds.
func newPace() backoff.BackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(50*time.Millisecond),
		backoff.WithMaxInterval(2*time.Second),
		backoff.WithMaxElapsedTime(0),
	)
}

func wait(ctx context.Context, pace backoff.BackOff) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pace.NextBackOff()):
		return ctx.Err()
	}
}
