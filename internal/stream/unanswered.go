package stream

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// How long JetStream may be silent before another server is tried. A cluster
// needs some ten seconds to notice a loss, and some more for new leaders.
const (
	firstSilence = 15 * time.Second
	maxSilence   = 2 * time.Minute
)

// unanswered notices a server that keeps the connection although its JetStream
// no longer answers, mostly since it has lost the others of its cluster. It is
// safe for use by several goroutines.
type unanswered struct {
	first time.Duration

	mu       sync.Mutex // guards what follows
	patience time.Duration
	since    time.Time // zero: it answers, or we can't know
}

// heard takes note of how a request about the state stream ended, and leaves
// the server for another one when it is time.
func (j *JetStream) heard(err error) {
	elsewhere := j.nc.IsConnected() && len(j.nc.Servers()) > 1
	if j.unanswered.note(time.Now(), err, elsewhere) {
		j.cfg.Logger.Warn("JetStream does not answer on this server: trying another one", "url", RedactURLs(j.nc.ConnectedUrl()), "err", err)
		_ = j.nc.ForceReconnect() // fails only if we have closed the connection
	}
}

// note reports whether it is time to leave for elsewhere, if that exists.
// The next server gets twice the patience: it may be the same everywhere.
func (u *unanswered) note(now time.Time, err error, elsewhere bool) (leave bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	code, answered := answerOf(err)
	switch {
	case answered && code != http.StatusServiceUnavailable:
		u.since, u.patience = time.Time{}, u.first
	case !elsewhere || !answered && !timedOut(err):
		u.since = time.Time{}
	case u.since.IsZero():
		u.since = now
	case now.Sub(u.since) >= u.patience:
		u.since, u.patience = time.Time{}, min(2*u.patience, maxSilence)
		return true
	}
	return false
}

// answerOf returns the status with which JetStream answered a request, if it did.
func answerOf(err error) (code int, answered bool) {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.Code, true
	}
	return http.StatusOK, err == nil
}

// MayPass reports whether the same request may be answered a moment later: nobody
// has answered in time, or a cluster has no leader for it yet. One that was denied
// times out as well, and always will.
func MayPass(err error) bool {
	code, _ := answerOf(err)
	late := errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrPermissionViolation)
	return code == http.StatusServiceUnavailable || late
}

// timedOut reports whether nobody was there who could answer. A request that
// the server denied times out as well, and would everywhere.
func timedOut(err error) bool {
	silent := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders)
	return silent && !errors.As(err, new(deniedError))
}
