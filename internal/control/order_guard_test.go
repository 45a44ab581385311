package control

import (
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

func TestTrustInTheClockReachesTheLedger(t *testing.T) {
	app := &mapping.App{Name: "campus", Quota: mapping.Quota{PerHour: 1, PerDay: 3}}
	s := bridge.NewState("campus", "b0rn")
	s.Ledger.Charge("own", now.Add(24*time.Hour)) // the clock was ahead
	limits := bridge.LimitsFor(app.Quota)
	if _, err := (Order{Verb: Trust, By: "ops", Why: "NTP"}).carryOut(s, app, now); err != nil {
		t.Fatal(err)
	}
	if free := limits.Next(&s.Ledger, now); free.After(now.Add(2 * time.Hour)) {
		t.Errorf("the next send is left at %s", free)
	}
}

// Whose clock is behind does not know when that moment is.
func TestASendOfThisMomentCountsLongerWhereTheClockIsBehind(t *testing.T) {
	app := &mapping.App{Name: "campus", Quota: mapping.Quota{PerHour: 1, PerDay: 3}}
	for _, c := range []struct {
		name   string
		order  Order
		unsure bool
	}{
		{"now", Order{Verb: Spend, Now: true}, true},
		{"at a time", Order{Verb: Spend, At: now}, false},
	} {
		s := bridge.NewState("campus", "b0rn")
		s.Ledger.Seen = now.Add(time.Hour)
		c.order.By, c.order.Why, c.order.ID = "ops", "a try", "sale"
		if _, err := c.order.carryOut(s, app, now); err != nil {
			t.Fatal(err)
		}
		if spend, ok := s.Ledger.Find("sale"); !ok || spend.Unsure != c.unsure {
			t.Errorf("%s: %+v", c.name, spend)
		}
	}
}

func TestAMuteEndsLater(t *testing.T) {
	app := &mapping.App{Name: "campus"}
	for _, c := range []struct {
		name  string
		order Order
		until time.Time // zero: it is refused
	}{
		{"by now", Order{Until: now}, time.Time{}},
		{"without an end", Order{}, time.Time{}},
		{"for less than nothing", Order{Seconds: -1}, time.Time{}},
		{"for a second", Order{Seconds: 1}, now.Add(time.Second)},
		{"until a time, which is said to be for so long", Order{Until: now.Add(time.Hour), Seconds: 1}, now.Add(time.Hour)},
	} {
		s := bridge.NewState("campus", "b0rn")
		c.order.Verb, c.order.By, c.order.Why = Mute, "ops", "a try"
		_, err := c.order.carryOut(s, app, now)
		if c.until.IsZero() {
			if err == nil || !strings.Contains(err.Error(), "it is past") || len(s.Mutes) > 0 {
				t.Errorf("%s: %v, %+v", c.name, err, s.Mutes)
			}
			continue
		}
		if err != nil || len(s.Mutes) != 1 || !s.Mutes[0].Until.Equal(c.until) {
			t.Errorf("%s: %v, %+v", c.name, err, s.Mutes)
		}
	}
}

func TestASendIsRefundedWhenItsDoubtEndsAsNotSent(t *testing.T) {
	app := &mapping.App{
		Name: "campus", Quota: mapping.Quota{PerHour: 2, PerDay: 3, CountRejected: true},
		Audiences: map[string]*mapping.Audience{"students": {}}, Templates: map[string]*mapping.Template{"lessons": {}},
	}
	for _, c := range []struct {
		name    string
		outcome *bridge.Outcome
		sent    bool
		want    string
		spends  int
	}{
		{"an answer that says nothing", &bridge.Outcome{Kind: bridge.Doubtful, HTTPStatus: 504}, false, "b1 counts as not sent, the send is refunded; its items are back in their digest", 0},
		{"no answer", &bridge.Outcome{Kind: bridge.Doubtful}, false, "b1 counts as not sent, the send is refunded; its items are back in their digest", 0},
		{"its owner was lost with the answer", &bridge.Outcome{Kind: bridge.Doubtful, Lost: true}, false, "b1 counts as not sent, the send is refunded; its items are back in their digest", 0},
		{"it was sent", &bridge.Outcome{Kind: bridge.Doubtful}, true, "b1 counts as sent", 1},
	} {
		s := bridge.NewState("campus", "b0rn")
		s.Ledger.Charge("b1", now.Add(-time.Minute))
		d := func() *bridge.Digest {
			return &bridge.Digest{Audience: "students", Template: "lessons", Items: []mapping.Item{{Key: "a", Expires: now.Add(time.Hour)}}}
		}
		s.Held = []*bridge.Broadcast{{ID: "b0", Digest: d()}, {ID: "b1", Digest: d(), Outcome: c.outcome}}
		answer, err := Order{Verb: Resolve, By: "ops", Broadcast: "b1", Sent: c.sent}.carryOut(s, app, now)
		if err != nil || answer.Text != c.want || len(s.Ledger.Spends) != c.spends || len(s.Held) != 1 {
			t.Errorf("%s: %+v, %v, %d spends, %d in doubt", c.name, answer, err, len(s.Ledger.Spends), len(s.Held))
		}
	}
	s := bridge.NewState("campus", "b0rn")
	if answer, err := (Order{Verb: Resolve, By: "ops", Broadcast: "b1"}).carryOut(s, app, now); err == nil {
		t.Errorf("the end of a doubt that is none: %+v", answer)
	}
}
