package bridge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

func TestWhatWaitsForSingleUsersIsNeverSentToAllNorTheOtherWayRound(t *testing.T) {
	const forAll, forOne = `package: com.example.student, platforms`, `users: event.data.users, platforms`
	for name, c := range map[string]struct{ before, after, why string }{
		"users, then a package": {forOne, forAll, "it is for single users, whom the rules no longer address"},
		"a package, then users": {forAll, forOne, `it is for all of the audience "students", whom the rules no longer address`},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				tell := func(id string) {
					w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: []byte(`{"id":"` + id + `","users":["ann"]}`)})
					w.settle()
				}
				use := func(audience string) bridge.Rules {
					return compile(t, strings.Replace(scenarioRules, forAll, audience, 1))
				}
				w.end()
				w.rules = use(c.before)
				w.start()
				tell("old")
				w.bridge.Reload(use(c.after))
				w.settle()
				tell("new")
				w.pass(5 * time.Hour)
				w.wantSends(1)
				if got := w.said(1); got != "[new]+0" {
					t.Errorf("said %s", got)
				}
				if s := w.bridge.Status(); len(s.Digests) != 1 || s.Digests[0].State != bridge.StateOrphaned || !strings.Contains(s.Digests[0].Why, c.why) {
					t.Errorf("left are %+v, want one that says %q", s.Digests, c.why)
				}
				w.end()
				w.start() // under the rules of the beginning
				w.pass(3 * time.Minute)
				w.wantSends(2)
				if got := w.said(2); got != "[old]+0" {
					t.Errorf("said %s", got)
				}
			})
		})
	}
}

func TestAnEventForMoreUsersThanABroadcastTakesReachesThemAll(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.rules = compile(t, strings.Replace(scenarioRules, `package: com.example.student, platforms`, `users: event.data.users, platforms`, 1))
		w.start()
		ids := make([]string, 1001)
		for i := range ids {
			ids[i] = fmt.Sprint("u", i)
		}
		data, err := json.Marshal(map[string]any{"id": "maths", "users": ids})
		if err != nil {
			t.Fatal(err)
		}
		w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: data})
		w.pass(3 * time.Minute)
		w.wantSends(2)
		reached := map[string]bool{}
		for _, s := range w.provider.Sends() {
			var body mapping.Request
			if err := json.Unmarshal(s.Body, &body); err != nil {
				t.Fatal(err)
			}
			for _, id := range body.Audience.UserID {
				reached[id] = true
			}
		}
		if len(reached) != len(ids) {
			t.Errorf("%d of %d users are reached", len(reached), len(ids))
		}
	})
}

func TestUsersWhomNewerNewsDoNotReachAreNotForgotten(t *testing.T) {
	for _, tt := range []struct{ users, want string }{{`"ann","bob"`, "ann bob"}, {`"bob"`, "ann bob"}} {
		inWorld(t, func(w *world) {
			w.end()
			w.rules = compile(t, strings.Replace(scenarioRules, `package: com.example.student, platforms`, `users: event.data.users, platforms`, 1))
			w.start()
			fail := make(chan struct{})
			w.provider.Answer = func(_ context.Context, n int, _ bridge.Send) bridge.Outcome {
				if n > 1 {
					return bridge.Outcome{Kind: bridge.Accepted, At: time.Now()}
				}
				<-fail
				return bridge.Outcome{Kind: bridge.NotSent, Message: "connection refused", At: time.Now()}
			}
			tell := func(users string) {
				w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: []byte(`{"id":"maths","users":[` + users + `]}`)})
				w.settle()
			}
			tell(`"ann"`)
			w.pass(3 * time.Minute)
			w.wantSends(1)
			tell(tt.users)
			close(fail)
			w.pass(10 * time.Minute)
			w.wantSends(2)
			var body mapping.Request
			if err := json.Unmarshal(w.provider.Sends()[1].Body, &body); err != nil {
				t.Fatal(err)
			}
			slices.Sort(body.Audience.UserID)
			if got := strings.Join(body.Audience.UserID, " "); got != tt.want {
				t.Errorf("newer news for %s: sent to %s, want %s", tt.users, got, tt.want)
			}
		})
	}
}

// In which part of an audience newer news are does not matter.
func TestNewerNewsInAnotherPartReplaceWhatIsInDoubt(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.rules = compile(t, strings.NewReplacer(`package: com.example.student, platforms`, `users: event.data.users, platforms`,
			"{{ .data.id }}", "{{ .data.text }}", "quota: {policy: asap}", "quota: {policy: asap, per_hour: 20, per_day: 20}").Replace(scenarioRules))
		w.provider.Answer = func(_ context.Context, n int, s bridge.Send) bridge.Outcome {
			if n <= 2 && !strings.Contains(string(s.Body), "other") {
				return bridge.Outcome{Kind: bridge.Doubtful, Message: "no answer", At: time.Now()}
			}
			return bridge.Outcome{Kind: bridge.Accepted, At: time.Now()}
		}
		w.start()
		tell := func(id, text string, users ...string) {
			data, err := json.Marshal(map[string]any{"id": id, "text": text, "users": users})
			if err != nil {
				t.Fatal(err)
			}
			w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: data})
			w.settle()
		}
		many := make([]string, 1000)
		for i := range many {
			many[i] = fmt.Sprint(i)
		}
		tell("other", "other", many...)
		tell("gate", "until ten", "ann") // into the second part
		w.pass(3 * time.Minute)
		tell("gate", "all day", "ann") // into the first
		w.pass(3 * time.Minute)
		b := w.bridge.Status().InDoubt[0]
		if b.Fates.Replaced != 1 {
			t.Errorf("fates %+v", b.Fates)
		}
		w.notSent(b.ID)
		w.pass(2 * time.Hour)
		w.wantSends(3)
	})
}

// A correction for somebody whom the old news have not reached yet takes their
// place, in whichever part they wait.
func TestNewerNewsForUsersOfALaterPartDoNotGoBeforeTheOldOnes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.rules = compile(t, strings.NewReplacer(`package: com.example.student, platforms`, `users: event.data.users, platforms`,
			`item: "{{ .data.id }}"`, `with: {text: event.data.text}, item: "{{ .data.text }}"`, "quota: {policy: asap}", "quota: {policy: asap, per_hour: 1}").Replace(scenarioRules)+
			"  - {name: urgent, on: lesson.urgent, audience: students, template: lessons, key: event.data.id, priority: urgent, gather: {at_most: 30s}, with: {text: event.data.text}, item: \"{{ .data.text }}\"}\n")
		w.start()
		ids := make([]string, 1500)
		for i := range ids {
			ids[i] = fmt.Sprint("u", i)
		}
		tell := func(subject, text string, users []string) {
			data, err := json.Marshal(map[string]any{"id": "gate", "text": text, "users": users})
			if err != nil {
				t.Fatal(err)
			}
			w.source.Append(time.Now(), mapping.Message{Subject: subject, Data: data})
			w.settle()
		}
		tell("lesson.cancelled", "open until ten", ids)
		w.pass(3 * time.Minute)
		w.wantSends(1) // the second part waits for the hour
		tell("lesson.urgent", "closed all day", ids[1400:1402])
		w.pass(4 * time.Hour)
		w.wantSends(2)
		if got := string(w.provider.Sends()[1].Body); !strings.Contains(got, "closed all day") || strings.Contains(got, "until ten") {
			t.Errorf("the second part reads %s", got)
		}
		if c := w.bridge.Status().Counts; c.Items != 3 || c.Replaced != 1 || c.Sent != 2 {
			t.Errorf("the account is %+v", c)
		}
	})
}

// The texts of others can be left out; a user's message can't be sent without the user.
func TestUsersFindRoomHoweverMuchElseWaits(t *testing.T) {
	app := compile(t, accountRules).App
	a := &account{app: app, s: bridge.NewState("campus", "born"), now: floodStart}
	for i := range 3000 {
		a.event("lesson", map[string]any{"id": fmt.Sprintf("%d-%s", i, strings.Repeat("x", 2000)), "group": fmt.Sprint(i % 40), "also": false})
	}
	for i := range 2000 {
		a.event("personal", map[string]any{"id": "news", "users": []string{fmt.Sprintf("%036d", i)}})
	}
	if n := a.s.Counts.Overflowed; n > 0 {
		t.Errorf("%d of 2,000 users found no room", n)
	}
	users := 0
	for _, d := range a.s.Digests {
		users += len(d.Users)
	}
	if users != 2000 {
		t.Errorf("%d users wait, want 2,000", users)
	}
}

// A user of part 1 also gets into a new part 0, and then reads what is in both, twice.
func TestAUserWhoHasAPlaceInOnePartGetsNoneInAnother(t *testing.T) {
	inWorld(t, func(w *world) {
		tell := w.inParts(0, 1)
		tell("one", "one", people("a", 1000)...) // part 0 is full
		tell("two", "two", "anna")               // part 1
		w.pass(3 * time.Minute)                  // part 0 goes; the hour's only send
		w.wantSends(1)
		tell("three", "three", "anna")                             // a new part 0, though anna is in part 1
		tell("four", "four", append(people("b", 1000), "anna")...) // both parts
		w.pass(3 * time.Hour)
		if read := w.reads(1, "anna", "four"); read != 1 {
			t.Errorf("anna, whom \"four\" names once, reads it %d times", read)
		}
	})
}

// inParts restarts with an audience of single users, and texts of their own; the
// provider's first answers are lost.
func (w *world) inParts(lost, perHour int) (tell func(id, text string, users ...string)) {
	w.end()
	text := strings.Replace(scenarioRules, "audience: students", "audience: some", 1)
	text = strings.Replace(text, "audiences:\n", "audiences:\n  some: {app: campus, users: event.data.u}\n", 1)
	text = strings.Replace(text, "quota: {policy: asap}", fmt.Sprintf("quota: {policy: asap, per_hour: %d, per_day: 20}", perHour), 1)
	w.rules = compile(w.t, strings.Replace(text, `item: "{{ .data.id }}"`, `with: "{}", item: "{{ .data.text }}"`, 1))
	w.answer(lost, bridge.Outcome{Kind: bridge.Doubtful, Message: "no answer"})
	w.start()
	return func(id, text string, users ...string) {
		b, err := json.Marshal(map[string]any{"id": id, "text": text, "u": users})
		if err != nil {
			w.t.Fatal(err)
		}
		w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: b})
		w.settle()
	}
}

func people(prefix string, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint(prefix, i))
	}
	return out
}

// reads is how often a user was told something by a send from the n-th on.
func (w *world) reads(n int, user, text string) (times int) {
	w.t.Helper()
	for i, s := range w.provider.Sends()[n-1:] {
		var r mapping.Request
		if err := json.Unmarshal(s.Body, &r); err != nil {
			w.t.Fatal(err)
		}
		if slices.Contains(r.Audience.UserID, user) && strings.Contains(w.said(n+i), "["+text+"]") {
			times++
		}
	}
	return times
}

func TestNewerNewsReplaceWhatIsInDoubtInWhicheverPartsTheirReadersAre(t *testing.T) {
	inWorld(t, func(w *world) {
		tell := w.inParts(1, 20)
		tell("gate", "gate 1", people("a", 6)...)
		w.pass(3 * time.Minute)
		doubt := w.bridge.Status().InDoubt[0].ID
		tell("x", "x", people("b", 1000)...) // part 0 is full
		w.pass(90 * time.Second)
		tell("y", "y", "a0") // part 1
		w.pass(time.Minute)  // part 0 goes
		w.wantSends(2)
		tell("gate", "gate 2", people("a", 6)...) // a new part 0, and part 1
		w.pass(5 * time.Minute)
		w.notSent(doubt)
		w.pass(5 * time.Minute)
		if old, newer := w.reads(2, "a0", "gate 1"), w.reads(2, "a0", "gate 2"); old != 0 || newer != 1 {
			t.Errorf("a0 reads the older news %d times and the newer %d times", old, newer)
		}
	})
}

func TestWhoIsInTwoPartsSinceOneCameBackReadsNothingTwice(t *testing.T) {
	inWorld(t, func(w *world) {
		tell := w.inParts(1, 20)
		tell("one", "one", append(people("a", 500), "anna")...)
		w.pass(3 * time.Minute)
		tell("two", "two", append(people("b", 600), "anna")...)
		w.notSent(w.bridge.Status().InDoubt[0].ID) // and finds no room beside "two"
		tell("three", "three", people("c", 700)...)
		tell("four", "four", "a0", "b0", "anna")
		w.pass(10 * time.Minute)
		for user, want := range map[string][]string{"anna": {"one", "two", "four"}, "a0": {"one", "four"}, "b0": {"two", "four"}, "c0": {"three"}, "c699": {"three"}} {
			for _, text := range want {
				if n := w.reads(2, user, text); n != 1 {
					t.Errorf("%s reads %q %d times", user, text, n)
				}
			}
		}
	})
}

func TestNewerNewsReplaceTheOlderInBothPartsThatShareAReader(t *testing.T) {
	for name, readers := range map[string][]string{"all": append(people("a", 500), append(people("b", 600), "anna")...), "one": {"anna"}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				tell := w.inParts(1, 20)
				tell("gate", "gate 1", append(people("a", 500), "anna")...)
				w.pass(3 * time.Minute)
				tell("gate", "gate 2", append(people("b", 600), "anna")...)
				w.notSent(w.bridge.Status().InDoubt[0].ID) // and finds no room beside "gate 2"
				tell("gate", "gate 3", readers...)
				w.pass(10 * time.Minute)
				w.wantSends(3)
				for _, user := range readers {
					if old, newer := w.reads(2, user, "gate 1")+w.reads(2, user, "gate 2"), w.reads(2, user, "gate 3"); old != 0 || newer < 1 {
						t.Fatalf("%s reads older news %d times and the newest %d times", user, old, newer)
					}
				}
			})
		})
	}
}
