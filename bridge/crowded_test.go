package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/bridge/bridgetest"
	"github.com/belfry-bridge/belfry/mapping"
)

// Nothing bounds what sends report while nobody takes the results: so none begins.
func TestNothingIsSentWhileTooManyResultsWait(t *testing.T) {
	inWorld(t, func(w *world) {
		down := w.publishNothing()
		w.provider.Answer = func(context.Context, int, bridge.Send) bridge.Outcome {
			return bridge.Outcome{Kind: bridge.NotSent, Message: "no byte of the request left", At: time.Now()}
		}
		for i := range 700 { // the ids of one result fill the outbox
			w.source.Append(time.Now(), mapping.Message{
				Subject: "lesson.cancelled", Header: map[string][]string{"Nats-Msg-Id": {fmt.Sprintf("id-%d-%s", i, random(240))}}, Data: fmt.Appendf(nil, `{"id":"k%d"}`, i),
			})
		}
		w.pass(time.Hour)
		w.wantSends(1)
		if s := w.bridge.Status(); s.Role != bridge.RoleOwner || s.Outbox == 0 || !strings.Contains(s.Digests[0].Why, "results that wait must be published") {
			t.Errorf("it is %s with %d results: %s", s.Role, s.Outbox, s.Digests[0].Why)
		}
		down.Store(false)
		w.pass(time.Hour)
		if n := len(w.provider.Sends()); n < 2 {
			t.Errorf("%d sends once the results are published", n)
		}
	})
}

// What the stream of results does not take, or the events' own does not give,
// must neither stop an app for good nor grow without an end.
func TestDeadLettersWhoseEventsCannotBeFetchedDoNotHoldTheAppUp(t *testing.T) {
	inWorld(t, func(w *world) {
		w.source.Fault = func() error { return errors.New("permissions violation") }
		w.cancelled("maths")
		for range 300 {
			w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: []byte(`{`)})
		}
		w.settle()
		w.pass(time.Hour)
		w.wantSends(1)
		gone := 0
		for _, p := range w.publisher.Published() {
			if strings.HasPrefix(p.Subject, "belfry.deadletter.") && strings.Contains(strings.Join(p.Header["Belfry-Gone"], ""), "could not be read") {
				gone++
			}
		}
		if gone == 0 || gone > 250 {
			t.Errorf("%d of 300 dead letters go without their bytes, want as many as make room", gone)
		}
		if w.trouble("deadletters.unpublished") == "" {
			t.Error("nothing says that the others wait")
		}
	})
}

// gappy is a stream whose front runs away from its reader.
type gappy struct{ bridge.Source }

func (gappy) Read(ctx context.Context, _ []string, _ []mapping.Source, from map[string]bridge.Checkpoint, out chan<- bridge.Batch) error {
	at := from["SCHOOL"]
	for {
		gap := &bridge.Gap{Stream: "SCHOOL", From: at.Sequence + 1, To: at.Sequence + 10, Why: "truncated", At: time.Now()}
		at.Sequence += 20
		select {
		case out <- bridge.Batch{Stream: "SCHOOL", Gap: gap, Checkpoint: at}:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestGapsWithoutEndWaitForTheirResults(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		down := w.publishNothing()
		w.startWith(func(c *bridge.Config) { c.Source = gappy{w.source} })
		w.pass(time.Hour)
		if n := w.bridge.Status().Outbox; n < 300 || n > 330 {
			t.Errorf("%d results wait, want about 320", n)
		}
		down.Store(false)
		w.pass(time.Minute)
		if n := w.bridge.Status().Outbox; n > 10 {
			t.Errorf("%d results wait a minute after they can be published", n)
		}
		w.pass(time.Minute)
		if got := w.results(); len(got) < 600 {
			t.Errorf("%d results, want those of the gaps that came later, too", len(got))
		}
		for i, from := range w.gapsTold() {
			if want := uint64(20*i + 1); from != want {
				t.Fatalf("the result after that of the gap from %d tells of the one from %d", want-20, from)
			}
		}
	})
}

func TestWhereAStreamWasBegunWithIsStoredBeforeItsFirstEvents(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settle()
		s, err := bridge.Decode("campus", w.store.Record().Data)
		if err != nil || len(s.Sources) != 1 {
			t.Errorf("right after the start the stored checkpoints are %v, %v", s.Sources, err)
		}
	})
}

// halfRead gives every second event only: its others are of a stream without a leader, say.
type halfRead struct{ *bridgetest.Source }

func (h halfRead) Get(ctx context.Context, stream string, sequence uint64) (mapping.Message, error) {
	if sequence%2 == 1 {
		return mapping.Message{}, errors.New("no leader")
	}
	return h.Source.Get(ctx, stream, sequence)
}

func TestDeadLettersOfWhichSomeCannotBeFetchedDoNotHoldTheAppUpEither(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.startWith(func(c *bridge.Config) { c.Source = halfRead{w.source} })
		w.cancelled("good")
		for range 300 {
			w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: []byte("{")})
		}
		w.settle()
		w.pass(15 * time.Minute)
		w.wantSends(1)
	})
}

func TestAFloodOfDeadLettersDoesNotFloodTheLog(t *testing.T) {
	inWorld(t, func(w *world) {
		for range 200 {
			w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: []byte("{")})
		}
		w.settle()
		w.pass(5 * time.Second)
		one, more := w.logged("an event went to the dead letters"), w.logged("further events went to the dead letters")
		if len(one) == 0 || len(one) > 40 || len(more) == 0 {
			t.Errorf("%d lines of one each and %d of the others", len(one), len(more))
		}
	})
}
