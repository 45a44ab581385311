package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// claim makes this replica the owner: it reads the state from the leader,
// resolves what the last owner left in the middle, and commits it with the
// next epoch. From that commit on, every write of the last owner is refused.
// If another replica is faster, it starts over with what that one stored.
//
// If the process dies before the commit landed, nothing has changed; after
// it, the next claim finds an epoch in which nothing was sent.
func (b *Bridge) claim(ctx context.Context, c *committer, codec *Codec, app *mapping.App) (*State, error) {
	for {
		s, err := b.load(ctx, c)
		if err != nil {
			return nil, err
		}
		s.Epoch++
		now := time.Now()
		interrupted := s.Sending
		s.Recover(app, now)
		s.Seal(app, b.cfg.Replica, now)
		data, err := codec.Encode(s)
		if err != nil {
			return nil, err
		}
		err = c.commit(ctx, data, s.token())
		if errors.Is(err, ErrFenced) {
			b.log.Info("another replica claimed the app first, trying again", "why", err)
			continue
		}
		if err == nil && interrupted != nil {
			b.log.Warn("found a broadcast whose sending was interrupted; whether it was sent is not known",
				"broadcast", interrupted.ID, "started", interrupted.Started, "remedy", "belfry resolve "+interrupted.ID+" --sent, or --not-sent")
		}
		return s, err
	}
}

func (b *Bridge) load(ctx context.Context, c *committer) (*State, error) {
	r, err := c.load(ctx)
	if err != nil {
		return nil, err
	}
	if r.Sequence > 0 {
		return Decode(b.name, r.Data)
	}
	b.log.Info("no state is stored yet, beginning with an empty one")
	return NewState(b.name, b.cfg.Born()), nil
}

// token marks a stored state as ours.
func (s *State) token() string { return fmt.Sprintf("%s/%d/%d", s.Owner, s.Epoch, s.Commit) }
