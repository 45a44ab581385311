package bridge_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// startUrgent begins anew with a second rule, which is urgent.
func (w *world) startUrgent(quota string) {
	w.end()
	w.rules = compile(w.t, strings.NewReplacer("policy: asap", "timezone: UTC, "+quota, "keep: 5", "keep: 5\n    group_by: event.data.text",
		"rules:", `rules:
  - {name: fire, on: fire, audience: students, template: lessons, priority: urgent, key: event.data.id, item: "{{ .data.id }}"}`).Replace(scenarioRules))
	w.start()
}

func (w *world) fire(id, where string) {
	w.source.Append(time.Now(), mapping.Message{Subject: "fire", Data: []byte(`{"id":"` + id + `","text":"` + where + `"}`)})
	w.settle()
}

// willMiss are the groups of the digests of which the status says that they miss their time.
func (w *world) willMiss() (groups string) {
	for _, d := range w.bridge.Status().Digests {
		if d.WillMiss {
			groups += d.Group + " "
		}
	}
	return groups
}

func TestUrgentNewsForWhichASendIsKeptAreNotSaidToMissWhereTheyJoinWhatDoes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.startUrgent("policy: asap, per_day: 1, reserve: {urgent: 1}")
		w.tell("maths", "east")
		w.pass(time.Minute)
		if got := w.willMiss(); got != "east " {
			t.Fatalf("without a send for it, these miss: %q", got)
		}
		w.fire("gym", "east")
		w.pass(time.Second)
		if got := w.willMiss(); got != "" {
			t.Errorf("with a send for it, these miss: %q", got)
		}
		w.pass(15 * time.Minute)
		w.wantSends(1)
	})
}

func TestUrgentNewsWhoseSendWasTakenByOthersAreSaidToMiss(t *testing.T) {
	inWorld(t, func(w *world) {
		w.startUrgent("policy: asap, per_day: 1")
		w.fire("gym", "east")
		w.fire("hall", "west")
		w.pass(30 * time.Minute)
		w.wantSends(1)
		if got := w.willMiss(); got != "east " && got != "west " {
			t.Errorf("these miss: %q", got)
		}
	})
}

func TestWhatABacklogTakesBackIsNotSaidToMiss(t *testing.T) {
	for last, want := range map[string][]string{"lesson.restored": {"cancelled"}, "lesson.moved": {"will_miss"}} {
		inWorld(t, func(w *world) {
			w.startUrgent("policy: asap, per_day: 1, reserve: {urgent: 1}")
			w.end()
			event := func(n, pending uint64, subject string) bridge.Batch {
				b := stored(batch("SCHOOL", n, pending, subject), time.Minute)
				b.Messages[0].Data = []byte(`{"id":"maths","text":"east"}`)
				return b
			}
			w.startReading(func(_ map[string]bridge.Checkpoint, say func(bridge.Batch)) {
				say(event(1, 1, "lesson.cancelled"))
				time.Sleep(10 * time.Second)
				say(event(2, 0, last))
			})
			w.pass(20 * time.Second)
			if got := w.results(); !slices.Equal(got, want) {
				t.Errorf("before %s it is said of it: %q, want %q", last, got, want)
			}
		})
	}
}

func TestUrgentNewsOfAnotherGroupDoNotGatherAfterAnUrgentSend(t *testing.T) {
	inWorld(t, func(w *world) {
		w.startUrgent("policy: price, per_hour: 9, per_day: 9")
		w.fire("gym", "east")
		w.pass(2*time.Minute + time.Second)
		w.wantSends(1)
		w.fire("hall", "west")
		w.fire("attic", "east")
		w.pass(2*time.Minute + time.Second)
		w.wantSends(2)
		if last := w.provider.Sends()[1]; !strings.Contains(string(last.Body), "[hall]") {
			t.Errorf("the second is %s, want the other group's", last.Body)
		}
		w.pass(3 * time.Minute)
		w.wantSends(3)
	})
}
