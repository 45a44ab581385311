package bridge

import (
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

var countedAt = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// counted is a digest of items that keeps the texts of a few.
func counted(keep int, items ...mapping.Item) *Digest {
	d := &Digest{ID: "d", Audience: "a", Template: "t", Rules: map[string]int{}}
	for _, it := range items {
		d.put(it, keep)
		d.Rules[it.Rule]++
	}
	return d
}

func countedItem(key, rule string, after, lives time.Duration) mapping.Item {
	at := countedAt.Add(after)
	return mapping.Item{Key: key, Rule: rule, Text: key, EventID: "e-" + key, Arrived: at, ReadyBy: at, Expires: countedAt.Add(lives)}
}

func TestACancelledItemIsNotTheLastAfterATakeBack(t *testing.T) {
	old := counted(20, countedItem("one", "r", 0, 6*time.Hour))
	d := counted(20, countedItem("late", "r", 10*time.Minute, 6*time.Hour), countedItem("gate", "r", 5*time.Minute, 6*time.Hour)) // two streams, one behind
	d.merge(old, 20)
	if gone := d.cancel("gate", []string{"r"}); len(gone) != 1 || d.View("app", countedAt).Last.Key == "gate" {
		t.Errorf("cancelled %v, and the last is %q", gone, d.View("app", countedAt).Last.Key)
	}
}

func TestACancellationLeavesTheLastItemOfAnotherRule(t *testing.T) {
	d := counted(1, countedItem("7a", "r1", 0, time.Hour), countedItem("7", "r2", time.Second, time.Hour))
	if gone := d.cancel("7", []string{"r1"}); len(gone) != 0 || d.Count() != 2 || d.View("app", countedAt).Last.Key != "7" {
		t.Errorf("it took out %v, %d are left, and the last is %q", gone, d.Count(), d.View("app", countedAt).Last.Key)
	}
}

func TestFatesAreWhatATakeBackDoes(t *testing.T) {
	d := counted(1, countedItem("kept", "r", 0, 6*time.Hour), countedItem("s1", "r", 1, 30*time.Minute), countedItem("s2", "r", 2, 30*time.Minute),
		countedItem("l1", "r", 3, 6*time.Hour), countedItem("l2", "r", 4, 6*time.Hour))
	d.Last.Replaced = true
	now := countedAt.Add(time.Hour)
	f := (&Broadcast{ID: "b", Digest: d}).Fates(now)
	s := NewState("campus", "born")
	s.restore(&mapping.App{Templates: map[string]*mapping.Template{"t": {Keep: 1}}}, d)
	s.Expire(now)
	if f.Again != s.Waiting() || f.Expired != int(s.Counts.Expired) || f.Replaced != 1 {
		t.Errorf("told %+v; done: %d wait, %d have expired", f, s.Waiting(), s.Counts.Expired)
	}
}

func TestEventIDsThatHadNoRoomAreLeftOut(t *testing.T) {
	d := counted(20, countedItem("a", "r", 0, time.Hour), countedItem("b", "r", 1, time.Hour))
	d.Items[0].EventID = ""
	if ids := d.EventIDs(10); len(ids) != 1 || ids[0] != "e-b" {
		t.Errorf("the ids are %q", ids)
	}
}
