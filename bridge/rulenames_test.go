package bridge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// Every digest, drop and waiting result has the names of its rules: 2,000 rules
// that feed 128 groups made a state of 10 MB, which nobody would unpack.
func TestAStateWithManyRulesCanBeStored(t *testing.T) {
	const rules = 300
	var b strings.Builder
	b.WriteString(strings.Split(floodRules, "rules:\n")[0] + "rules:\n")
	for i := range rules {
		fmt.Fprintf(&b, "  - {name: %s%03d, on: lesson.%d, audience: students, template: lessons, key: event.data.id, group_by: event.data.group}\n", strings.Repeat("x", 61), i, i)
	}
	b.WriteString("  - {name: back, on: back, cancels: [" + strings.Repeat("x", 61) + "299], key: event.data.id}\n")
	app := compile(t, b.String()).App
	codec, err := bridge.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	s, n := bridge.NewState("campus", "born"), 0
	fold := func(subject, data string) {
		n++
		s.Fold(app, &mapping.Message{Subject: subject, Stream: "S", Sequence: uint64(n), Time: floodStart.Add(time.Duration(n) * time.Millisecond), Data: []byte(data)})
	}
	for i := range rules {
		for g := range 128 {
			fold(fmt.Sprint("lesson.", i), fmt.Sprintf(`{"id":"k%d","group":"g%d"}`, i%50, g))
		}
	}
	for range 3 { // each leaves a result for every digest, which nobody takes
		for g := range 128 {
			fold("lesson.299", fmt.Sprintf(`{"id":"x","group":"g%d"}`, g))
		}
		fold("back", `{"id":"x"}`)
		s.Seal(app, "r", floodStart)
	}
	if _, err := codec.Encode(s); err != nil {
		t.Error(err)
	}
	if s.Counts.Cancelled != 3*128 {
		t.Errorf("%d items are cancelled", s.Counts.Cancelled)
	}
	events := 0
	for _, k := range s.Digests[0].Rules {
		events += k
	}
	if want := rules + 3; events != want || s.Digests[0].Rules["(others)"] == 0 {
		t.Errorf("%d events by rule, want %d; %d of others", events, want, s.Digests[0].Rules["(others)"])
	}
}
