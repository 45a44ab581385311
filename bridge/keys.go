package bridge

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
)

const (
	maxKeys = 1024 // distinct keys that a digest counts exactly
	minKeys = 64   // what remains of it when the state is short of room
)

// keySet counts distinct keys: exactly up to its bound, by estimate beyond
// (k minimum values: the k smallest hashes tell how densely they lie; with
// 1,024 of them the error is about 3 %). Sets merge, in any order.
type keySet struct {
	hashes []uint64 // ascending; never more than bound
	bound  int      // 0 means maxKeys
	over   bool     // some hash was left out
}

// hashKey spreads keys evenly; FNV alone is too regular in its high bits.
func hashKey(key string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	x := h.Sum64()
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// presence says whether a keySet has a key.
type presence uint8

// What a keySet can know about a key.
const (
	absent  presence = iota
	present          // certainly
	unknown          // beyond the bound: nobody can tell
)

func (s *keySet) limit() int {
	if s.bound == 0 {
		return maxKeys
	}
	return s.bound
}

// find says whether the set has the hash.
func (s *keySet) find(h uint64) presence {
	if _, ok := slices.BinarySearch(s.hashes, h); ok {
		return present
	}
	if h > s.known() {
		return unknown
	}
	return absent
}

// add puts a hash into the set. The largest gives way when the set is full.
func (s *keySet) add(h uint64) {
	i, ok := slices.BinarySearch(s.hashes, h)
	if ok || h > s.known() {
		return // what was left out once stays out, or the estimate would be wrong
	}
	s.hashes = slices.Insert(s.hashes, i, h)
	s.shrinkTo(s.limit())
}

// remove takes a hash out, if it is known to be in.
func (s *keySet) remove(h uint64) {
	if i, ok := slices.BinarySearch(s.hashes, h); ok && len(s.hashes) > 1 || ok && !s.over {
		s.hashes = slices.Delete(s.hashes, i, i+1)
	}
}

// merge adds all of o. Beyond the largest hash of a set that is not exact
// nothing is known, so both count up to the smaller of the two only.
func (s *keySet) merge(o *keySet) {
	s.bound = min(s.limit(), o.limit())
	known := min(s.known(), o.known())
	s.hashes = slices.DeleteFunc(s.hashes, func(h uint64) bool { return h > known })
	for _, h := range o.hashes {
		if i, ok := slices.BinarySearch(s.hashes, h); !ok && h <= known {
			s.hashes = slices.Insert(s.hashes, i, h)
		}
	}
	s.over = s.over || o.over
	s.shrinkTo(s.limit())
}

// known is up to which hash the set has all that were added.
func (s *keySet) known() uint64 {
	switch n := len(s.hashes); {
	case !s.over:
		return math.MaxUint64
	case n == 0:
		return 0
	default:
		return s.hashes[n-1]
	}
}

// shrink lowers the bound for good, to save room in the state.
func (s *keySet) shrink(bound int) {
	if bound < s.limit() {
		s.bound = bound
		s.shrinkTo(bound)
	}
}

func (s *keySet) shrinkTo(n int) {
	if len(s.hashes) > n {
		s.hashes, s.over = s.hashes[:n], true
	}
}

// exact reports whether count is exact.
func (s *keySet) exact() bool { return !s.over }

// count is how many distinct keys were added; an estimate when not exact.
func (s *keySet) count() int {
	n := len(s.hashes)
	if !s.over || n == 0 {
		return n
	}
	density := float64(s.hashes[n-1]) / math.MaxUint64
	return max(n, int(math.Round(float64(n-1)/density)))
}

// MarshalText encodes the set as "<bound>[+]:<base64 of the hashes>".
func (s keySet) MarshalText() ([]byte, error) {
	raw := make([]byte, 0, 8*len(s.hashes))
	for _, h := range s.hashes {
		raw = binary.BigEndian.AppendUint64(raw, h)
	}
	over := ""
	if s.over {
		over = "+"
	}
	return fmt.Appendf(nil, "%d%s:%s", s.limit(), over, base64.RawStdEncoding.EncodeToString(raw)), nil
}

// UnmarshalText is the inverse of MarshalText; it refuses what MarshalText
// cannot have written.
func (s *keySet) UnmarshalText(text []byte) error {
	head, body, ok := bytes.Cut(text, []byte{':'})
	if !ok {
		return fmt.Errorf("cannot decode a key set: no colon in %d bytes", len(text))
	}
	var out keySet
	if n := len(head); n > 0 && head[n-1] == '+' {
		out.over, head = true, head[:n-1]
	}
	if _, err := fmt.Sscanf(string(head), "%d", &out.bound); err != nil || out.bound < minKeys || out.bound > maxKeys {
		return fmt.Errorf("cannot decode a key set: bound %q is not within %d and %d", head, minKeys, maxKeys)
	}
	raw, err := base64.RawStdEncoding.DecodeString(string(body))
	if err != nil || len(raw)%8 != 0 || len(raw)/8 > out.bound || out.over && len(raw) == 0 {
		return fmt.Errorf("cannot decode a key set: %d bytes of hashes for a bound of %d", len(raw), out.bound)
	}
	for i := 0; i < len(raw); i += 8 {
		h := binary.BigEndian.Uint64(raw[i:])
		if n := len(out.hashes); n > 0 && out.hashes[n-1] >= h {
			return fmt.Errorf("cannot decode a key set: hash %d is out of order", n)
		}
		out.hashes = append(out.hashes, h)
	}
	*s = out
	return nil
}
