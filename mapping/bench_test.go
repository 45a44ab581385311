package mapping_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

const benchEvent = `{"lesson_id":4711,"course":"History of Medieval Northern Europe","teacher":{"name":"A. Example","id":"t-17"},` +
	`"campus":"north","room":"B 204","starts_at":"2026-11-02T10:00:00+08:00","ends_at":"2026-11-02T10:45:00+08:00",` +
	`"students":["s-1","s-2","s-3","s-4","s-5","s-6","s-7","s-8"],"note":"moved to the afternoon","notice_minutes":180}`

// manyRules has so many rules, of which onSubject listen to bench.event.
func manyRules(b testing.TB, rules, onSubject int, when string) *mapping.App {
	b.Helper()
	var src strings.Builder
	src.WriteString(`version: 1
apps:
  a: {app_key: k, app_secret: "${S:-s}", region: singapore, sender: s, packages: [p]}
audiences:
  all: {app: a, package: p}
templates:
  t:
    message: {type: RC:TxtMsg, content: {content: x}}
    notification: {alert: x}
rules:
`)
	for i := range rules {
		subject := "bench.event"
		if i >= onSubject {
			subject = fmt.Sprintf("other.%d.*", i)
		}
		fmt.Fprintf(&src, "  - {name: r%d, on: %s, when: %q, audience: all, template: t, key: \"'k%d'\", item: \"{{ .data.course }}\"}\n", i, subject, when, i)
	}
	set, problems := mapping.Compile("bench.yaml", []byte(src.String()), mapping.Options{})
	if problems.HasErrors() {
		b.Fatal(problems.Text())
	}
	return set.Apps["a"]
}

func benchMessage(subject string) *mapping.Message {
	return &mapping.Message{Subject: subject, Stream: "S", Sequence: 7, Time: time.Unix(1.7e9, 0), Data: []byte(benchEvent)}
}

func BenchmarkMap(b *testing.B) {
	for _, c := range []struct{ rules, onSubject int }{{1, 1}, {100, 1}, {100, 5}, {100, 100}, {10_000, 1}, {10_000, 5}, {10_000, 100}} {
		for _, kind := range []struct{ name, subject, when string }{
			{"another subject", "bench.other.subject", "event.data.notice_minutes < 120"},
			{"no match", "bench.event", "event.data.notice_minutes < 120"},
			{"all match", "bench.event", "event.data.notice_minutes > 120"},
		} {
			b.Run(fmt.Sprintf("rules=%d/on subject=%d/%s", c.rules, c.onSubject, kind.name), func(b *testing.B) {
				app, m := manyRules(b, c.rules, c.onSubject, kind.when), benchMessage(kind.subject)
				b.ReportAllocs()
				for b.Loop() {
					app.Map(m)
				}
			})
		}
	}
	b.Run("compiling 10000 rules", func(b *testing.B) {
		for b.Loop() {
			manyRules(b, 10_000, 5, "event.data.notice_minutes < 120")
		}
	})
	b.Run("encoding json into a map", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var m map[string]any
			if err := json.Unmarshal([]byte(benchEvent), &m); err != nil {
				b.Fatal(err)
			}
		}
	})
}
