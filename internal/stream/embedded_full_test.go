package stream

import (
	"errors"
	"testing"
	"time"
)

// A disk cannot be filled here: the server's word for one is put into its log.
func TestTheServerIsStartedAnewOnceAFullDiskHasRoomAgain(t *testing.T) {
	t.Parallel()
	ctx := within(t, 30*time.Second)
	e, err := StartEmbedded(ctx, EmbeddedOptions{Dir: t.TempDir(), Logger: quiet(), lookEvery: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Shutdown)
	url, first := e.URL(), e.server
	store := provisioned(t, url, "a").Store("school")
	if _, err := store.Put(ctx, []byte("one"), "a/1/1", 0); err != nil {
		t.Fatal(err)
	}
	log := serverLog{quiet(), nil, &e.full, &e.limited}
	log.Errorf("JetStream failed to store a msg on stream 'BELFRY': disk quota exceeded")
	if e.refuses() {
		t.Error("any failure to store is taken for a full disk")
	}
	log.Errorf("JetStream failed to store a msg on stream 'BELFRY': write 1.blk: %v", errors.New("no space left on device"))
	first.WaitForShutdown()
	for {
		r, err := store.Get(ctx)
		if err == nil && string(r.Data) == "one" {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("the client does not come to the new server: %+v, %v", r, err)
		}
	}
	if got := e.URL(); got != url {
		t.Errorf("it is reached at %s, before at %s", got, url)
	}
	if e.refuses() {
		t.Error("the new server is said to refuse")
	}
}

// The limit of a server that was started on a full disk stays what it was then.
func TestTheServerIsStartedAnewOnceTheDiskHasMoreRoomThanItsLimitKnowsOf(t *testing.T) {
	t.Parallel()
	ctx := within(t, 30*time.Second)
	e, err := StartEmbedded(ctx, EmbeddedOptions{Dir: t.TempDir(), Logger: quiet(), lookEvery: 10 * time.Millisecond, limit: 2 << 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Shutdown)
	c := connect(t, e.URL(), "a")
	c.addStream(t, "school")
	event := make([]byte, 1<<10)
	refused := 0
	for stored := 0; stored < 4; {
		if _, err := c.js.Publish(within(t, time.Second), "school.closure", event); err == nil {
			stored++
			continue
		}
		if refused++; ctx.Err() != nil {
			t.Fatalf("nothing is stored any more, %d times", refused)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if refused == 0 {
		t.Error("the first server has no limit")
	}
	serverLog{quiet(), nil, &e.full, &e.limited}.Errorf("JetStream file resource limits exceeded for server")
	if e.refuses() {
		t.Error("a server whose limit is all that the disk has is started anew")
	}
}
