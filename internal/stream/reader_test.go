package stream

import (
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

func TestReaderDeliversAStreamFromItsStartAndThenWhatComes(t *testing.T) {
	t.Parallel()
	c := provisioned(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	c.fill(t, "SCHOOL.lesson", 1, 12000)
	r := c.read(t, []string{"SCHOOL.>"}, fromStart("SCHOOL"), nil)
	r.untilMessages(12000)
	r.untilCaughtUp()
	c.fill(t, "SCHOOL.lesson", 12001, 12100)
	r.untilMessages(12100)
	r.wantRun(1, 12100)
	if got := r.checkpoint["SCHOOL"].Sequence; got != 12100 {
		t.Errorf("checkpoint %d, want 12100", got)
	}
}

func TestReaderOfAnEmptyStreamSaysAtOnceThatItHasCaughtUp(t *testing.T) {
	t.Parallel()
	c := provisioned(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	r := c.read(t, []string{"SCHOOL.>"}, nil, nil)
	r.untilCaughtUp()
	c.fill(t, "SCHOOL.lesson", 1, 3)
	r.untilMessages(3)
	r.wantRun(1, 3)
}


func TestLeaseIsTakenOverAfterRelease(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	a, b := provisioned(t, n.URL(), "a").Lease("school"), provisioned(t, n.URL(), "b").Lease("school")
	ctx := within(t, 20*time.Second)
	if _, err := a.Acquire(ctx); err != nil {
		t.Fatal(err)
	}
	if err := a.Release(ctx); err != nil {
		t.Fatal(err)
	}
	lost, err := b.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-lost:
		t.Error("lost at once")
	default:
	}
	if err := b.Release(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestPublisherStoresAnIDOnce(t *testing.T) {
	t.Parallel()
	c := provisioned(t, startNATS(t).URL(), "a")
	ctx := within(t, 20*time.Second)
	pub := bridge.Publication{ID: "r1", Subject: "belfry.result.school.all.sent", Data: []byte("{}")}
	for range 2 {
		if err := c.Publisher().Publish(ctx, pub); err != nil {
			t.Fatal(err)
		}
	}
	info, err := c.streamInfo(ctx, DefaultResultStream)
	if err != nil || info.State.Msgs != 1 {
		t.Errorf("stored %d messages, want 1 (%v)", info.State.Msgs, err)
	}
}
