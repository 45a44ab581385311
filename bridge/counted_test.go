package bridge

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

func TestAnItemThatExpiredAndComesAgainTakesNobodysPlace(t *testing.T) {
	d := counted(1, countedItem("kept", "r", 0, 6*time.Hour), countedItem("short", "r", 1, 30*time.Minute), countedItem("long", "r", 2, 6*time.Hour))
	d.expire(countedAt.Add(time.Hour))
	if replaced := d.put(countedItem("short", "r", time.Hour, 7*time.Hour), 1); replaced || d.Count() != 3 || d.Seen != 3 {
		t.Errorf("replaced: %v; %d items, %d keys", replaced, d.Count(), d.Seen)
	}
	if replaced := d.put(countedItem("long", "r", time.Hour, 8*time.Hour), 1); !replaced || d.Count() != 3 {
		t.Errorf("replaced: %v; %d items", replaced, d.Count())
	}
}

func TestACancelledItemIsNamedAlsoWhereItIsOnlyCounted(t *testing.T) {
	d := counted(1, countedItem("a", "r1", 0, time.Hour), countedItem("b", "r1", 1, time.Hour), countedItem("c", "r2", 2, time.Hour), countedItem("d", "r1", 3, time.Hour))
	if gone := d.cancel("c", []string{"r1"}); len(gone) != 0 {
		t.Errorf("another rule's: %+v", gone)
	}
	if gone := d.cancel("c", []string{"r2"}); len(gone) != 1 || gone[0].EventID != "e-c" {
		t.Errorf("cancelled %+v", gone)
	}
	if ids := d.EventIDs(10); len(ids) != 3 || ids[1] != "e-b" || ids[2] != "e-d" || d.Last == nil || d.Last.Key != "d" {
		t.Errorf("left are %q, and the last is %+v", ids, d.Last)
	}
}

func TestWhatIsOnlyCountedAndWasCancelledInDoubtDoesNotGoAgain(t *testing.T) {
	s := NewState("campus", "born")
	d := counted(1, countedItem("a", "r", 0, time.Hour), countedItem("b", "r", 1, time.Hour), countedItem("c", "r", 2, time.Hour), countedItem("d", "r", 3, time.Hour))
	s.Held = []*Broadcast{{ID: "x", State: InDoubt, Digest: d}}
	s.cancelUnderWay(&mapping.Match{Item: mapping.Item{Key: "b"}, Cancels: []string{"r"}})
	s.cancelUnderWay(&mapping.Match{Item: mapping.Item{Key: "c"}, Cancels: []string{"others"}})
	s.replaceUnderWay(d.key(), "d", nil)
	s.replaceUnderWay(d.key(), "new", nil)
	if f := s.Held[0].Fates(countedAt); f != (Fates{Again: 2, Cancelled: 1, Replaced: 1}) {
		t.Errorf("told %+v", f)
	}
	s.Held = nil
	s.restore(&mapping.App{Templates: map[string]*mapping.Template{"t": {Keep: 1}}}, d)
	if s.Waiting() != 2 || s.Counts.Cancelled != 1 || s.Counts.Replaced != 1 || len(s.Drops) != 1 || s.Drops[0].IDs[0] != "e-b" {
		t.Errorf("%d wait, counts %+v, dropped %+v", s.Waiting(), s.Counts, s.Drops)
	}
	if ids := s.Digests[0].EventIDs(10); len(ids) != 2 || ids[1] != "e-c" || s.Digests[0].Gone != nil {
		t.Errorf("left are %q", ids)
	}
}

func TestMarksSurviveTheStoreAndOldStatesHaveNone(t *testing.T) {
	d := counted(1, countedItem("a", "r", 0, time.Hour), countedItem("b", "r", 1, time.Hour), countedItem("c", "r", 2, time.Hour))
	data, err := json.Marshal(d.Rest)
	if err != nil {
		t.Fatal(err)
	}
	var rest []Bucket
	if err := json.Unmarshal(data, &rest); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.Rest[0].Marks, rest[0].Marks, cmp.AllowUnexported(mark{})); diff != "" {
		t.Error(diff)
	}
	d.Rest[0].Marks = nil // as an old state has it
	d.Rest[0].measure()   // as decoding does
	if gone := d.cancel("c", []string{"r"}); len(gone) != 1 || gone[0].EventID != "e-b" || d.Count() != 2 {
		t.Errorf("cancelled %+v, %d are left: the first, as nobody knows which", gone, d.Count())
	}
	d.put(countedItem("new", "r", 4, time.Hour), 1)
	if gone := d.cancel("new", []string{"r"}); len(gone) != 1 || gone[0].EventID != "e-new" {
		t.Errorf("cancelled %+v", gone)
	}
	if err := json.Unmarshal([]byte(`"AAA"`), new(marks)); err == nil {
		t.Error("two bytes are taken for marks")
	}
}

// Some builds wrote marks of ten bytes. Six of them take as much as five of ours.
func TestMarksOfAnotherWidthAreNotTaken(t *testing.T) {
	for n := 1; n <= 12; n++ {
		d := &Digest{Rest: []Bucket{{Count: n, IDs: make([]string, n)}}}
		text, err := json.Marshal(base64.RawStdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 10*n)))
		if err != nil {
			t.Fatal(err)
		}
		b := &d.Rest[0]
		if err := json.Unmarshal(text, &b.Marks); err != nil {
			t.Fatalf("%d marks: %v", n, err)
		}
		b.measure()
		if diff := cmp.Diff(make(marks, n), b.Marks, cmp.AllowUnexported(mark{})); diff != "" {
			t.Errorf("%d marks (-want +got):\n%s", n, diff)
		}
	}
}
