package bridge_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// A matter for more than 1,000 users leaves in parts. Whoever has read it in one
// that left gets no place in another that still waits with it.
func TestAUserWhoseFirstPartHasLeftReadsNothingTwice(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		text := strings.Replace(scenarioRules, "audience: students", "audience: some", 1)
		text = strings.Replace(text, "audiences:\n", "audiences:\n  some: {app: campus, users: event.data.u}\n", 1)
		text = strings.Replace(text, "quota: {policy: asap}", "quota: {policy: asap, per_hour: 1, per_day: 9}", 1)
		text = strings.Replace(text, `item: "{{ .data.id }}"`, `with: "{}", item: "{{ .data.id }}"`, 1)
		w.rules = compile(t, text)
		w.start()
		names := func(prefix string, n int) (u []string) {
			for i := range n {
				u = append(u, fmt.Sprint(prefix, i))
			}
			return u
		}
		tell := func(id string, users []string) {
			b, err := json.Marshal(map[string]any{"id": id, "u": users})
			if err != nil {
				t.Fatal(err)
			}
			w.source.Append(time.Now(), mapping.Message{Subject: "lesson.cancelled", Data: b})
			w.settle()
		}
		tell("one", names("a", 1500)) // two parts
		w.pass(3 * time.Minute)       // the first goes; the hour's only send
		w.wantSends(1)
		tell("two", names("b", 1000)) // a new part 0, which is full
		tell("three", []string{"a0"}) // who has read "one"
		w.pass(5 * time.Hour)
		read, told := 0, 0
		for i, s := range w.provider.Sends() {
			var r mapping.Request
			if err := json.Unmarshal(s.Body, &r); err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(r.Audience.UserID, "a0") {
				continue
			}
			if strings.Contains(w.said(i+1), "[one]") {
				read++
			}
			if strings.Contains(w.said(i+1), "[three]") {
				told++
			}
		}
		if read != 1 || told != 1 {
			t.Errorf("a0 reads \"one\" %d times and \"three\" %d times, want each once", read, told)
		}
	})
}

// Nor in one that was in doubt when the other left, and comes back.
func TestAUserWhoseFirstPartHasLeftReadsNothingTwiceInOneThatComesBack(t *testing.T) {
	inWorld(t, func(w *world) {
		tell := w.inParts(1)
		tell("one", "one", people("c", 500)...)
		w.pass(3 * time.Minute)
		doubt := w.bridge.Status().InDoubt[0].ID
		tell("one", "one", people("a", 500)...) // the same matter, for others
		w.pass(3 * time.Minute)
		w.wantSends(2)
		w.pauseFor("a look")
		w.notSent(doubt)
		tell("two", "two", "a0")
		w.resume()
		w.pass(10 * time.Minute)
		if one, two := w.reads(2, "a0", "one"), w.reads(2, "a0", "two"); one != 1 || two != 1 {
			t.Errorf("a0 reads \"one\" %d times and \"two\" %d times, want each once", one, two)
		}
	})
}
