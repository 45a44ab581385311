package stream

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
)

func TestPublisherStoresAnIDOnce(t *testing.T) {
	t.Parallel()
	c := provisioned(t, startNATS(t).URL(), "a")
	ctx := within(t, 20*time.Second)
	header := map[string][]string{"Content-Type": {"application/cloudevents+json"}}
	pub := bridge.Publication{ID: "r1", Subject: "belfry.result.school.all.sent", Header: header, Data: []byte("{}")}
	for range 2 {
		if err := c.Publisher().Publish(ctx, pub); err != nil {
			t.Fatal(err)
		}
	}
	msg, err := c.readStored(ctx, DefaultResultStream, storedRequest{LastFor: pub.Subject})
	if err != nil {
		t.Fatal(err)
	}
	if msg.Sequence != 1 || msg.Header.Get("Content-Type") != "application/cloudevents+json" || string(msg.Data) != "{}" {
		t.Errorf("stored %+v", msg)
	}
	if len(header) != 1 {
		t.Errorf("the caller's header was changed: %v", header)
	}
}

func TestLatestResultOfAnApp(t *testing.T) {
	t.Parallel()
	c := provisioned(t, startNATS(t).URL(), "a")
	ctx := within(t, 20*time.Second)
	began := time.Now().Add(-time.Second)
	for _, subject := range []string{"belfry.result.school.all.sent", "belfry.deadletter.shop"} {
		if err := c.Publisher().Publish(ctx, bridge.Publication{ID: subject, Subject: subject, Data: []byte("{}"), Header: map[string][]string{bridge.CommitHeader: {"born/a/1/2"}}}); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := c.Publisher().Latest(ctx, "school"); err != nil || r.At.Before(began) || r.At.After(time.Now().Add(time.Second)) || r.Commit != "born/a/1/2" {
		t.Errorf("the latest result of school is %+v (%v), want one of just now", r, err)
	}
	if r, err := c.Publisher().Latest(ctx, "shop"); err != nil || r != (bridge.LatestResult{}) {
		t.Errorf("the latest result of an app that has none: %+v, %v", r, err)
	}
	c.deleteStream(t, DefaultResultStream)
	if r, err := c.Publisher().Latest(ctx, "school"); err != nil || r != (bridge.LatestResult{}) {
		t.Errorf("the latest result without a stream: %+v, %v", r, err)
	}
}

func TestPublicationThatNoStreamCanTakeIsPermanent(t *testing.T) {
	t.Parallel()
	c := provisioned(t, startNATS(t).URL(), "a")
	err := c.Publisher().Publish(within(t, 10*time.Second), bridge.Publication{ID: "r1", Subject: "belfry.deadletter.school", Data: make([]byte, 2<<20)})
	if !errors.Is(err, ErrPermanent) {
		t.Errorf("Publish of 2 MiB: %v", err)
	}
}

func TestResultStreamThatIsGoneComesBackWhenItIsNeeded(t *testing.T) {
	t.Parallel()
	for name, listens := range map[string]bool{"nobody listens": false, "a subscriber listens": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := provisioned(t, startNATS(t).URL(), "a")
			ctx := within(t, 20*time.Second)
			if listens {
				if _, err := c.nc.SubscribeSync(ResultSubjects + ">"); err != nil {
					t.Fatal(err)
				}
			}
			c.deleteStream(t, DefaultResultStream)
			pub := bridge.Publication{ID: "r1", Subject: "belfry.result.school.all.sent"}
			if err := c.Publisher().Publish(ctx, pub); err == nil {
				t.Error("published into nothing")
			}
			c.waitFor(t, "+results.unavailable ")
			if err := c.Publisher().Publish(ctx, pub); err != nil {
				t.Error(err)
			}
			c.waitFor(t, "-results.unavailable ")
		})
	}
}

// What is tried again for ever would hold up all results after it.
func TestWhatTheStreamCanNeverTakeIsPermanent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err       error
		permanent bool
	}{
		{nats.ErrMaxPayload, true},
		{nats.ErrBadSubject, true},
		{&jetstream.APIError{ErrorCode: codeMessageTooLarge}, true},
		{&jetstream.APIError{ErrorCode: codeHeadersTooLarge}, true},
		{&jetstream.APIError{ErrorCode: codeStreamBytesExceeded}, false},
		{nats.ErrTimeout, false},
		{nats.ErrConnectionClosed, false},
	} {
		conditions := NewConditions(time.Now, nil)
		p := &publisher{&JetStream{cfg: Config{Conditions: conditions}}}
		err := p.judge(t.Context(), "belfry.result.school", c.err)
		_, told := conditions.Find(ResultsUnavailable, "")
		if !errors.Is(err, c.err) || errors.Is(err, ErrPermanent) != c.permanent || told == c.permanent {
			t.Errorf("%v: %v, told %t", c.err, err, told)
		}
		if err := p.judge(t.Context(), "belfry.result.school", nil); err != nil || len(conditions.Active()) > 0 {
			t.Errorf("once it is stored: %v, %v", err, conditions.Active())
		}
	}
}
