package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// eval evaluates on one event. The result must not be kept: it refers to the event's memory.
func (x *expression) eval(e *evaluation) (ref.Val, error) {
	v, _, err := x.program.Eval(e)
	if err != nil {
		return nil, cleanEvalError(err)
	}
	return v, nil
}

func cleanEvalError(err error) error {
	msg := err.Error()
	if strings.Contains(msg, "cost limit") {
		return errors.New("the expression took too many steps on this event")
	}
	if strings.HasPrefix(msg, "no such overload") {
		return errors.New("a value has the wrong type")
	}
	if field, ok := strings.CutPrefix(msg, "no such key: "); ok {
		return fmt.Errorf("there is no field %s", field)
	}
	return errors.New(msg)
}

func (x *expression) evalBool(e *evaluation) (bool, error) {
	v, err := x.eval(e)
	if err != nil {
		return false, err
	}
	b, ok := v.(types.Bool)
	if !ok {
		return false, fmt.Errorf("the result is %s, not true or false", valueWord(v))
	}
	return bool(b), nil
}

// maxExact is from where on doubles skip whole numbers. Integers of the JSON
// are exact up to 64 bits, and doubles only beyond.
const maxExact = 1 << 53

// evalText gives a scalar result as text, for keys and groups.
func (x *expression) evalText(e *evaluation) (string, error) {
	v, err := x.eval(e)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case types.String:
		return string(v), nil
	case types.Int:
		return strconv.FormatInt(int64(v), 10), nil
	case types.Uint:
		return strconv.FormatUint(uint64(v), 10), nil
	case types.Double:
		if math.Abs(float64(v)) >= maxExact {
			return "", fmt.Errorf("the number %.6g has more digits than can be told apart here: publish ids as strings", float64(v))
		}
		return strconv.FormatFloat(float64(v), 'f', -1, 64), nil
	case types.Bool:
		return strconv.FormatBool(bool(v)), nil
	case types.Timestamp:
		return v.UTC().Format(time.RFC3339Nano), nil
	}
	return "", fmt.Errorf("the result is %s, not a string or a number", valueWord(v))
}

// maxUserID bounds a user's id, in bytes. Source: the provider's page on
// registering users, which allows letters and digits only.
const maxUserID = 64

// isUserID leaves the alphabet to the provider, but refuses what no id can be.
func isUserID(s string) bool {
	return len(s) <= maxUserID &&
		!strings.ContainsFunc(s, func(r rune) bool { // RuneError: of invalid UTF-8, also where it was replaced on decoding
			return unicode.IsSpace(r) || unicode.IsControl(r) || r == utf8.RuneError
		})
}

// evalUsers gives a list of user ids, without empty ones and duplicates. One
// that cannot be an id fails: the provider would refuse the whole digest.
func (x *expression) evalUsers(e *evaluation) ([]string, error) {
	v, err := x.eval(e)
	if err != nil {
		return nil, err
	}
	list, ok := v.(traits.Lister)
	if !ok {
		return nil, fmt.Errorf("the result is %s, not a list of strings", valueWord(v))
	}
	var out []string
	seen := map[string]bool{}
	for it, n := list.Iterator(), 1; it.HasNext() == types.True; n++ {
		s, ok := it.Next().(types.String)
		if !ok {
			return nil, errors.New("the list has an element that is not a string")
		}
		if !isUserID(string(s)) {
			return nil, fmt.Errorf("element %d of the list cannot be a user id: want letters and digits, at most %d bytes", n, maxUserID)
		}
		if id := string(s); id != "" && !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out, nil
}

func valueWord(v ref.Val) string {
	if v == types.NullValue {
		return "null"
	}
	return typeWord(v.Type().(*types.Type))
}

// appendJSON encodes a result.
func appendJSON(out []byte, v ref.Val) ([]byte, error) {
	switch v := v.(type) {
	case *types.Err: // in a list: a number that cannot be used
		return nil, v
	case *jsonObject:
		return append(out, v.raw...), nil
	case types.Null:
		return append(out, "null"...), nil
	case types.Bool:
		return strconv.AppendBool(out, bool(v)), nil
	case types.Int:
		return strconv.AppendInt(out, int64(v), 10), nil
	case types.Uint:
		return strconv.AppendUint(out, uint64(v), 10), nil
	case types.Double:
		if math.IsInf(float64(v), 0) || math.IsNaN(float64(v)) {
			return nil, errors.New("cannot keep a number that is infinite or not a number")
		}
		return appendMarshalled(out, float64(v))
	case types.String:
		return appendMarshalled(out, string(v))
	case types.Timestamp:
		return appendMarshalled(out, v.UTC().Format(time.RFC3339Nano))
	case types.Duration:
		return appendMarshalled(out, v.Duration.String())
	case traits.Lister:
		return appendList(out, v)
	case traits.Mapper:
		return appendMap(out, v)
	}
	return nil, fmt.Errorf("cannot keep %s", valueWord(v))
}

func appendMarshalled(out []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(out, b...), err
}

func appendList(out []byte, list traits.Lister) (_ []byte, err error) {
	out = append(out, '[')
	for it, first := list.Iterator(), true; it.HasNext() == types.True; first = false {
		if !first {
			out = append(out, ',')
		}
		if out, err = appendJSON(out, it.Next()); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

// appendMap encodes with sorted keys, so that the same event gives the same bytes.
func appendMap(out []byte, m traits.Mapper) ([]byte, error) {
	members := map[string]json.RawMessage{}
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.(types.String)
		if !ok {
			return nil, errors.New("cannot keep a map whose keys are not strings")
		}
		raw, err := appendJSON(nil, m.Get(key))
		if err != nil {
			return nil, err
		}
		members[string(name)] = raw
	}
	return appendMarshalled(out, members)
}
