package bridge

import (
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// Two parts that tell of the same may have no reader in common once one has left.
func TestPartsTellOfTheSameWhereverTheirNewsAreKept(t *testing.T) {
	digest := func(keep int, keys string) *Digest {
		var items []mapping.Item
		for i, key := range keys {
			items = append(items, countedItem(string(key), "r", time.Duration(i), time.Hour))
		}
		return counted(keep, items...)
	}
	for name, c := range map[string]struct {
		one, other *Digest
		want       bool
	}{
		"with its text in both":            {digest(5, "ab"), digest(5, "bc"), true},
		"only counted in one":              {digest(1, "ab"), digest(5, "b"), true},
		"only counted in both":             {digest(1, "ab"), digest(1, "cb"), true},
		"nobody knows":                     {digest(1, "ab"), digest(1, "cd"), true},
		"others, with their texts":         {digest(5, "ab"), digest(5, "cd"), false},
		"others, some of them counted":     {digest(1, "ab"), digest(5, "cd"), false},
		"one of which nothing is known":    {digest(5, "ab"), digest(5, ""), false},
		"one of which all is only counted": {digest(0, "ab"), digest(5, "a"), true},
	} {
		if c.one.tellsOf(c.other) != c.want || c.other.tellsOf(c.one) != c.want {
			t.Errorf("%s: %t and %t, want %t", name, c.one.tellsOf(c.other), c.other.tellsOf(c.one), c.want)
		}
	}
}
