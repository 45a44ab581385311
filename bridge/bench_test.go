package bridge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// BenchmarkFold folds 300-byte events under 100 rules, of which 1 event in 40 matches.
func BenchmarkFold(b *testing.B) {
	var y strings.Builder
	y.WriteString(strings.SplitAfter(scenarioRules, "rules:\n")[0])
	for i := range 100 {
		fmt.Fprintf(&y, "  - {name: r%d, on: bench.%d, when: event.data.v == 0, audience: students, template: lessons, key: event.data.id, item: \"{{ .data.id }}\", with: {id: event.data.id}}\n", i, i)
	}
	app := compile(b, y.String()).App
	messages := make([]mapping.Message, 4000)
	for i := range messages {
		messages[i] = mapping.Message{
			Subject: fmt.Sprint("bench.", i%100), Stream: "S", Sequence: uint64(i + 1), Time: floodStart.Add(time.Duration(i) * time.Millisecond),
			Data: fmt.Appendf(nil, `{"id":"k%09d","v":%d,"pad":"%s"}`, i, i%40, strings.Repeat("x", 240)),
		}
	}
	s := bridge.NewState("campus", "born")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Fold(app, &messages[i%len(messages)])
	}
}
