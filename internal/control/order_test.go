package control

import (
	"cmp"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

var now = time.Date(2026, 11, 2, 15, 0, 0, 0, time.UTC)

func TestOrdersAreAnsweredTruthfully(t *testing.T) {
	app := &mapping.App{
		Name: "campus", Quota: mapping.Quota{PerHour: 2, PerDay: 3},
		Audiences: map[string]*mapping.Audience{"students": {}}, Templates: map[string]*mapping.Template{"lessons": {}},
	}
	tests := []struct {
		name   string
		order  Order
		answer string // or the refusal
		spends int    // afterwards
	}{
		{"a send without a time", Order{Verb: Spend, ID: "sale-17"}, `give "at"`, 0},
		{"the same with its time", Order{Verb: Spend, ID: "sale-17", At: now.Add(-time.Minute)}, "recorded; it counts", 1},
		{"the same once more", Order{Verb: Spend, ID: "sale-17", At: now}, "recorded already, at 2026-11-02T14:59:00Z", 1},
		{"one without an id", Order{Verb: Spend, At: now.Add(-2 * time.Minute)}, "from 2026-11-02T14:58:00Z on, as external-1793631480000", 2},
		{"its end", Order{Verb: Unspend, ID: "external-1793631480000"}, "taken back", 1},
		{"its end again", Order{Verb: Unspend, ID: "external-1793631480000"}, "no such send is recorded", 1},
		{"the end of none", Order{Verb: Unspend}, "no such send is recorded", 1},
		{"the end of one of ours", Order{Verb: Unspend, ID: "own-1"}, "of this app's own", 1},
		{"one of ours", Order{Verb: Spend, ID: "own-1", At: now}, "of this app's own, which counts already", 1},
		{"one of just now", Order{Verb: Spend, Now: true, ID: "sale-18"}, "from 2026-11-02T15:00:00Z on, as sale-18", 2},
		{"which was a mistake", Order{Verb: Unspend, ID: "sale-18"}, "taken back", 1},
		{"one by a clock that is ahead", Order{Verb: Spend, ID: "sale-18", At: now.Add(4 * time.Minute)}, "recorded; it counts", 2},
		{"one that is to come", Order{Verb: Spend, At: now.Add(time.Hour)}, "in the future", 2},
		{"one of long ago", Order{Verb: Spend, At: now.AddDate(-6, 0, 0)}, "too long ago to count", 3},
		{"one by nobody", Order{Verb: Spend, At: now, By: " "}, `give "by", the name of who asks`, 3},
		{"one for no reason", Order{Verb: Spend, At: now, Why: "\n"}, `give "why"`, 3},
		{"a long story", Order{Verb: Spend, At: now, Why: strings.Repeat("x", 1001)}, `"why" has 1001 bytes, and may have 1000: shorten it`, 3},
		{"a long name", Order{Verb: Unmute, Mute: "x", By: strings.Repeat("x", 201)}, `"by" has 201 bytes, and may have 200`, 3},
		{"a long id", Order{Verb: Spend, At: now, ID: strings.Repeat("x", 201)}, `"id" has 201 bytes, and may have 200`, 3},
		{"the longest story and id", Order{Verb: Unspend, Why: strings.Repeat("x", 1000), ID: strings.Repeat("x", 200)}, "no such send is recorded", 3},
		{"a mute of nobody", Order{Verb: Mute, Audience: "studnets", Until: now.Add(time.Hour)}, `the audience "studnets": the rules of campus have students`, 3},
		{"a mute of nothing", Order{Verb: Mute, Template: "lesson", Until: now.Add(time.Hour)}, `the template "lesson": the rules of campus have lessons`, 3},
		{"a mute", Order{Verb: Mute, Audience: "students", Until: now.Add(time.Hour)}, "until 2026-11-02T16:00:00Z: audience students", 3},
		{"a mute for so long", Order{Verb: Mute, Seconds: 3900}, "until 2026-11-02T16:05:00Z: everything", 3},
		{"a mute of all", Order{Verb: Mute, Until: now.Add(time.Hour)}, "until 2026-11-02T16:00:00Z: everything", 3},
		{"the end of a mute that is none", Order{Verb: Unmute, Mute: "x"}, "no such mute", 3},
		{"a send of what waits", Order{Verb: Send, Digest: "d1", By: "ops", Why: "parents call"}, "students / lessons goes with the next send that is left, outside of quiet hours; it is muted until 2026-11-02T16:05:00Z (belfry unmute)", 3},
		{"the same again", Order{Verb: Send, Digest: "d1"}, "wanted at once already, by ops: parents call", 3},
		{"a send of what has gone", Order{Verb: Send, Digest: "d0"}, `cannot send "d0": no such digest waits`, 3},
		{"a send of an orphan", Order{Verb: Send, Digest: "d2"}, `the rules no longer have the audience "staff"`, 3},
		{"a long reason to send", Order{Verb: Send, Digest: "d1", Why: strings.Repeat("x", 201)}, `"why" has 201 bytes, and may have 200`, 3},
		{"a clock that is right", Order{Verb: Trust, By: "ops", Why: "NTP"}, "2026-11-02T15:00:00Z, is trusted", 3},
		{"a pause", Order{Verb: PauseIt, By: "ops", Why: "holidays"}, "paused; nothing is sent", 3},
		{"its end", Order{Verb: Resume}, "resumed", 3},
		{"the end of no pause", Order{Verb: Resume}, "neither paused nor backing off", 3},
		{"a pause again", Order{Verb: PauseIt, By: "ops", Why: "holidays"}, "paused; nothing is sent", 3},
		{"a send while it is paused", Order{Verb: Send, Digest: "d3"}, "(belfry unmute); the app is paused (belfry resume)", 3},
		{"a second pause", Order{Verb: PauseIt, By: "root", Why: "me too"}, "by ops: holidays", 3},
	}
	s := bridge.NewState("campus", "b0rn")
	s.Ledger.Charge("own-1", now.AddDate(0, -1, 0))
	s.Digests = []*bridge.Digest{{ID: "d2", Audience: "staff", Template: "lessons", Events: 1}, {ID: "d1", Audience: "students", Template: "lessons", Events: 1}, {ID: "d3", Audience: "students", Template: "lessons", Group: "7C", Events: 1}}
	for _, tt := range tests {
		tt.order.By, tt.order.Why = cmp.Or(tt.order.By, "ops"), cmp.Or(tt.order.Why, "a try")
		answer, err := tt.order.carryOut(s, app, now)
		if err != nil {
			answer.Text = err.Error()
		}
		if !strings.Contains(answer.Text, tt.answer) || len(s.Ledger.Spends) != tt.spends+1 {
			t.Errorf("%s: %+v and %d spends, want %q and %d", tt.name, answer, len(s.Ledger.Spends), tt.answer, tt.spends)
		}
		if muted := len(s.Mutes) > 0 && answer.Mute == s.Mutes[len(s.Mutes)-1].ID; err == nil && muted != (tt.order.Verb == Mute) {
			t.Errorf("%s: the answer names the mute %q, there are %+v", tt.name, answer.Mute, s.Mutes)
		}
	}
	d := &bridge.Digest{Audience: "students", Template: "lessons", Wanted: "by ops: parents call", Items: []mapping.Item{{Key: "a", Expires: now}, {Key: "b", Expires: now.Add(1)}}}
	s.Held = []*bridge.Broadcast{{ID: "b1", Digest: d}}
	answer, err := Order{Verb: Resolve, By: "ops", Broadcast: "b1"}.carryOut(s, app, now)
	if want := "the send is refunded; 1 item goes again; 1 has expired; it is wanted at once by ops: parents call, and goes with the next send that is left, outside of quiet hours; it is muted until 2026-11-02T16:05:00Z (belfry unmute); the app is paused (belfry resume)"; err != nil || !strings.Contains(answer.Text, want) {
		t.Errorf("resolved with %+v, %v; want %q", answer, err, want)
	}
	s.Held = []*bridge.Broadcast{{ID: "b2", Digest: &bridge.Digest{Audience: "staff", Template: "lessons", Items: []mapping.Item{{Key: "a", Expires: now.Add(1)}}}}}
	answer, err = Order{Verb: Resolve, By: "ops", Broadcast: "b2"}.carryOut(s, app, now)
	if want := `nothing of it goes again until the rules have a place for it: the rules no longer have the audience "staff"`; err != nil || !strings.Contains(answer.Text, want) {
		t.Errorf("resolved with %+v, %v; want %q", answer, err, want)
	}
	mute := Order{Verb: Mute, By: "ops", Why: "a try", Until: now.Add(time.Hour)}
	for len(s.Mutes) < maxMutes {
		if _, err := mute.carryOut(s, app, now); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := mute.carryOut(s, app, now); err == nil || !strings.Contains(err.Error(), "belfry unmute") {
		t.Errorf("one mute too many: %v", err)
	}
	if _, err := mute.carryOut(s, app, now.Add(30*time.Minute)); err == nil {
		t.Errorf("one mute too many, later: %v", err)
	}
	if s.Paused.Why != "by ops: holidays" || !s.Paused.Ordered {
		t.Errorf("the reason of the pause is now %q", s.Paused.Why)
	}
	late := now.Add(2 * time.Hour)
	if m := s.Muting(late); len(m) != 0 {
		t.Errorf("mutes that have run out are shown: %v", m)
	}
	if answer, err := (Order{Verb: Unmute, By: "ops", Mute: s.Mutes[0].ID}).carryOut(s, app, late); err == nil {
		t.Errorf("a mute that has run out: %+v", answer)
	}
}

func TestASendIsSaidToBeHeldByDoubts(t *testing.T) {
	app := &mapping.App{Name: "campus", Audiences: map[string]*mapping.Audience{"students": {}}, Templates: map[string]*mapping.Template{"lessons": {}}}
	s := bridge.NewState("campus", "b0rn")
	s.Digests, s.Held = []*bridge.Digest{{ID: "d1", Audience: "students", Template: "lessons", Events: 1}}, make([]*bridge.Broadcast, bridge.MaxInDoubt)
	answer, err := Order{Verb: Send, By: "ops", Why: "a try", Digest: "d1"}.carryOut(s, app, now)
	if err != nil || !strings.Contains(answer.Text, "16 broadcasts are in doubt") {
		t.Errorf("%v, %v", answer, err)
	}
}

func TestABackOffCanBeEnded(t *testing.T) {
	app := &mapping.App{Name: "campus", Quota: mapping.Quota{PerHour: 2, PerDay: 3}}
	s := bridge.NewState("campus", "b0rn")
	s.Backoff = &bridge.Backoff{Until: now.Add(time.Hour)}
	s.Ledger.Throttle(s.Backoff.Until)
	answer, err := Order{Verb: Resume, By: "ops"}.carryOut(s, app, now)
	if err != nil || !strings.Contains(answer.Text, "at once") || bridge.LimitsFor(app.Quota).Left(&s.Ledger, now) != 2 {
		t.Errorf("%+v, %v; the ledger has %+v", answer, err, s.Ledger)
	}
	s.Backoff = &bridge.Backoff{Until: now}
	if _, err := (Order{Verb: Resume, By: "ops"}).carryOut(s, app, now); err == nil {
		t.Error("a back-off that is over is ended")
	}
}

// The provider's day is not over where our clock is ahead of it.
func TestASendOfOthersIsSaidToCountForAsLongAsItDoes(t *testing.T) {
	app := &mapping.App{Name: "campus", Quota: mapping.Quota{PerHour: 2, PerDay: 3, Location: time.UTC}}
	for skew, want := range map[time.Duration]string{0: "too long ago", -16 * time.Hour: "it counts"} {
		s := bridge.NewState("campus", "b0rn")
		s.Ledger.Skew = skew
		o := Order{Verb: Spend, By: "ops", Why: "a try", At: now.Add(-16 * time.Hour)} // eleven in the evening
		if answer, err := o.carryOut(s, app, now); err != nil || !strings.Contains(answer.Text, want) {
			t.Errorf("the provider's clock %s ahead: %v, %v; want %q", skew, answer, err, want)
		}
	}
}
