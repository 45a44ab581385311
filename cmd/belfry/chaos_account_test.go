package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/sandbox"
)

// record is all that the proof looks at: what was asked for, what the
// provider has, and what subscribers were told. Nothing of it comes from the
// daemon's own state.
type record struct {
	keys       []string // of the events, each published once
	broadcasts []sandbox.Broadcast
	results    map[string]bridge.Result // by id
	calls      []time.Time              // that the provider counted
	refused    int                      // of them, for want of quota
	quota      int                      // that the provider allows in an hour
}

// tally is what became of the events.
type tally struct {
	events, broadcasts int
	once               int // keys that left once and are reported as sent
	doubtLeft          int // keys in doubt that had left
	doubtKept          int // keys in doubt that had not
	resolved           int // broadcasts whose doubt an operator ended
	busiest            int // calls in the busiest hour
	quota              int
}

func (t tally) String() string {
	return fmt.Sprintf("%d events in %d broadcasts: %d left once, %d in doubt (%d had left, %d had not; %d broadcasts resolved meanwhile), 0 lost, 0 twice; %d calls of the %d that are allowed",
		t.events, t.broadcasts, t.once, t.doubtLeft+t.doubtKept, t.doubtLeft, t.doubtKept, t.resolved, t.busiest, t.quota)
}

// verdict is what the results say of one broadcast.
type verdict string

const (
	verdictSent     verdict = "sent"
	verdictDoubt    verdict = "in doubt"
	verdictReturned verdict = "returned" // to its digest: its keys leave with another
)

// account proves that every key left exactly once, or is accounted for by
// exactly one broadcast in doubt, and lists every fault that it finds.
func account(r record) (t tally, faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	t = tally{events: len(r.keys), broadcasts: len(r.broadcasts), quota: r.quota, busiest: busiestHour(r.calls)}
	if r.refused > 0 || t.busiest > r.quota {
		fault("the quota was exceeded: %d calls in an hour, %d are allowed, %d were refused", t.busiest, r.quota, r.refused)
	}
	left := map[string]string{} // key to the broadcast with which it left
	for _, b := range r.broadcasts {
		for key := range strings.FieldsSeq(b.Text) {
			if with, twice := left[key]; twice {
				fault("%s left twice: with %s and with %s", key, with, b.RequestID)
			}
			left[key] = b.RequestID
		}
	}
	verdicts, claims := judge(r.results, &t, fault)
	known := map[string]bool{}
	for _, key := range r.keys {
		known[key] = true
		with, hasLeft := left[key]
		switch by := claims[key]; {
		case len(by) == 0:
			fault("%s is lost: no result has it (left: %v)", key, hasLeft)
		case len(by) > 1:
			fault("%s is accounted for %d times: by %v", key, len(by), by)
		case hasLeft && with != by[0]:
			fault("%s left with %s, and its result is of %s", key, with, by[0])
		case verdicts[by[0]] == verdictSent && !hasLeft:
			fault("%s is reported as sent with %s, which never left", key, by[0])
		case verdicts[by[0]] == verdictSent:
			t.once++
		case hasLeft:
			t.doubtLeft++
		default:
			t.doubtKept++
		}
	}
	for _, key := range slices.Sorted(maps.Keys(left)) {
		if !known[key] {
			fault("%q left and was never published", key)
		}
	}
	return t, faults
}

// judge reads the results: what became of each broadcast, and which
// broadcasts answer for each key.
func judge(results map[string]bridge.Result, t *tally, fault func(string, ...any)) (verdicts map[string]verdict, claims map[string][]string) {
	told := map[string][]bridge.Result{}
	for _, id := range slices.Sorted(maps.Keys(results)) {
		r := results[id]
		if r.Broadcast == "" || r.EventIDsLeftOut > 0 || r.Incomplete {
			fault("result %s (%s) is none of a whole broadcast", id, r.State)
			continue
		}
		told[r.Broadcast] = append(told[r.Broadcast], r)
	}
	verdicts, claims = map[string]verdict{}, map[string][]string{}
	for _, id := range slices.Sorted(maps.Keys(told)) {
		var states []string
		for _, r := range told[id] {
			states = append(states, string(r.State))
			if r.Resolved != "" {
				t.resolved++
			}
		}
		slices.Sort(states)
		switch history := strings.Join(states, " "); history {
		case "sent", "in_doubt sent":
			verdicts[id] = verdictSent
		case "in_doubt":
			verdicts[id] = verdictDoubt
		case "not_sent", "in_doubt not_sent":
			verdicts[id] = verdictReturned
			continue
		default:
			fault("broadcast %s has the results %q, which contradict each other", id, history)
			continue
		}
		for _, key := range told[id][0].EventIDs {
			claims[key] = append(claims[key], id)
		}
	}
	return verdicts, claims
}

func busiestHour(calls []time.Time) int {
	calls = slices.SortedFunc(slices.Values(calls), time.Time.Compare)
	most, first := 0, 0
	for i, at := range calls {
		for at.Sub(calls[first]) >= time.Hour {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

func TestChaosAccountFindsEveryKindOfFault(t *testing.T) {
	sent := func(id, keys string) sandbox.Broadcast { return sandbox.Broadcast{RequestID: id, Text: keys} }
	told := func(id string, state bridge.ResultState, keys ...string) bridge.Result {
		return bridge.Result{Broadcast: id, State: state, EventIDs: keys}
	}
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name  string
		r     record
		fault string // empty: none
	}{
		{"a key that left and is reported", record{
			broadcasts: []sandbox.Broadcast{sent("b1", "k1 k2")},
			results:    map[string]bridge.Result{"1": told("b1", "sent", "k1", "k2")},
		}, ""},
		{"a key in doubt that left and one that did not", record{
			broadcasts: []sandbox.Broadcast{sent("b1", "k1")},
			results:    map[string]bridge.Result{"1": told("b1", "in_doubt", "k1"), "2": told("b2", "in_doubt", "k2")},
		}, ""},
		{"a key that was returned and left with another", record{
			broadcasts: []sandbox.Broadcast{sent("b2", "k1 k2")},
			results: map[string]bridge.Result{
				"1": told("b1", "in_doubt", "k1"), "2": told("b1", "not_sent", "k1"), "3": told("b2", "sent", "k1", "k2"),
			},
		}, ""},
		{"a key that left twice", record{
			broadcasts: []sandbox.Broadcast{sent("b1", "k1 k2"), sent("b2", "k1")},
			results:    map[string]bridge.Result{"1": told("b1", "sent", "k1", "k2"), "2": told("b2", "in_doubt", "k1")},
		}, "k1 left twice: with b1 and with b2"},
		{"a key that nothing answers for", record{
			broadcasts: []sandbox.Broadcast{sent("b1", "k1")},
			results:    map[string]bridge.Result{"1": told("b1", "sent", "k1")},
		}, "k2 is lost"},
		{"a key in doubt twice", record{
			broadcasts: []sandbox.Broadcast{sent("b1", "k1 k2")},
			results:    map[string]bridge.Result{"1": told("b1", "sent", "k1", "k2"), "2": told("b2", "in_doubt", "k1")},
		}, "k1 is accounted for 2 times"},
		{"a key that is reported as sent and never left", record{
			broadcasts: []sandbox.Broadcast{sent("b1", "k1")},
			results:    map[string]bridge.Result{"1": told("b1", "sent", "k1", "k2")},
		}, "k2 is reported as sent with b1, which never left"},
		{"a broadcast that was returned although it left", record{
			broadcasts: []sandbox.Broadcast{sent("b1", "k1"), sent("b2", "k2")},
			results: map[string]bridge.Result{
				"1": told("b1", "not_sent", "k1"), "2": told("b2", "sent", "k2"), "3": told("b3", "in_doubt", "k1"),
			},
		}, "k1 left with b1, and its result is of b3"},
		{"a broadcast with two ends", record{
			broadcasts: []sandbox.Broadcast{sent("b1", "k1 k2")},
			results:    map[string]bridge.Result{"1": told("b1", "sent", "k1", "k2"), "2": told("b1", "not_sent", "k1", "k2")},
		}, "contradict each other"},
		{"a result that is of no broadcast", record{
			broadcasts: []sandbox.Broadcast{sent("b1", "k1 k2")},
			results:    map[string]bridge.Result{"1": told("b1", "sent", "k1", "k2"), "2": told("", "expired")},
		}, "none of a whole broadcast"},
		{"a key that nobody published", record{
			broadcasts: []sandbox.Broadcast{sent("b1", "k1 k2 k3")},
			results:    map[string]bridge.Result{"1": told("b1", "sent", "k1", "k2")},
		}, `"k3" left and was never published`},
		{"more calls in an hour than allowed", record{
			broadcasts: []sandbox.Broadcast{sent("b1", "k1 k2")},
			results:    map[string]bridge.Result{"1": told("b1", "sent", "k1", "k2")},
			calls:      []time.Time{noon, noon.Add(59 * time.Minute), noon.Add(time.Hour), noon.Add(61 * time.Minute)},
		}, "the quota was exceeded: 3 calls"},
		{"a call that was refused for want of quota", record{
			broadcasts: []sandbox.Broadcast{sent("b1", "k1 k2")},
			results:    map[string]bridge.Result{"1": told("b1", "sent", "k1", "k2")},
			refused:    1,
		}, "the quota was exceeded"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.r.keys, tt.r.quota = []string{"k1", "k2"}, 2
			_, faults := account(tt.r)
			if all := strings.Join(faults, "\n"); tt.fault == "" && len(faults) > 0 || !strings.Contains(all, tt.fault) {
				t.Errorf("faults are %q, want %q", all, tt.fault)
			}
		})
	}
}
