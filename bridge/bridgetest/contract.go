package bridgetest

import (
	"context"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

// StoreContract checks what every bridge.Store must do. open returns a handle
// on the store of a fresh app; further handles on the same app come from again.
func StoreContract(t *testing.T, open func(t *testing.T) (first bridge.Store, again func() bridge.Store)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	t.Run("an app without a state has a zero record", func(t *testing.T) {
		s, _ := open(t)
		r, err := s.Get(ctx)
		if err != nil || r.Sequence != 0 || len(r.Data) != 0 || r.Token != "" {
			t.Errorf("Get = %+v, %v; want a zero record", r, err)
		}
	})
	t.Run("what was put is read by every handle", func(t *testing.T) {
		s, again := open(t)
		seq := mustPut(ctx, t, s, "one", "r/1/1", 0)
		for _, h := range []bridge.Store{s, again()} {
			r, err := h.Get(ctx)
			if err != nil || string(r.Data) != "one" || r.Token != "r/1/1" || r.Sequence != seq || time.Since(r.Time).Abs() > time.Minute {
				t.Errorf("Get = %+v, %v; want what was put at sequence %d, just now", r, err, seq)
			}
		}
	})
	t.Run("a put with an old expectation is refused and changes nothing", func(t *testing.T) {
		s, again := open(t)
		first := mustPut(ctx, t, s, "one", "a/1/1", 0)
		second := mustPut(ctx, t, again(), "two", "b/2/1", first)
		if second <= first {
			t.Errorf("sequence went from %d to %d", first, second)
		}
		for _, expect := range []uint64{0, first, second + 1} {
			if _, err := s.Put(ctx, []byte("late"), "a/1/2", expect); err == nil {
				t.Errorf("put expecting %d while %d is stored succeeded", expect, second)
			}
		}
		if r, err := s.Get(ctx); err != nil || string(r.Data) != "two" || r.Sequence != second {
			t.Errorf("Get = %+v, %v; want the second state untouched", r, err)
		}
	})
	t.Run("of two that expect the same, one wins", func(t *testing.T) {
		s, again := open(t)
		first := mustPut(ctx, t, s, "one", "a/1/1", 0)
		results := make(chan error, 2)
		for _, h := range []bridge.Store{s, again()} {
			go func() {
				_, err := h.Put(ctx, []byte("next"), "x/1/2", first)
				results <- err
			}()
		}
		if a, b := <-results, <-results; (a == nil) == (b == nil) {
			t.Errorf("results %v and %v; want one success", a, b)
		}
	})
	t.Run("a state of the largest size is kept whole", func(t *testing.T) {
		s, _ := open(t)
		big := make([]byte, bridge.MaxState)
		for i := range big {
			big[i] = byte(i * 7)
		}
		mustPut(ctx, t, s, string(big), "a/1/1", 0)
		if r, err := s.Get(ctx); err != nil || string(r.Data) != string(big) {
			t.Errorf("read %d bytes back, %v; want %d unchanged", len(r.Data), err, len(big))
		}
	})
}

func mustPut(ctx context.Context, t *testing.T, s bridge.Store, data, token string, expect uint64) uint64 {
	t.Helper()
	seq, err := s.Put(ctx, []byte(data), token, expect)
	if err != nil {
		t.Fatalf("cannot put %q expecting %d: %v", data[:min(len(data), 10)], expect, err)
	}
	return seq
}
