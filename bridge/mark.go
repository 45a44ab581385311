package bridge

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/belfry-bridge/belfry/mapping"
)

// mark tells items apart whose text is not kept: by their key, and whether a
// rule has made them. The zero mark is of an item of an old state.
type mark struct {
	key  uint64
	rule uint32
}

const (
	markBytes    = 12
	oldMarkBytes = 10 // builds before wrote 16 bits of the rule
	markSize     = 16 // in the encoded state
)

func hashRule(rule string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(rule))
	return h.Sum32()
}

// by reports whether one of some rules has made the item.
func (m mark) by(rules []string) bool {
	return slices.ContainsFunc(rules, func(r string) bool { return hashRule(r) == m.rule })
}

// marks are encoded in base64, 12 bytes each.
type marks []mark

// MarshalJSON implements json.Marshaler.
func (m marks) MarshalJSON() ([]byte, error) {
	raw := make([]byte, 0, markBytes*len(m))
	for _, x := range m {
		raw = binary.BigEndian.AppendUint64(raw, x.key)
		raw = binary.BigEndian.AppendUint32(raw, x.rule)
	}
	return json.Marshal(base64.RawStdEncoding.EncodeToString(raw))
}

// UnmarshalJSON implements json.Unmarshaler. Old marks come out as fewer than
// there are ids, and do not tell; see measure.
func (m *marks) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(raw)%markBytes != 0 && len(raw)%oldMarkBytes != 0 {
		return fmt.Errorf("cannot decode %d bytes of marks", len(raw))
	}
	*m = make(marks, 0, len(raw)/markBytes)
	for ; len(raw) >= markBytes; raw = raw[markBytes:] {
		*m = append(*m, mark{binary.BigEndian.Uint64(raw), binary.BigEndian.Uint32(raw[8:])})
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
// one: cancelled by rules that may do that to their items, or, without any,
// replaced by newer news.
func (d *Digest) goes(key string, cancels []string) {
	note := func(it *mapping.Item) {
		switch {
		case cancels == nil:
			it.Replaced = true
		case slices.Contains(cancels, it.Rule):
			it.Cancelled = true
		}
	}
	if i := d.kept(key); i >= 0 {
		note(&d.Items[i])
		return
	}
	h := hashKey(key)
	i, j := d.counted(h)
	switch {
	case i < 0 && d.Last != nil && d.Last.Key == key:
		note(d.Last)
	case i < 0 || cancels != nil && !d.Rest[i].Marks[j].by(cancels):
	default:
		d.Gone = slices.DeleteFunc(d.Gone, func(g Gone) bool { return g.Key == h && g.Cancelled })
		if !slices.ContainsFunc(d.Gone, func(g Gone) bool { return g.Key == h }) {
			d.Gone = append(d.Gone, Gone{h, cancels != nil})
		}
	}
}
