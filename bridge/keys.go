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

// KeySet counts distinct keys: exactly up to its bound, by estimate beyond
// (k minimum values: the k smallest hashes tell how densely they lie; with
// 1,024 of them the error is about 3 %). Sets merge, in any order.
type KeySet struct {
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

// Presence says whether a KeySet has a key.
type Presence uint8

// What a KeySet can know about a key.
const (
	Absent  Presence = iota
	Present          // certainly
	Unknown          // beyond the bound: nobody can tell
)

func (s *KeySet) limit() int {
	if s.bound == 0 {
		return maxKeys
	}
	return s.bound
}

// Find says whether the set has the hash.
func (s *KeySet) Find(h uint64) Presence {
	if _, ok := slices.BinarySearch(s.hashes, h); ok {
		return Present
	}
	if h > s.known() {
		return Unknown
	}
	return Absent
}

// Add puts a hash into the set. The largest gives way when the set is full.
func (s *KeySet) Add(h uint64) {
	i, ok := slices.BinarySearch(s.hashes, h)
	if ok || h > s.known() {
		return // what was left out once stays out, or the estimate would be wrong
	}
	s.hashes = slices.Insert(s.hashes, i, h)
	s.shrinkTo(s.limit())
}

// Remove takes a hash out, if it is known to be in.
func (s *KeySet) Remove(h uint64) {
	if i, ok := slices.BinarySearch(s.hashes, h); ok && len(s.hashes) > 1 || ok && !s.over {
		s.hashes = slices.Delete(s.hashes, i, i+1)
	}
}

// Merge adds all of o. Beyond the largest hash of a set that is not exact
// nothing is known, so both count up to the smaller of the two only.
func (s *KeySet) Merge(o *KeySet) {
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
func (s *KeySet) known() uint64 {
	switch n := len(s.hashes); {
	case !s.over:
		return math.MaxUint64
	case n == 0:
		return 0
	default:
		return s.hashes[n-1]
	}
}

// Shrink lowers the bound for good, to save room in the state.
func (s *KeySet) Shrink(bound int) {
	if bound < s.limit() {
		s.bound = bound
		s.shrinkTo(bound)
	}
}

func (s *KeySet) shrinkTo(n int) {
	if len(s.hashes) > n {
		s.hashes, s.over = s.hashes[:n], true
	}
}

// Exact reports whether Count is exact.
func (s *KeySet) Exact() bool { return !s.over }

// Count is how many distinct keys were added; an estimate when not Exact.
func (s *KeySet) Count() int {
	n := len(s.hashes)
	if !s.over || n == 0 {
		return n
	}
	density := float64(s.hashes[n-1]) / math.MaxUint64
	return max(n, int(math.Round(float64(n-1)/density)))
}

// MarshalText encodes the set as "<bound>[+]:<base64 of the hashes>".
func (s KeySet) MarshalText() ([]byte, error) {
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
func (s *KeySet) UnmarshalText(text []byte) error {
	head, body, ok := bytes.Cut(text, []byte{':'})
	if !ok {
		return fmt.Errorf("cannot decode a key set: no colon in %d bytes", len(text))
	}
	var out KeySet
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
