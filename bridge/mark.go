package bridge

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
)

// mark tells items apart whose text is not kept: by their key, and whether a
// rule has made them. The zero mark is of an item of an old state.
type mark struct {
	key  uint64
	rule uint16
}

const (
	markBytes = 10
	markSize  = 14 // in the encoded state
)

func hashRule(rule string) uint16 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(rule))
	return uint16(h.Sum32())
}

// oneOf tells the marks of some rules' items.
func oneOf(rules []string) func(rule uint16) bool {
	return func(rule uint16) bool {
		return slices.ContainsFunc(rules, func(r string) bool { return hashRule(r) == rule })
	}
}

// marks are encoded in base64, 10 bytes each.
type marks []mark

// MarshalJSON implements json.Marshaler.
func (m marks) MarshalJSON() ([]byte, error) {
	raw := make([]byte, 0, markBytes*len(m))
	for _, x := range m {
		raw = binary.BigEndian.AppendUint64(raw, x.key)
		raw = binary.BigEndian.AppendUint16(raw, x.rule)
	}
	return json.Marshal(base64.RawStdEncoding.EncodeToString(raw))
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *marks) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(raw)%markBytes != 0 {
		return fmt.Errorf("cannot decode %d bytes of marks", len(raw))
	}
	*m = make(marks, 0, len(raw)/markBytes)
	for ; len(raw) > 0; raw = raw[markBytes:] {
		*m = append(*m, mark{binary.BigEndian.Uint64(raw), binary.BigEndian.Uint16(raw[8:])})
	}
	return nil
}

// gone lists what goes has noted of items of Rest.
func (d *Digest) gone() []Gone {
	all := d.Gone
	if it := d.Last; it != nil && (it.Cancelled || it.Replaced) {
		all = append(slices.Clip(all), Gone{hashKey(it.Key), !it.Replaced})
	}
	return all
}

// Gone is an item of a broadcast under way whose text is not kept, and that was
// cancelled, or replaced by newer news, since.
type Gone struct {
	Key       uint64 `json:"key"` // its hash
	Cancelled bool   `json:"cancelled,omitempty"`
}

// goes notes that an item of a broadcast under way does not go again, if it is
// one. of says whether a rule may do that to its items.
func (d *Digest) goes(key string, cancelled bool, of func(rule uint16) bool) {
	if i := d.kept(key); i >= 0 {
		if it := &d.Items[i]; of(hashRule(it.Rule)) {
			it.Cancelled, it.Replaced = it.Cancelled || cancelled, it.Replaced || !cancelled
		}
		return
	}
	h := hashKey(key)
	i, j := d.counted(h)
	if it := d.Last; i < 0 && it != nil && it.Key == key && of(hashRule(it.Rule)) {
		it.Cancelled, it.Replaced = it.Cancelled || cancelled, it.Replaced || !cancelled
	}
	if i < 0 || !of(d.Rest[i].Marks[j].rule) {
		return
	}
	for k := range d.Gone {
		if d.Gone[k].Key == h {
			d.Gone[k].Cancelled = d.Gone[k].Cancelled && cancelled
			return
		}
	}
	d.Gone = append(d.Gone, Gone{h, cancelled})
}
