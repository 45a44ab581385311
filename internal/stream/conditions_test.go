package stream

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

func TestConditionsTellWhenTroubleBeginsAndEndsAndKeepSinceWhen(t *testing.T) {
	t.Parallel()
	now := time.Unix(100, 0)
	var news []string
	var c *Conditions
	c = NewConditions(func() time.Time { return now }, func(cond bridge.Condition, active bool) {
		news = append(news, fmt.Sprint(active, " ", cond.Name, " ", cond.About, " of ", len(c.Active())))
	})
	c.Set(StreamMissing, "A", "first")
	now = now.Add(time.Minute)
	c.Set(StreamMissing, "A", "second")
	c.Set(StreamMissing, "B", "")
	if held, ok := c.Find(StreamMissing, "A"); !ok || held.Message != "second" || !held.Since.Equal(time.Unix(100, 0)) {
		t.Errorf("A is %+v, %v", held, ok)
	}
	c.Clear(StreamMissing, "A")
	c.Clear(StreamMissing, "A")
	c.Set(Permissions, "x", "")
	c.ClearAll(StreamMissing)
	want := []string{
		"true stream.missing A of 1", "true stream.missing B of 2",
		"false stream.missing A of 1", "true nats.permissions x of 2", "false stream.missing B of 1",
	}
	if !slices.Equal(news, want) {
		t.Errorf("news %q, want %q", news, want)
	}
}

func TestConditionsAreBounded(t *testing.T) {
	t.Parallel()
	c := NewConditions(time.Now, nil)
	for i := range 10 * maxConditions {
		c.Set(Permissions, fmt.Sprint(i), "")
	}
	if n := len(c.Active()); n != maxConditions {
		t.Errorf("%d conditions, want %d", n, maxConditions)
	}
	c.Set(Disconnected, "", "") // what readiness is read off
	if _, held := c.Find(Disconnected, ""); !held {
		t.Error("among so many conditions there is no room to say that the connection is lost")
	}
}
