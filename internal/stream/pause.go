package stream

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
)

// pause is the growing wait between the tries of one thing.
type pause struct{ next *backoff.ExponentialBackOff }

func newPause() *pause {
	return &pause{backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(100*time.Millisecond),
		backoff.WithMaxInterval(5*time.Second),
		backoff.WithMaxElapsedTime(0))}
}

// reset makes the next wait short again, after something went well.
func (p *pause) reset() { p.next.Reset() }

// wait returns after the pause, or with the error of ctx when that ends first.
func (p *pause) wait(ctx context.Context) error { return p.waitConnected(ctx, nil) }

// waitConnected is wait, but ends early when status says something, which is
// mostly that the connection is back. status may be nil.
func (p *pause) waitConnected(ctx context.Context, status <-chan nats.Status) error {
	timer := time.NewTimer(p.next.NextBackOff())
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	case <-status:
	}
	return nil
}

// drain forgets what status has said so far.
func drain(status <-chan nats.Status) {
	for {
		select {
		case <-status:
		default:
			return
		}
	}
}
