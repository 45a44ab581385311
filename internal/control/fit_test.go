package control

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/belfry-bridge/belfry/bridge"
)

// crowded is an overview of so many apps with 100 digests of 20 long texts each.
func crowded(apps int) bridge.Overview {
	o := bridge.Overview{Replica: "r"}
	for a := range apps {
		s := bridge.Status{App: fmt.Sprint("app", a)}
		for d := range 100 {
			s.Digests = append(s.Digests, bridge.DigestStatus{Explanation: bridge.Explanation{Digest: fmt.Sprint(a, "-", d), Why: "held"}, Texts: make([]string, 20)})
			for i := range s.Digests[d].Texts {
				s.Digests[d].Texts[i] = strings.Repeat("ä", 200)
			}
		}
		o.Apps = append(o.Apps, s)
	}
	return o
}

func TestAnOverviewFitsAMessage(t *testing.T) {
	const limit = 1 << 20
	tests := []struct {
		apps, digests, texts int // afterwards: of the first app, of its first digest
		leftOut              string
	}{
		{1, 100, 20, ""}, {2, 100, 3, "most texts"}, {20, 100, 0, "all texts"}, {100, 0, 0, "all digests"},
	}
	if testing.Short() { // as under the race detector: one goroutine, and it takes ten times as long
		tests = tests[:2]
	}
	for _, tt := range tests {
		o := crowded(tt.apps)
		data, err := fitting(o, limit)
		if err != nil || len(data) > limit {
			t.Fatalf("%d apps: %d bytes, %v", tt.apps, len(data), err)
		}
		var got bridge.Overview
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		first := got.Apps[0]
		texts := 0
		if len(first.Digests) > 0 {
			texts = len(first.Digests[0].Texts)
		}
		if len(got.Apps) != tt.apps || len(first.Digests) != tt.digests || texts != tt.texts || got.LeftOut != tt.leftOut || first.LeftOut != tt.leftOut {
			t.Errorf("%d apps: %d with %d digests and %d texts, left out: %q; want %+v", tt.apps, len(got.Apps), len(first.Digests), texts, got.LeftOut, tt)
		}
		if d := o.Apps[0].Digests[0]; len(o.Apps[0].Digests) != 100 || len(d.Texts) != 20 || d.Texts[0] != strings.Repeat("ä", 200) || o.LeftOut != "" || o.Apps[0].LeftOut != "" {
			t.Errorf("%d apps: the original was changed", tt.apps)
		}
	}
	if data, err := fitting(bridge.Overview{Apps: make([]bridge.Status, 10_000)}, limit); err == nil {
		t.Errorf("10,000 apps fit into %d bytes", len(data))
	}
}

// Who can't see what is in doubt can't decide upon it either, and it may stop the app.
func TestAnOverviewWithManyDoubtsFitsAMessage(t *testing.T) {
	o := bridge.Overview{Replica: "r"}
	for a := range 3 {
		s := bridge.Status{App: fmt.Sprint("app", a), Sending: &bridge.BroadcastStatus{Texts: []string{strings.Repeat("x", 4096)}}}
		for d := range 16 {
			s.InDoubt = append(s.InDoubt, bridge.BroadcastStatus{ID: fmt.Sprint("born-", d), Texts: slices.Repeat([]string{strings.Repeat("x", 4096)}, 18)})
		}
		o.Apps = append(o.Apps, s)
	}
	data, err := fitting(o, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var got bridge.Overview
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if d := got.Apps[2].InDoubt; len(d) != 16 || d[15].ID != "born-15" || len(d[15].Texts) != fewTexts || len(got.Apps[2].Sending.Texts[0]) > 100 {
		t.Errorf("of the doubts remain %d", len(d))
	}
	if len(o.Apps[0].InDoubt[0].Texts) != 18 || len(o.Apps[0].Sending.Texts[0]) != 4096 {
		t.Error("the original was changed")
	}
}
