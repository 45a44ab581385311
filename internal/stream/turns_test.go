package stream

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/mapping"
)

func TestStreamsTakeTurnsByTheTimeOfTheirNextEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := func(s int) time.Time { return time.Unix(int64(s), 0) }
		order := newTurns(5 * time.Second)
		order.behind("a")
		order.behind("b")
		var mu sync.Mutex
		var got []string
		hand := func(stream string, events ...int) {
			for i, e := range events {
				if _, err := order.wait(t.Context(), stream, at(e), 0); err != nil {
					t.Error(err)
				}
				mu.Lock()
				got = append(got, fmt.Sprint(stream, e))
				mu.Unlock()
				if i == len(events)-1 {
					order.done(stream)
				} else {
					order.behind(stream)
				}
			}
		}
		go hand("a", 2, 5, 6, 9)
		go hand("b", 1, 5, 7)
		synctest.Wait()
		first, last := fmt.Sprint(got[:2]), fmt.Sprint(got[4:])
		if len(got) != 7 || first != "[b1 a2]" || last != "[a6 b7 a9]" {
			t.Errorf("they come as %v", got)
		}

		order.behind("c") // which says nothing
		began := time.Now()
		if until, err := order.wait(t.Context(), "a", at(20), 0); err != nil || !until.IsZero() || time.Since(began) != 5*time.Second {
			t.Errorf("a stream that says nothing is waited for for %s, then until %s, %v", time.Since(began), until, err)
		}
		order.behind("c") // still
		began = time.Now()
		if _, err := order.wait(t.Context(), "a", at(21), 0); err != nil || time.Since(began) != 0 {
			t.Errorf("and again for %s, %v", time.Since(began), err)
		}
		order.done("a")
		hand("c", 22)
		order.behind("b")
		began = time.Now()
		if _, err := order.wait(t.Context(), "a", at(23), 2*time.Second); err != nil || time.Since(began) != 2*time.Second {
			t.Errorf("with a limit of two seconds it waits for %s, %v", time.Since(began), err)
		}
		order.behind("b")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := order.wait(ctx, "a", at(23), 0); err == nil {
			t.Error("it waits although it was told to stop")
		}
	})
}

// What has piled up in two streams while nobody read them comes in the order in which it was stored.
func TestWhatHasPiledUpInSeveralStreamsComesInItsOrder(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	ctx := within(t, 60*time.Second)
	var named []mapping.Source
	for _, name := range []string{"ITEMS", "CANCELS", "MORE"} {
		c.addStream(t, name, func(cfg *jetstream.StreamConfig) { cfg.Storage = jetstream.MemoryStorage })
		named = append(named, fromStart(name)...)
	}
	n := 0
	publish := func(subject string, size int) {
		n++
		data := fmt.Appendf(nil, "%d", n)
		if _, err := c.js.Publish(ctx, subject, append(data, make([]byte, size)...)); err != nil {
			t.Fatal(err)
		}
	}
	for range 300 {
		publish("ITEMS.x", 3000)
	}
	for range 300 {
		publish("CANCELS.x", 0)
	}
	for i := range 300 {
		publish([]string{"ITEMS.x", "MORE.x", "CANCELS.x"}[i%3], 100)
	}
	r := c.read(t, []string{"ITEMS.>", "CANCELS.>", "MORE.>"}, named, nil)
	r.untilMessages(n)
	for i := range r.messages[1:] {
		if a, b := r.messages[i], r.messages[i+1]; b.Time.Before(a.Time) {
			t.Fatalf("%s %d of %s comes after %s %d of %s", b.Stream, b.Sequence, b.Time, a.Stream, a.Sequence, a.Time)
		}
	}
	publish("MORE.x", 0)
	publish("ITEMS.x", 0)
	r.untilMessages(n)
}

// A connection that is lost and comes back says nothing about who is behind.
func TestTheOrderSurvivesAReconnection(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	c := connect(t, n.URL(), "a")
	ctx := within(t, 60*time.Second)
	var named []mapping.Source
	for _, name := range []string{"ITEMS", "CANCELS"} {
		c.addStream(t, name)
		named = append(named, fromStart(name)...)
	}
	publish := func(subject string, count int) {
		for i := range count {
			if _, err := c.js.PublishAsync(subject, []byte("1")); err != nil {
				t.Fatal(err)
			}
			if i%1000 == 999 {
				<-c.js.PublishAsyncComplete()
			}
		}
		<-c.js.PublishAsyncComplete()
	}
	const items, cancels = 30_000, 3_000
	publish("ITEMS.x", items)
	publish("CANCELS.x", cancels)
	r := c.read(t, []string{"ITEMS.>", "CANCELS.>"}, named, nil)
	r.untilMessages(2000)
	n.stop()
	n.start()
	r.untilMessages(items + cancels)
	if ctx.Err() != nil {
		t.Fatal(ctx.Err())
	}
	r.wantItemsFirst(items)
}

// As in a commit that takes long: who can't hand over what it has is not silent.
func TestAReceiverThatIsBusyDoesNotChangeTheOrder(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	var named []mapping.Source
	for _, name := range []string{"ITEMS", "CANCELS"} {
		c.addStream(t, name)
		named = append(named, fromStart(name)...)
	}
	c.fill(t, "ITEMS.x", 1, 200)
	c.fill(t, "CANCELS.x", 1, 10)
	r := c.read(t, []string{"ITEMS.>", "CANCELS.>"}, named, nil, func(times *readerTimes) { times.turn = 300 * time.Millisecond })
	busy := time.After(time.Second)
	r.until("the first batch", func() bool { return len(r.checkpoint) > 0 })
	<-busy // what follows waits for the receiver
	r.untilMessages(210)
	r.wantItemsFirst(200)
}

// wantItemsFirst fails unless what is cancelled came before what cancels it.
func (r *reading) wantItemsFirst(items int) {
	r.t.Helper()
	for i, m := range r.messages {
		if late := m.Stream == "CANCELS"; late != (i >= items) {
			r.t.Fatalf("message %d is %d of %s", i, m.Sequence, m.Stream)
		}
	}
}
