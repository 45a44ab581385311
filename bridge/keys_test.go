package bridge

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestKeySetCountsExactlyUpToItsBoundAndWithinTenPercentBeyond(t *testing.T) {
	for _, n := range []int{0, 1, 1000, maxKeys, maxKeys + 1, 10_000, 1_000_000} {
		var s keySet
		for i := range n {
			s.add(hashKey(fmt.Sprintf("lesson-%d", i)))
			s.add(hashKey(fmt.Sprintf("lesson-%d", i/2)))
		}
		if n <= maxKeys && (!s.exact() || s.count() != n) {
			t.Errorf("%d keys are counted as %d, exact: %v", n, s.count(), s.exact())
		}
		if n > maxKeys && s.exact() {
			t.Errorf("%d keys are claimed to be counted exactly", n)
		}
		if off := math.Abs(float64(s.count()-n)) / max(1, float64(n)); off > 0.1 {
			t.Errorf("%d keys are estimated as %d", n, s.count())
		}
	}
}

func TestKeySetIsTheSameInWhateverOrderItIsFilledOrMerged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hashes := rapid.SliceOfN(rapid.Uint64(), 0, 300).Draw(t, "hashes")
		cut := rapid.IntRange(0, len(hashes)).Draw(t, "cut")
		var all, left, right keySet
		for _, s := range []*keySet{&all, &left, &right} {
			s.shrink(minKeys)
		}
		for _, h := range hashes {
			all.add(h)
		}
		for i := cut - 1; i >= 0; i-- {
			left.add(hashes[i])
		}
		for _, h := range hashes[cut:] {
			right.add(h)
		}
		right.merge(&left)
		left.merge(&right)
		for name, s := range map[string]keySet{"right": right, "left": left} {
			a, _ := all.MarshalText()
			b, _ := s.MarshalText()
			if string(a) != string(b) {
				t.Fatalf("%s merged differs:\n%s\n%s", name, a, b)
			}
		}
	})
}

func TestKeySetSurvivesEncodingAndNeverDeniesAKeyItHas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hashes := rapid.SliceOfN(rapid.Uint64(), 0, 200).Draw(t, "hashes")
		var s, back keySet
		s.shrink(minKeys)
		for _, h := range hashes {
			s.add(h)
		}
		text, err := s.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if err := back.UnmarshalText(text); err != nil {
			t.Fatalf("cannot read back %q: %v", text, err)
		}
		if again, _ := back.MarshalText(); string(again) != string(text) {
			t.Fatalf("encodes as %q, then as %q", text, again)
		}
		for _, h := range hashes {
			if back.find(h) == absent {
				t.Fatalf("hash %d was added and is denied", h)
			}
		}
	})
}

func TestKeySetRefusesWhatItCannotHaveWritten(t *testing.T) {
	for _, text := range []string{"", "x", "1024", "63:", "1025:", "64+:", "64:AAAA", "64:AAAAAAAAAAEAAAAAAAAAAA", "x:", "64:!"} {
		var s keySet
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
