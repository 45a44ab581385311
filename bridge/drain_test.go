package bridge_test

import (
	"context"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

type slow struct{ bridge.Publisher }

func (s slow) Publish(ctx context.Context, p bridge.Publication) error {
	time.Sleep(100 * time.Millisecond)
	return s.Publisher.Publish(ctx, p)
}

func TestWhatWasPublishedWhileItDrainsIsNotLeftToTheNextOwner(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.startWith(func(c *bridge.Config) { c.Publisher = slow{w.publisher} })
		for range 100 {
			w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: []byte("nonsense")})
		}
		w.pass(2 * time.Second)
		w.end()
		done := len(w.publisher.Published())
		s, err := bridge.Decode(w.rules.App.Name, w.store.Record().Data)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Outbox) > 100-done+1 {
			t.Errorf("%d of 100 were published, and %d wait for the next owner", done, len(s.Outbox))
		}
		w.start()
	})
}
