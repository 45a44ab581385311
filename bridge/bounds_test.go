package bridge_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

const floodRules = `version: 1
apps:
  campus: {app_key: "${K}", app_secret: "${S}", base_urls: ["https://api.example.com"], sender: office, packages: [com.example.student]}
audiences:
  students: {app: campus, package: com.example.student, platforms: [ios]}
  some: {app: campus, package: com.example.student, platforms: [ios], users: event.data.users}
templates:
  lessons:
    gather: {idle: 2m, at_most: 15m}
    keep: 20
    expires_after: 6h
    message: {type: RC:TxtMsg, content: {content: "{{ range .Items }}{{ .Text }}{{ end }}"}}
    notification: {title: "{{ .Count }}", alert: "x"}
rules:
  - {name: keyed, on: keyed, audience: students, template: lessons, key: event.data.id, item: "{{ .data.text }}", with: {id: event.data.id}}
  - {name: grouped, on: grouped, audience: students, template: lessons, key: event.data.id, group_by: event.data.group, item: "{{ .data.text }}"}
  - {name: personal, on: personal, audience: some, template: lessons, key: event.data.id, item: "{{ .data.text }}", with: {id: event.data.id}}
  - {name: party, on: party, audience: some, template: lessons, key: event.data.id, group_by: event.data.id, item: "{{ .data.text }}", with: {id: event.data.id}}
`

var floodStart = time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)

// flood folds n events and returns the state, encoded size included.
func flood(t testing.TB, n int, event func(i int) (subject, data string)) (*bridge.State, int) {
	t.Helper()
	app := compile(t, floodRules).App
	s := bridge.NewState("campus", "born")
	for i := range n {
		subject, data := event(i)
		m := mapping.Message{Subject: subject, Stream: "S", Sequence: uint64(i + 1), Time: floodStart.Add(time.Duration(i) * time.Millisecond), Data: []byte(data)}
		s.Fold(app, &m)
	}
	s.Seal(app, "r", floodStart)
	return s, len(encoded(t, s))
}

// encoded is a state as it is stored.
func encoded(t rapid.TB, s *bridge.State) []byte {
	t.Helper()
	codec, err := bridge.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	data, err := codec.Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func random(n int) string {
	b := make([]byte, n/2)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

func TestTheStateStaysSmallWhateverComes(t *testing.T) {
	users := func(i int) string {
		ids := make([]string, 900)
		for j := range ids {
			ids[j] = fmt.Sprintf("user%06d%04d", i, j)
		}
		b, _ := json.Marshal(ids)
		return string(b)
	}
	long := random(6000)
	names := func() string {
		ids := make([]string, 1000)
		for j := range ids {
			ids[j] = random(36)
		}
		b, _ := json.Marshal(ids)
		return string(b)
	}
	tests := []struct {
		name  string
		n     int
		event func(i int) (string, string)
	}{
		{"a million distinct keys", 1_000_000, func(i int) (string, string) { return "keyed", fmt.Sprintf(`{"id":"k%d","text":"t"}`, i) }},
		{"ten thousand groups", 30_000, func(i int) (string, string) {
			return "grouped", fmt.Sprintf(`{"id":"k%d","group":"g%d","text":"%s"}`, i, i%10_000, long[i%3000:i%3000+300])
		}},
		{"items as large as they may be", 20_000, func(i int) (string, string) {
			return "grouped", fmt.Sprintf(`{"id":"k%d","group":"g%d","text":"%s"}`, i, i%200, random(5000))
		}},
		{"events of a megabyte", 60, func(i int) (string, string) {
			return "keyed", fmt.Sprintf(`{"id":"k%d","text":"t","more":"%s"}`, i, bytes.Repeat([]byte("x"), 1<<20))
		}},
		{"users without end", 300, func(i int) (string, string) {
			return "personal", fmt.Sprintf(`{"id":"k%d","text":"t","users":%s}`, i, users(i))
		}},
		{"users whose ids nothing compresses", 100, func(i int) (string, string) {
			return "personal", fmt.Sprintf(`{"id":"k%d","text":"t","users":%s}`, i, names())
		}},
		{"a hundred parties of a thousand", 100, func(i int) (string, string) {
			return "party", fmt.Sprintf(`{"id":"k%d","text":"t","users":%s}`, i, names())
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if testing.Short() { // as under the race detector: one goroutine, and it takes ten times as long
				tt.n = min(tt.n, 2000)
			}
			s, size := flood(t, tt.n, tt.event)
			t.Logf("%d events, %d digests, %d bytes", tt.n, len(s.Digests), size)
			if size > bridge.MaxState {
				t.Errorf("%d bytes, more than %d", size, bridge.MaxState)
			}
			c := s.Counts
			if c.Dead > 0 || len(s.Failed) > 0 {
				t.Errorf("%d dead letters, failures %v: %v", c.Dead, s.Failed, s.FailedOn)
			}
			if c.Read != uint64(tt.n) || c.Items != c.Replaced+c.Overflowed+uint64(s.Waiting()) {
				t.Errorf("events are lost from the counts: %+v, %d waiting", c, s.Waiting())
			}
		})
	}
}

func TestDistinctKeysAreEstimatedAndMarkedBeyondTheBound(t *testing.T) {
	s, _ := flood(t, 60_000, func(i int) (string, string) {
		return "keyed", fmt.Sprintf(`{"id":"k%d","text":"t"}`, i%20_000)
	})
	d := s.Digests[0]
	if !d.Approximate() {
		t.Error("20,000 keys are claimed to be counted exactly")
	}
	if off := math.Abs(float64(d.Count())/20_000 - 1); off > 0.15 {
		t.Errorf("20,000 keys, each said three times, are counted as %d", d.Count())
	}
	if s.Counts.Replaced+uint64(d.Events) != 60_000 {
		t.Errorf("%d replaced and %d waiting of 60,000 events", s.Counts.Replaced, d.Events)
	}
}

// Folding is the heart of the exactly-once promise: it must give the same
// state however the events were cut into batches and however often the state
// was stored and read back on the way.
func TestFoldingIsTheSameAcrossRestarts(t *testing.T) {
	app := compile(t, floodRules).App
	codec, err := bridge.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 120).Draw(t, "events")
		keys := rapid.IntRange(1, 60).Draw(t, "keys")
		whole, pieces := bridge.NewState("campus", "b"), bridge.NewState("campus", "b")
		whole.Epoch, pieces.Epoch = 1, 1
		for i := range n {
			subject := rapid.SampledFrom([]string{"keyed", "grouped"}).Draw(t, "subject")
			data := fmt.Appendf(nil, `{"id":"k%d","group":"g%d","text":"t%d"}`, rapid.IntRange(0, keys).Draw(t, "key"), i%3, i)
			m := mapping.Message{Subject: subject, Stream: "S", Sequence: uint64(i + 1), Time: floodStart.Add(time.Duration(i) * time.Second), Data: data}
			whole.Fold(app, &m)
			pieces.Fold(app, &m)
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				pieces.Commit = 1
				stored, err := codec.Encode(pieces)
				if err != nil {
					t.Fatal(err)
				}
				if pieces, err = bridge.Decode("campus", stored); err != nil {
					t.Fatal(err)
				}
			}
		}
		whole.Commit, pieces.Commit = 1, 1
		a, _ := json.Marshal(whole)
		b, _ := json.Marshal(pieces)
		if !bytes.Equal(a, b) {
			t.Fatalf("states differ:\n%s\n%s", a, b)
		}
	})
}
