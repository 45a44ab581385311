package rawjson

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// Member is one name and value of an object.
type Member struct {
	key   []byte // between the quotes, escapes included; nil of an element of an array
	Value []byte // without surrounding space
}

// Name is a member's name, decoded.
func (m Member) Name() string { return unquoted(m.key) }

// MaxDepth bounds nesting: each level that is looked into is scanned once
// more, so deep nesting would make a small event expensive.
const MaxDepth = 128

// Object cuts an object. It reports false for anything that is not one valid object.
func Object(data []byte, into []Member) ([]Member, bool) {
	ok := cutParts(data, '{', func(m Member) { into = append(into, m) })
	return into, ok
}

// Array cuts an array, and keeps nothing: one may have half a million elements.
func Array(data []byte, each func(element []byte)) bool {
	return cutParts(data, '[', func(m Member) { each(m.Value) })
}

func cutParts(data []byte, open byte, each func(Member)) bool {
	i := skipSpace(data, 0)
	if i >= len(data) || data[i] != open {
		return false
	}
	end := skipParts(data, i, 1, each)
	return end >= 0 && skipSpace(data, end) == len(data)
}

// Valid is json.Valid.
func Valid(data []byte) bool {
	end := skipValue(data, skipSpace(data, 0), 0)
	return end >= 0 && skipSpace(data, end) == len(data)
}

// Lookup finds a Member by name. Of equal names the last one counts, as in encoding/json.
func Lookup(members []Member, name string) ([]byte, bool) {
	for _, m := range slices.Backward(members) {
		if keyIs(m.key, name) {
			return m.Value, true
		}
	}
	return nil, false
}

func keyIs(key []byte, name string) bool {
	if string(key) == name {
		return true
	}
	return needsDecoding(key) && unquoted(key) == name
}

func needsDecoding(inner []byte) bool {
	return bytes.IndexByte(inner, '\\') >= 0 || !utf8.Valid(inner)
}

// Text decodes a string: one value that begins with a quote.
func Text(raw []byte) string { return unquoted(raw[1 : len(raw)-1]) }

// unquoted turns what stands between the quotes into text.
func unquoted(inner []byte) string {
	if !needsDecoding(inner) {
		return string(inner)
	}
	quoted := make([]byte, 0, len(inner)+2)
	quoted = append(append(append(quoted, '"'), inner...), '"')
	var s string
	_ = json.Unmarshal(quoted, &s) // what was cut is a string
	return s
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns the end of the value at i, or -1 if there is none.
func skipValue(data []byte, i, depth int) int {
	if i >= len(data) || depth > MaxDepth {
		return -1
	}
	switch c := data[i]; {
	case c == '"':
		return skipString(data, i)
	case c == '{' || c == '[':
		return skipParts(data, i, depth+1, nil)
	case c == '-' || '0' <= c && c <= '9':
		return skipNumber(data, i)
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if len(data)-i >= len(word) && string(data[i:i+len(word)]) == word {
			return i + len(word)
		}
	}
	return -1
}

// skipParts goes through the object or array at i, and hands out its members or
// elements, if each is not nil.
func skipParts(data []byte, i, depth int, each func(Member)) int {
	if depth > MaxDepth {
		return -1
	}
	isObject, last := data[i] == '{', data[i]+2 // the bracket that closes it
	i = skipSpace(data, i+1)
	if i < len(data) && data[i] == last {
		return i + 1
	}
	for {
		var m Member
		if isObject {
			keyEnd := skipString(data, i)
			if keyEnd < 0 {
				return -1
			}
			m.key = data[i+1 : keyEnd-1]
			if i = skipSpace(data, keyEnd); i >= len(data) || data[i] != ':' {
				return -1
			}
			i = skipSpace(data, i+1)
		}
		end := skipValue(data, i, depth)
		if end < 0 {
			return -1
		}
		if each != nil {
			m.Value = data[i:end]
			each(m)
		}
		switch i = skipSpace(data, end); {
		case i >= len(data):
			return -1
		case data[i] == last:
			return i + 1
		case data[i] != ',':
			return -1
		}
		i = skipSpace(data, i+1)
	}
}

func skipString(data []byte, i int) int {
	if i >= len(data) || data[i] != '"' {
		return -1
	}
	for i = skipPlain(data, i+1); i < len(data); i = skipPlain(data, i+1) {
		switch c := data[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			if i = skipEscape(data, i+1); i < 0 {
				return -1
			}
		}
	}
	return -1
}

// skipPlain skips, eight at a time, bytes that mean nothing in a string. It
// may stop early but never late.
func skipPlain(data []byte, i int) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(data); i += 8 {
		x := binary.LittleEndian.Uint64(data[i:])
		quote, slash := x^('"'*ones), x^('\\'*ones)
		special := (x-' '*ones)&^x | (quote-ones)&^quote | (slash-ones)&^slash
		if special &= high; special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	return i
}

// skipEscape returns the place of the escape's last character.
func skipEscape(data []byte, i int) int {
	if i >= len(data) {
		return -1
	}
	switch data[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i
	case 'u':
		for k := 1; k <= 4; k++ {
			if i+k >= len(data) || !isHex(data[i+k]) {
				return -1
			}
		}
		return i + 4
	}
	return -1
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func skipNumber(data []byte, i int) int {
	if data[i] == '-' {
		i++
	}
	switch {
	case i >= len(data):
		return -1
	case data[i] == '0':
		i++
	default:
		if i = skipDigits(data, i); i < 0 {
			return -1
		}
	}
	if i < len(data) && data[i] == '.' {
		if i = skipDigits(data, i+1); i < 0 {
			return -1
		}
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		return skipDigits(data, i)
	}
	return i
}

// skipDigits wants at least one.
func skipDigits(data []byte, i int) int {
	from := i
	for i < len(data) && '0' <= data[i] && data[i] <= '9' {
		i++
	}
	if i == from {
		return -1
	}
	return i
}
