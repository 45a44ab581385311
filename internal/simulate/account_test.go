package simulate

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

const accountRules = `  - {name: alarms, on: town.alarm, audience: all, template: alarms, item: x, key: event.data.id}
  - {name: same-key, on: town.same, audience: all, template: news, item: x, key: event.data.id}
  - {name: grouped, on: town.grouped, audience: all, template: news, group_by: event.data.group, item: x, key: event.data.id}
`

// The report follows each item by itself; the fold counts for its own.
func TestWhatEventsCameToIsWhatTheFoldCounted(t *testing.T) {
	source := strings.Replace(smallRules, "rules:\n", `  alarms:
    gather: {at_most: 5m}
    expires_after: 40m
    message: {type: "RC:TxtMsg", content: {content: "{{ .Count }} alarms"}}
    notification: {title: alarms, alert: "{{ .Count }} alarms"}
rules:
`+accountRules, 1)
	random := rand.New(rand.NewPCG(1, 2))
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	var lines strings.Builder
	for i := range 400 {
		at = at.Add(time.Duration(random.IntN(900)) * time.Second)
		subject := []string{"news", "alarm", "same", "grouped", "taken-back"}[random.IntN(5)]
		fmt.Fprintf(&lines, `{"at":%q,"subject":"town.%s","id":"e%d","data":{"id":%d,"group":"g%d","text":"x"}}`+"\n",
			at.Format(time.RFC3339), subject, i, random.IntN(12), random.IntN(3))
	}
	for name, until := range map[string]time.Time{"until the last item has ended": {}, "until the last event": at} {
		r, err := Run(t.Context(), Config{App: compiled(t, []byte(source)), SkipBound: true, Until: until}, ReadLines(strings.NewReader(lines.String()), "EVENTS"))
		if err != nil {
			t.Fatal(err)
		}
		var got, want ByPriority
		for _, p := range r.Priorities {
			got.Items, got.Delivered, got.Expired = got.Items+p.Items, got.Delivered+p.Delivered, got.Expired+p.Expired
			got.Replaced, got.Cancelled, got.Waiting = got.Replaced+p.Replaced, got.Cancelled+p.Cancelled, got.Waiting+p.Waiting
		}
		c := r.Counts
		want.Items, want.Delivered, want.Expired, want.Replaced, want.Cancelled = int(c.Items), int(c.Sent), int(c.Expired), int(c.Replaced), int(c.Cancelled)
		want.Waiting = want.Items - want.Delivered - want.Expired - want.Replaced - want.Cancelled
		if got != want || got.Waiting > 0 != !until.IsZero() || min(got.Delivered, got.Expired, got.Replaced, got.Cancelled) == 0 {
			t.Errorf("%s: the items came to\n%+v, the fold counted\n%+v", name, got, want)
		}
		carried := 0
		for _, b := range r.Broadcasts {
			carried += len(b.EventIDs)
			if b.Items != len(b.EventIDs) {
				t.Errorf("a broadcast of %d items names %d events", b.Items, len(b.EventIDs))
			}
		}
		if carried != got.Delivered {
			t.Errorf("%s: %d items were delivered, and broadcasts carry %d", name, got.Delivered, carried)
		}
	}
}
