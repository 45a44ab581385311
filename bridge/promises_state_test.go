package bridge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// Users are told apart also after the state was loaded, and within one event.
func TestAUserIsInADigestOnce(t *testing.T) {
	a := &account{app: compile(t, accountRules).App, s: bridge.NewState("campus", "born"), now: floodStart}
	a.event("personal", map[string]any{"id": "a", "users": []string{"u1", "u2", "u1"}})
	a.s.Seal(a.app, "replica", a.now)
	a.s.Epoch = 1
	var err error
	if a.s, err = bridge.Decode("campus", encoded(t, a.s)); err != nil {
		t.Fatal(err)
	}
	a.event("personal", map[string]any{"id": "b", "users": []string{"u2", "u3"}})
	if got := strings.Join(a.s.Digests[0].Users, " "); len(a.s.Digests) != 1 || got != "u1 u2 u3" {
		t.Errorf("%d digests, the first for %s", len(a.s.Digests), got)
	}
}

// A part that is full takes news for those whom it has; only others need another part.
func TestAFullPartTakesNewsForItsOwnUsers(t *testing.T) {
	a := &account{app: compile(t, accountRules).App, s: bridge.NewState("campus", "born"), now: floodStart}
	users := make([]string, 1000)
	for i := range users {
		users[i] = fmt.Sprint("u", i)
	}
	a.event("personal", map[string]any{"id": "a", "users": users})
	a.event("personal", map[string]any{"id": "b", "users": []string{"u7", "new", "new"}})
	if len(a.s.Digests) != 2 || len(a.s.Digests[0].Users) != 1000 || strings.Join(a.s.Digests[1].Users, " ") != "new" || a.s.Digests[0].Events != 2 {
		t.Errorf("%d digests: %+v", len(a.s.Digests), a.s.Digests)
	}
}

// What comes back finds a newer digest: of one key the newer news stay, and the
// window is that of the older.
func TestADigestThatComesBackIsMergedUnderTheNewer(t *testing.T) {
	a := &account{app: compile(t, accountRules).App, s: bridge.NewState("campus", "born"), now: floodStart}
	tell := func(id string) {
		a.event("lesson", map[string]any{"id": id, "group": "a", "also": false})
		a.now = a.now.Add(time.Minute)
	}
	for _, id := range []string{"k1", "k2", "k3", "k4"} { // keep is 3: k4 is counted only
		tell(id)
	}
	old := a.s.Digests[0]
	id, readyBy := old.ID, old.ReadyBy
	if _, _, err := a.s.Begin(a.app, old, "", a.now); err != nil {
		t.Fatal(err)
	}
	tell("k2")
	tell("k5")
	a.s.Settle(a.app, bridge.Outcome{Kind: bridge.NotSent, At: a.now}, a.now)
	d := a.s.Digests[0]
	var keys []string
	for i := range d.Items {
		keys = append(keys, d.Items[i].Key)
	}
	if len(a.s.Digests) != 1 || d.ID != id || !d.ReadyBy.Equal(readyBy) || !d.Opened.Equal(floodStart) || !d.Latest.Equal(floodStart.Add(5*time.Minute)) {
		t.Errorf("%d digests; %s opened %s, ready by %s (want %s), latest %s", len(a.s.Digests), d.ID, d.Opened, d.ReadyBy, readyBy, d.Latest)
	}
	if d.Events != 5 || d.Count() != 5 || d.Rules["lesson"] != 6 || a.s.Counts.Replaced != 1 {
		t.Errorf("%d events, %d keys, %d of the rule, %d replaced; kept are %v", d.Events, d.Count(), d.Rules["lesson"], a.s.Counts.Replaced, keys)
	}
	if last := d.View("campus", a.now).Last.Key; last == "" || !strings.Contains(last, "k5") {
		t.Errorf("the last is %q", last)
	}
}

// Nobody is left out, and no request has more ids than the provider takes, when
// what comes back finds others waiting: it becomes a part of its own.
func TestADigestForUsersThatComesBackBecomesAPartWhereTheyDoNotFit(t *testing.T) {
	a := &account{app: compile(t, accountRules).App, s: bridge.NewState("campus", "born"), now: floodStart}
	personal := func(id, prefix string) {
		users := make([]string, 700)
		for i := range users {
			users[i] = fmt.Sprint(prefix, i)
		}
		a.event("personal", map[string]any{"id": id, "users": users})
	}
	personal("a", "u")
	if _, _, err := a.s.Begin(a.app, a.s.Digests[0], "", a.now); err != nil {
		t.Fatal(err)
	}
	personal("b", "v")
	a.s.Settle(a.app, bridge.Outcome{Kind: bridge.NotSent, At: a.now}, a.now)
	if len(a.s.Digests) != 2 {
		t.Fatalf("%d digests, want 2", len(a.s.Digests))
	}
	for i, want := range []string{"v0", "u0"} {
		if d := a.s.Digests[i]; d.Part != i || len(d.Users) != 700 || d.Users[0] != want || d.Events != 1 {
			t.Errorf("digest %d is part %d, for %d users from %s on, of %d events", i, d.Part, len(d.Users), d.Users[0], d.Events)
		}
	}
	a.s.Epoch = 1
	a.s.Seal(a.app, "replica", a.now)
	if _, err := bridge.Decode("campus", encoded(t, a.s)); err != nil {
		t.Errorf("the state cannot be taken up: %v", err)
	}
}

// After a send that went well the next trouble is waited for as the first.
func TestASendThatWentWellEndsARowOfFailures(t *testing.T) {
	app := compile(t, accountRules).App
	for kind, again := range map[bridge.OutcomeKind]int{
		bridge.Accepted: 1, bridge.OutcomeRejected: 1, bridge.Doubtful: 1, bridge.NotSent: 3,
	} {
		a := &account{app: app, s: bridge.NewState("campus", "born"), now: floodStart}
		try := func(id string, kind bridge.OutcomeKind) {
			a.event("lesson", map[string]any{"id": id, "group": id, "also": false})
			if _, _, err := a.s.Begin(app, a.s.Digests[len(a.s.Digests)-1], "", a.now); err != nil {
				t.Fatal(err)
			}
			a.s.Settle(app, bridge.Outcome{Kind: kind, At: a.now, Host: "https://" + id}, a.now)
			if a.s.Host != "https://"+id {
				t.Errorf("the next send begins at %q", a.s.Host)
			}
		}
		try("a", bridge.NotSent)
		try("b", kind)
		if kind != bridge.NotSent && a.s.Backoff != nil {
			t.Errorf("%s leaves the back-off %+v", kind, a.s.Backoff)
		}
		try("c", bridge.NotSent)
		if b := a.s.Backoff; b == nil || b.Times != again {
			t.Errorf("after %s the back-off is %+v, want one of %d times", kind, b, again)
		}
	}
}

// Without ids a request would address the whole package.
func TestAnEventForNobodyIsForNobody(t *testing.T) {
	for name, data := range map[string]map[string]any{
		"an empty list": {"id": "x", "users": []string{}},
	} {
		a := &account{app: compile(t, accountRules).App, s: bridge.NewState("campus", "born"), now: floodStart}
		a.event("personal", data)
		if len(a.s.Digests) != 0 || a.s.Failed["personal"] != 1 || a.s.Counts.Items != 0 {
			t.Errorf("%s: %d digests, %d items, failures %v", name, len(a.s.Digests), a.s.Counts.Items, a.s.Failed)
		}
	}
}

// News with the same key in another digest replace nothing of what is under way.
func TestNewsOfAnotherGroupReplaceNothingUnderWay(t *testing.T) {
	a := &account{app: compile(t, accountRules).App, s: bridge.NewState("campus", "born"), now: floodStart}
	a.event("lesson", map[string]any{"id": "x", "group": "a", "also": false})
	if _, _, err := a.s.Begin(a.app, a.s.Digests[0], "", a.now); err != nil {
		t.Fatal(err)
	}
	a.event("lesson", map[string]any{"id": "x", "group": "b", "also": false})
	a.s.Settle(a.app, bridge.Outcome{Kind: bridge.NotSent, At: a.now}, a.now)
	if len(a.s.Digests) != 2 || a.s.Counts.Replaced != 0 {
		t.Errorf("%d digests, %d replaced; want both", len(a.s.Digests), a.s.Counts.Replaced)
	}
}

// Two audiences of single users know nothing of each other.
func TestNewsForUsersOfOneAudienceReplaceNothingInAnother(t *testing.T) {
	app := compile(t, strings.Replace(strings.Replace(accountRules, "audiences:\n", "audiences:\n  other: {app: campus, package: com.example.student, platforms: [ios], users: event.data.users}\n", 1),
		"rules:\n", "rules:\n  - {name: second, on: second, audience: other, template: lessons, key: event.data.id, with: {id: event.data.id}, item: \"{{ .id }}\"}\n", 1)).App
	a := &account{app: app, s: bridge.NewState("campus", "born"), now: floodStart}
	users := make([]string, 1500)
	for i := range users {
		users[i] = fmt.Sprint("u", i)
	}
	a.event("personal", map[string]any{"id": "x", "users": users}) // two parts
	a.event("second", map[string]any{"id": "x", "users": []string{"u1200"}})
	if n := len(a.s.Digests); n != 3 || a.s.Digests[0].Audience != "other" || a.s.Digests[0].Part != 0 {
		t.Errorf("%d digests, the first is part %d for %s", n, a.s.Digests[0].Part, a.s.Digests[0].Audience)
	}
}

// A cancellation takes back the items of the rules that it names, and no others.
func TestACancellationLeavesTheItemsOfOtherRules(t *testing.T) {
	app := compile(t, strings.Replace(accountRules, "rules:\n",
		"rules:\n  - {name: other, on: room, audience: students, template: lessons, key: event.data.id, group_by: event.data.group, item: \"{{ .data.id }}\"}\n", 1)).App
	a := &account{app: app, s: bridge.NewState("campus", "born"), now: floodStart}
	for i := range 6 { // keep is 3: of the others only the keys are known
		a.event("room", map[string]any{"id": fmt.Sprint("k", i), "group": "a"})
	}
	a.event("lesson", map[string]any{"id": "own", "group": "a", "also": false}) // so that the digest has an item of a rule that is named
	for i := range 6 {
		a.event("restored", map[string]any{"id": fmt.Sprint("k", i)})
	}
	if a.s.Counts.Cancelled != 0 || a.s.Digests[0].Events != 7 {
		t.Errorf("%d cancelled, %d of 7 events are left", a.s.Counts.Cancelled, a.s.Digests[0].Events)
	}
	a.event("restored", map[string]any{"id": "own"})
	if a.s.Counts.Cancelled != 1 || a.s.Digests[0].Events != 6 {
		t.Errorf("%d cancelled, %d of 6 events are left", a.s.Counts.Cancelled, a.s.Digests[0].Events)
	}
}

// Headers by which a server decides are the event's own, and none of its dead letter's.
func TestADeadLetterDoesNotTakeOverWhatServersGoBy(t *testing.T) {
	d := bridge.DeadLetter{App: "campus", Stream: "S", Sequence: 7, Subject: "x", Reason: "undecodable"}
	p := d.Publication("id", &mapping.Message{Header: map[string][]string{
		"Nats-Msg-Id": {"1"}, "Nats-Expected-Stream": {"S"}, "Nats-TTL": {"1s"}, "Belfry-App": {"forged"}, "Own": {"kept"},
	}}, "")
	for name := range p.Header {
		if strings.HasPrefix(name, "Nats-") && name != "Nats-Msg-Id" {
			t.Errorf("it has the header %s: %v", name, p.Header[name])
		}
	}
	if id := p.Header["Nats-Msg-Id"]; len(id) > 0 && id[0] == "1" {
		t.Error("it has the event's id")
	}
	if p.Header["Belfry-App"][0] != "campus" || p.Header["Own"][0] != "kept" {
		t.Errorf("headers %v", p.Header)
	}
}

func TestAMuteIsOfItsTemplateAndForItsTime(t *testing.T) {
	s := bridge.NewState("campus", "born")
	s.Mute(bridge.Mute{Audience: "students", Template: "fees", Until: floodStart.Add(time.Hour)})
	for _, tt := range []struct {
		audience, template string
		after              time.Duration
		want               bool
	}{{"students", "fees", 0, true}, {"students", "lessons", 0, false}, {"staff", "fees", 0, false}, {"students", "fees", time.Hour, false}} {
		if _, muted := s.MutedUntil(&bridge.Digest{Audience: tt.audience, Template: tt.template}, floodStart.Add(tt.after)); muted != tt.want {
			t.Errorf("%+v: muted is %t", tt, muted)
		}
	}
}
