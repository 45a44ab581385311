package mapping

import (
	"bytes"
	"reflect"
	"strconv"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/belfry-bridge/belfry/internal/rawjson"
)

// celValue decodes one valid raw JSON value. Objects decode their members
// when they are asked for them.
func celValue(raw []byte) ref.Val {
	switch raw[0] {
	case '"':
		return types.String(rawjson.Text(raw))
	case 't':
		return types.True
	case 'f':
		return types.False
	case 'n':
		return types.NullValue
	case '{':
		return &jsonObject{raw: raw}
	case '[':
		var list []ref.Val
		rawjson.Array(raw, func(e []byte) { list = append(list, celValue(e)) })
		return types.NewRefValList(types.DefaultTypeAdapter, list)
	}
	return celNumber(raw)
}

// celNumber reads whole numbers as int (uint beyond its range), all others as
// double. A whole number that neither holds is most likely an id: as a double
// it would be equal to others, so that two events would become one.
func celNumber(raw []byte) ref.Val {
	if i, ok := smallInt(raw); ok {
		return types.Int(i)
	}
	if !bytes.ContainsAny(raw, ".eE") {
		if i, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			return types.Int(i)
		}
		if u, err := strconv.ParseUint(string(raw), 10, 64); err == nil {
			return types.Uint(u)
		}
		return types.NewErr("cannot use the number %.40s: it has more than 64 bits; publish ids as strings", raw)
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return types.NewErr("cannot use the number %.40s: it is out of range", raw)
	}
	return types.Double(f)
}

func smallInt(raw []byte) (n int64, ok bool) {
	digits := raw
	if raw[0] == '-' {
		digits = raw[1:]
	}
	if len(digits) > 18 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if raw[0] == '-' {
		n = -n
	}
	return n, true
}

// jsonObject is an object that is cut into members when the first is asked for,
// and decoded whole when looking at members one by one has become dear: the cost of
// an expression counts a member as one step, however long it is.
type jsonObject struct {
	raw     []byte
	members []rawjson.Member
	cut     bool
	work    int           // bytes and members that were looked at
	whole   traits.Mapper // decoded
}

// wholeAfter is how often an object's bytes may be looked at member by member.
const wholeAfter = 8

// Find implements traits.Mapper.
func (o *jsonObject) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	if o.work > wholeAfter*len(o.raw) {
		return o.decoded().Find(key)
	}
	if !o.cut {
		o.members, _ = rawjson.Object(o.raw, nil)
		o.cut = true
	}
	raw, ok := rawjson.Lookup(o.members, string(name))
	o.work += len(o.members) + len(raw)
	if !ok {
		return nil, false
	}
	return celValue(raw), true
}

// Get implements traits.Indexer.
func (o *jsonObject) Get(key ref.Val) ref.Val {
	if v, ok := o.Find(key); ok {
		return v
	}
	return types.NewErr("no such key: %v", key)
}

// Contains implements traits.Container.
func (o *jsonObject) Contains(key ref.Val) ref.Val {
	_, ok := o.Find(key)
	return types.Bool(ok)
}

func (o *jsonObject) decoded() traits.Mapper {
	if o.whole != nil {
		return o.whole
	}
	members, _ := rawjson.Object(o.raw, nil)
	m := make(map[ref.Val]ref.Val, len(members))
	for _, one := range members {
		m[types.String(one.Name())] = celValue(one.Value)
	}
	o.whole = types.NewRefValMap(types.DefaultTypeAdapter, m)
	return o.whole
}

// Iterator implements traits.Iterable.
func (o *jsonObject) Iterator() traits.Iterator { return o.decoded().Iterator() }

// Size implements traits.Sizer.
func (o *jsonObject) Size() ref.Val { return o.decoded().Size() }

// ConvertToNative implements ref.Val.
func (o *jsonObject) ConvertToNative(t reflect.Type) (any, error) {
	return o.decoded().ConvertToNative(t)
}

// ConvertToType implements ref.Val.
func (o *jsonObject) ConvertToType(t ref.Type) ref.Val { return o.decoded().ConvertToType(t) }

// Equal implements ref.Val.
func (o *jsonObject) Equal(other ref.Val) ref.Val { return o.decoded().Equal(other) }

// Type implements ref.Val.
func (o *jsonObject) Type() ref.Type { return types.MapType }

// Value implements ref.Val.
func (o *jsonObject) Value() any { return o.decoded().Value() }
