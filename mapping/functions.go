package mapping

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/belfry-bridge/belfry/internal/rawjson"
)

func (x *execution) functions() template.FuncMap {
	return template.FuncMap{
		tickName:   x.tick,
		"date":     x.date,
		"default":  defaultTo,
		"get":      get,
		"index":    index,
		"join":     x.join,
		"json":     x.json,
		"lower":    func(v any) (string, error) { return x.charge(strings.ToLower(textOf(v))) },
		"upper":    func(v any) (string, error) { return x.charge(strings.ToUpper(textOf(v))) },
		"trim":     func(v any) (string, error) { s, err := x.reads(v); return strings.TrimSpace(s), err },
		"plural":   plural,
		"truncate": x.truncate,
		"print":    func(v ...any) (string, error) { return x.charge(fmt.Sprint(v...)) },
		"println":  func(v ...any) (string, error) { return x.charge(fmt.Sprintln(v...)) },
		"printf":   x.printf,
		"eq":       x.equal,
		"ne":       func(a, b any) (bool, error) { ok, err := x.equal(a, b); return !ok, err },
		"lt":       func(a, b any) (bool, error) { c, err := x.compare(a, b); return c < 0, err },
		"le":       func(a, b any) (bool, error) { c, err := x.compare(a, b); return c <= 0, err },
		"gt":       func(a, b any) (bool, error) { c, err := x.compare(a, b); return c > 0, err },
		"ge":       func(a, b any) (bool, error) { c, err := x.compare(a, b); return c >= 0, err },
	}
}

// nothing is JSON's null in a template: false, and no text.
type nothing []struct{}

func (nothing) String() string { return "" }

// MarshalJSON implements json.Marshaler.
func (nothing) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// fraction is a JSON number that is not whole. It prints as it was written.
type fraction float64

func (f fraction) String() string { return strconv.FormatFloat(float64(f), 'f', -1, 64) }

// long is a whole number that no other type holds, digit for digit.
type long string

// MarshalJSON implements json.Marshaler.
func (l long) MarshalJSON() ([]byte, error) { return []byte(l), nil }

// moment is a time in a template. It has no methods that know the machine's zone.
type moment struct{ t time.Time }

func (m moment) String() string { return m.t.UTC().Format(time.RFC3339) }

// MarshalJSON implements json.Marshaler.
func (m moment) MarshalJSON() ([]byte, error) { return json.Marshal(m.String()) }

// decodeForTemplate decodes JSON into what templates work with.
func decodeForTemplate(raw []byte) any {
	if len(raw) == 0 {
		return nothing(nil)
	}
	switch raw[0] {
	case '{':
		members, _ := rawjson.Object(raw, nil)
		m := make(map[string]any, len(members))
		for _, one := range members {
			m[one.Name()] = decodeForTemplate(one.Value)
		}
		return m
	case '[':
		list := []any{}
		rawjson.Array(raw, func(e []byte) { list = append(list, decodeForTemplate(e)) })
		return list
	case '"':
		return rawjson.Text(raw)
	case 't', 'f':
		return raw[0] == 't'
	case 'n':
		return nothing(nil)
	}
	if i, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return i
	}
	if !bytes.ContainsAny(raw, ".eE") {
		return long(raw)
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil { // out of range: an infinity could be written nowhere
		return long(raw)
	}
	return fraction(f)
}

func textOf(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return fmt.Sprint(v)
}

// sizeOf is about how much there is to look at in a value.
func sizeOf(v any) int {
	n := 1
	switch v := v.(type) {
	case string:
		n += len(v)
	case long:
		n += len(v)
	case []any:
		for _, e := range v {
			n += sizeOf(e)
		}
	case map[string]any:
		for k, e := range v {
			n += len(k) + sizeOf(e)
		}
	}
	return n
}

// plural gives "1 lesson", "2 lessons".
func plural(n any, one, many string) (string, error) {
	f, ok := numberOf(n)
	if !ok {
		return "", fmt.Errorf("cannot count with %q: plural wants a number first", textOf(n))
	}
	if f == 1 {
		return textOf(n) + " " + one, nil
	}
	return textOf(n) + " " + many, nil
}

// truncate shortens text to n characters as people count them, an ellipsis included.
func (x *execution) truncate(n any, v any) (string, error) {
	limit, ok := numberOf(n)
	if !ok || limit < 1 || limit > maxOutput {
		return "", errors.New("cannot truncate: want a length of at least 1 first, then the text")
	}
	s, err := x.reads(v)
	if err != nil {
		return "", err
	}
	return cutGraphemes(s, int(limit)), nil
}

// defaultTo gives the fallback for what is empty.
func defaultTo(fallback, v any) any {
	if ok, _ := template.IsTrue(v); ok {
		return v
	}
	return fallback
}

// get reads a field that may be missing.
func get(m any, name string, fallback ...any) (any, error) {
	fields, ok := m.(map[string]any)
	if v, found := fields[name]; found {
		return v, nil
	}
	if _, null := m.(nothing); !ok && !null {
		return nil, fmt.Errorf("cannot get %q from %s", name, inWords(m))
	}
	if len(fallback) == 0 {
		return nothing(nil), nil
	}
	return fallback[0], nil
}

// index reads a field, or an element of a list. Unlike Go's, it makes up
// nothing in place of a field that is missing.
func index(v any, at ...any) (any, error) {
	for _, place := range at {
		fields, object := v.(map[string]any)
		_, null := v.(nothing)
		list := reflect.ValueOf(v)
		name, named := place.(string)
		n, numbered := wholeNumber(place)
		switch {
		case named && (object || null):
			field, there := fields[name]
			if !there {
				return nil, fmt.Errorf("there is no field %q", name)
			}
			v = field
		case numbered && list.Kind() == reflect.Slice:
			if !n.IsInt64() || n.Int64() < 0 || n.Int64() >= int64(list.Len()) {
				return nil, fmt.Errorf("there is no element %s in a list of %d", cutBytes(n.String(), 40), list.Len())
			}
			v = list.Index(int(n.Int64())).Interface()
		default:
			return nil, fmt.Errorf("cannot look up %s in %s", inWords(place), inWords(v))
		}
	}
	return v, nil
}

// inWords names a value in an error.
func inWords(v any) string {
	if _, ok := numberOf(v); ok {
		return "the number " + cutBytes(textOf(v), 40)
	}
	switch v := v.(type) {
	case long: // beyond what a float holds
		return "the number " + cutBytes(string(v), 40)
	case nothing:
		return "null"
	case bool:
		return textOf(v)
	case string:
		return fmt.Sprintf("the text %q", cutGraphemes(v, 40))
	case moment:
		return "the time " + textOf(v)
	}
	if reflect.ValueOf(v).Kind() == reflect.Slice {
		return "a list"
	}
	return "an object"
}

func (x *execution) join(sep string, v any) (string, error) {
	list := reflect.ValueOf(v)
	if !list.IsValid() || list.Kind() != reflect.Slice {
		return "", errors.New("cannot join: want a separator first, then a list")
	}
	parts, size := make([]string, list.Len()), 0
	for i := range parts {
		parts[i] = textOf(list.Index(i).Interface())
		if size += len(parts[i]) + len(sep); size > maxBuilt {
			return "", errBuilt
		}
	}
	return x.charge(strings.Join(parts, sep))
}

func (x *execution) json(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("cannot encode as JSON: %w", err)
	}
	return x.charge(string(b))
}

// date formats a time in the audience's zone.
func (x *execution) date(layout string, v any) (string, error) {
	zone := x.zone
	if zone == nil {
		zone = time.UTC
	}
	t, err := timeOf(v, zone)
	if err != nil {
		return "", err
	}
	return x.charge(t.In(zone).Format(layout))
}

// timeOf reads a time. One that does not say in which zone is in the given one:
// a due date is that day for those who read of it.
func timeOf(v any, zone *time.Location) (time.Time, error) {
	switch v := v.(type) {
	case moment:
		return v.t, nil
	case string:
		for _, layout := range []string{
			time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateTime, "2006-01-02 15:04", time.DateOnly,
		} {
			if t, err := time.ParseInLocation(layout, v, zone); err == nil {
				return t, nil
			}
		}
	case int64:
		if v > 1e11 {
			return time.UnixMilli(v), nil
		}
		return time.Unix(v, 0), nil
	}
	return time.Time{}, fmt.Errorf("cannot read %q as a time: want one such as 2026-11-02T10:00:00+08:00, or Unix seconds or milliseconds", textOf(v))
}

func numberOf(v any) (float64, bool) {
	if l, ok := v.(long); ok {
		f, err := strconv.ParseFloat(string(l), 64)
		return f, err == nil
	}
	r := reflect.ValueOf(v)
	switch {
	case !r.IsValid():
		return 0, false
	case r.CanInt():
		return float64(r.Int()), true
	case r.CanUint():
		return float64(r.Uint()), true
	case r.CanFloat():
		return r.Float(), !math.IsNaN(r.Float())
	}
	return 0, false
}

// equal compares with each of several values, numbers whatever their type.
func (x *execution) equal(a any, others ...any) (bool, error) {
	if len(others) == 0 {
		return false, errors.New("cannot compare with nothing: eq wants two values")
	}
	for _, b := range others {
		if n, ok := numberOf(a); ok {
			if m, ok := numberOf(b); ok && compareNumbers(a, b, n, m) == 0 {
				return true, nil
			}
			continue
		}
		if err := x.look(sizeOf(a)); err != nil {
			return false, err
		}
		if reflect.DeepEqual(a, b) {
			return true, nil
		}
	}
	return false, nil
}

func (x *execution) compare(a, b any) (int, error) {
	if n, ok := numberOf(a); ok {
		if m, ok := numberOf(b); ok {
			return compareNumbers(a, b, n, m), nil
		}
	}
	if s, ok := a.(string); ok {
		if t, ok := b.(string); ok {
			return strings.Compare(s, t), x.look(min(len(s), len(t)))
		}
	}
	if s, ok := a.(moment); ok {
		if t, ok := b.(moment); ok {
			return s.t.Compare(t.t), nil
		}
	}
	return 0, fmt.Errorf("cannot compare %s with %s", inWords(a), inWords(b))
}

// compareNumbers compares whole numbers to the digit, where x and y, which
// are the same as floating point numbers, no longer tell them apart.
func compareNumbers(a, b any, x, y float64) int {
	if x == y && math.Abs(x) >= maxExact {
		m, ok1 := wholeNumber(a)
		n, ok2 := wholeNumber(b)
		if ok1 && ok2 {
			return m.Cmp(n)
		}
	}
	return cmp.Compare(x, y)
}
