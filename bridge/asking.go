package bridge

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

const askFor = time.Minute // the latest result, before anything is sent

// askResults asks for the app's latest result. If it is later than the stored
// state, an older one was put back, or NATS has lost writes, and nobody is left
// who knows what was sent since. Without an answer the tenure goes on asking.
func (b *Bridge) askResults(ctx context.Context, s *State) {
	s.Unasked = cmp.Or(s.Unasked, s.token())
	if latest, err := b.latestNow(ctx); err == nil {
		b.compare(s, latest)
	}
}

// latestNow asks once for the app's latest result.
func (b *Bridge) latestNow(ctx context.Context) (LatestResult, error) {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	return b.cfg.Publisher.Latest(ctx, b.name)
}

// latestResult is the same for as long as it takes.
func (b *Bridge) latestResult(ctx context.Context, trouble func(error)) (LatestResult, error) {
	return insist(ctx, "look for earlier results", b.latestNow, trouble)
}

// compare pauses the app if its latest result is later than the state that was
// loaded: of a later commit, or of a life that this state does not know of.
func (b *Bridge) compare(s *State, latest LatestResult) {
	loaded := s.Unasked
	s.Unasked = ""
	born, token, _ := strings.Cut(latest.Commit, "/")
	if born == "" || slices.Contains(s.Births, born) || born == s.Born && !older(loaded, token) {
		return
	}
	s.rebear(b.cfg.Born(), born, time.Now())
	s.pause("the stored state was older than the app's latest result, of "+latest.At.UTC().Format(time.RFC3339)+": what was sent in between is not counted here, and may wait again (belfry digests)", time.Now())
	b.log.Error("an older state was put back; the app is paused", "stored", loaded, "of_results", token, "why", s.Paused.Why, "remedy", lookFirst+b.name)
}

// goOnAsking asks for as long as the tenure lasts, if the claim got no answer.
func (t *tenure) goOnAsking(ctx context.Context) {
	if t.state.Unasked == "" {
		return
	}
	t.askUntil = time.Now().Add(askFor)
	t.workers.Go(func() {
		if latest, err := t.latestResult(ctx, func(error) {}); err == nil {
			t.latest <- latest
		}
	})
}

func (t *tenure) answered(ctx context.Context, latest LatestResult) error {
	if t.state.Unasked == "" { // too late
		return nil
	}
	t.compare(t.state, latest)
	t.touch()
	return t.commit(ctx) // before a result of ours is the latest
}

// stopAsking lets the app go on when it has waited for an answer for long enough.
func (t *tenure) stopAsking(now time.Time) {
	if t.state.Unasked == "" || now.Before(t.askUntil) {
		return
	}
	t.log.Error("cannot ask for the latest result; whether an older state was put back is not known", "after", askFor.String())
	t.state.Unasked = ""
	t.touch()
	t.writer.last = time.Time{} // before a result of ours is the latest
}
