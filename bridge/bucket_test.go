package bridge

import (
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// Expiries of counted items are rounded up, and yet none outlives the last.
func TestADigestDoesNotOutliveTheLastOfItsItems(t *testing.T) {
	at := time.Date(2026, 11, 2, 22, 1, 0, 0, time.UTC)
	d := &Digest{Rules: map[string]int{}}
	for i := range 30 {
		arrived := at.Add(time.Duration(i) * time.Second)
		d.put(mapping.Item{Key: string(rune('a' + i)), EventID: "e", Arrived: arrived, ReadyBy: arrived.Add(time.Minute), Expires: arrived.Add(6 * time.Hour)}, 20)
	}
	last := at.Add(6*time.Hour + 29*time.Second)
	if n, _ := d.expire(last.Add(-time.Second)); n != 20 || d.Count() != 10 || d.Last == nil || !d.expires().Equal(last) {
		t.Errorf("%d have expired, %d are left until %s, want 20 and 10 until %s", n, d.Count(), d.expires(), last)
	}
	if n, ids := d.expire(last); n != 10 || len(ids) != 10 || d.Count() != 0 || d.Events != 0 || d.Last != nil {
		t.Errorf("%d have expired, %d are left", n, d.Count())
	}
}

func TestWhatAnOldStateHasCountedDoesNotEndEarly(t *testing.T) {
	old := time.Date(2026, 11, 2, 15, 45, 0, 0, time.UTC)
	d := &Digest{Rest: []Bucket{{Priority: mapping.Normal, Expires: old, Count: 1}}}
	d.bucket(mapping.Normal, old).add(&mapping.Item{Expires: old.Add(-40 * time.Minute)}, 0)
	if got := d.expires(); !got.Equal(old) {
		t.Errorf("it ends at %s, want %s", got, old)
	}
}
