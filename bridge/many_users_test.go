package bridge_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// BenchmarkFoldManyUsers folds an event that 30,000 users are named by.
func BenchmarkFoldManyUsers(b *testing.B) {
	app := compile(b, strings.NewReplacer("package: com.example.student, platforms", "users: event.data.users, platforms", `item: "{{`, `with: "{}", item: "{{`).Replace(scenarioRules)).App
	data, err := json.Marshal(map[string]any{"id": "news", "users": people("u", 30_000)})
	if err != nil {
		b.Fatal(err)
	}
	m := mapping.Message{Subject: "lesson.cancelled", Stream: "S", Sequence: 1, Time: time.Unix(0, 0), Data: data}
	decision := app.Map(&m)
	if len(decision.Matches) != 1 {
		b.Fatalf("%+v", decision)
	}
	b.ReportAllocs()
	for b.Loop() {
		s := bridge.NewState("campus", "born")
		s.FoldDecision(app, &m, decision)
		if len(s.Digests) != 30 {
			b.Fatalf("%d digests", len(s.Digests))
		}
	}
}
