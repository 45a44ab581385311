package nexconn

import (
	"context"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/belfry-bridge/belfry/bridge"
)

// Client sends the broadcasts of one App Key. It keeps no state between
// sends, holds no connection, and may be used by several goroutines.
type Client struct {
	cfg   Config
	hosts []host // primary, then backup
}

var _ bridge.Provider = (*Client)(nil)

// Send hands one broadcast over, at most once, and returns what became of it.
//
// Hosts are tried in turn, with growing pauses, only as long as no byte of
// the request left and the deadline allows; a refused signature is tried once
// more, with a fresh nonce and time, and that ends it. ctx can prevent the first byte; after it,
// Send returns when the answer is there or AnswerTimeout has passed.
func (c *Client) Send(ctx context.Context, s bridge.Send) bridge.Outcome {
	r := &report{client: c, send: s}
	if why := unusable(s); why != "" {
		return r.refuse(why)
	}
	pauses := c.pauses()
	for {
		for _, h := range c.order(s.Host) {
			r.add(c.try(ctx, h, s))
			if r.last.ending == unwritten {
				continue
			}
			if r.verdict.again && (s.Again == nil || s.Again() == nil || ctx.Err() != nil) {
				r.add(c.try(ctx, h, s)) // which is called off where ctx has ended
			}
			return r.outcome()
		}
		if !c.rest(ctx, pauses.NextBackOff(), s.Deadline) {
			return r.outcome()
		}
	}
}

// maxID bounds the X-Request-ID, in characters (section 1: D).
const maxID = 36

// unusable says what would make a request malformed, empty for nothing.
func unusable(s bridge.Send) string {
	switch {
	case len(s.Body) == 0:
		return "cannot send a broadcast without a body"
	case s.ID == "" || len(s.ID) > maxID:
		return "cannot send a broadcast whose id has not 1 to 36 characters"
	case slices.ContainsFunc([]byte(s.ID), func(b byte) bool { return b <= ' ' || b > '~' }):
		return "cannot send a broadcast whose id is not printable ASCII"
	}
	return ""
}

// order puts the host that is to be tried first in front. One that is no
// longer configured means the primary.
func (c *Client) order(first string) []host {
	i := slices.IndexFunc(c.hosts, func(h host) bool { return h.base == first })
	if i <= 0 {
		return c.hosts
	}
	return append(slices.Clone(c.hosts[i:]), c.hosts[:i]...)
}

// other is the host to go to instead of this one.
func (c *Client) other(base string) string {
	if i := slices.IndexFunc(c.hosts, func(h host) bool { return h.base != base }); i >= 0 {
		return c.hosts[i].base
	}
	return base
}

func (c *Client) pauses() backoff.BackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(c.cfg.RetryPause),
		backoff.WithMaxInterval(max(maxRetryPause, c.cfg.RetryPause)),
		backoff.WithMaxElapsedTime(0), // the deadline ends it
	)
}

// rest waits before the hosts are tried again. It returns false, at once,
// when the deadline would pass meanwhile, and when ctx ends.
func (c *Client) rest(ctx context.Context, pause time.Duration, deadline time.Time) bool {
	if !c.cfg.Clock().Add(pause).Before(deadline) {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
