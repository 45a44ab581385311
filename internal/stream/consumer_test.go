package stream

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/belfry-bridge/belfry/bridge"
)

// A connection that is cut between the answer of the server and the first pull must
// not leave a subscription behind.
func TestConsumerThatCannotAskLeavesNoSubscription(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	p := startProxy(t, n.URL())
	c := connect(t, p.url(), "a")
	c.prepare(t, 1)
	ctx := within(t, 20*time.Second)
	info, err := c.streamInfo(ctx, "SCHOOL")
	if err != nil {
		t.Fatal(err)
	}
	s := c.source("school")
	before := c.nc.NumSubscriptions()
	// The answer clears this condition: at that moment the connection goes.
	c.conditions.Set(Permissions, permissionAbout("publish", "$JS.API.CONSUMER.CREATE.SCHOOL.x"), "denied before")
	c.conditions.listen = func(cond bridge.Condition, active bool) {
		if cond.Name != string(Permissions) || active {
			return
		}
		gone := c.nc.StatusChanged(nats.RECONNECTING)
		_ = p.listener.Close()
		p.cut()
		<-gone
	}
	if _, err := openConsumer(ctx, s, "SCHOOL", []string{"SCHOOL.>"}, info.State.FirstSeq); err == nil {
		t.Error("a consumer is there although the connection is gone")
	}
	if after := c.nc.NumSubscriptions(); after != before {
		t.Errorf("%d subscriptions before, %d after", before, after)
	}
}
