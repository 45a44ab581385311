package rawjson

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func seeds() []string {
	return []string{
		`{"a":1,"b":{"c":[1,2.5,-3e7,"x"]},"a":null}`, `{}`, ` { "a" : true } `, `[]`, `[1,[2],{"x":[]}]`, `"\u00e9\ud83d\ude00\n"`,
		`-0`, `0.1e+5`, `01`, `1.`, `{"a":1,}`, `{"a"}`, `{"\u0061":1}`, `tru`, `nul`, "\"\xff\"", "{\"a\xff\":1}", `{"a":1}x`, ``, `"\x"`, `"\ud800"`,
		strings.Repeat("[", 300) + strings.Repeat("]", 300), `1e999`, `123456789012345678901234567890`, `18446744073709551615`, "\"a\tb\"",
	}
}

func FuzzTheScannerAgreesWithEncodingJSON(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		agreesWithEncodingJSON(t, data)
	})
}

func agreesWithEncodingJSON(t *testing.T, data []byte) {
	t.Helper()
	if bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) > MaxDepth {
		return // nested too deep, perhaps
	}
	if got, want := Valid(data), json.Valid(data); got != want {
		t.Fatalf("Valid(%q) = %v, encoding/json says %v", data, got, want)
	}
	var want map[string]json.RawMessage
	err := json.Unmarshal(data, &want)
	members, ok := Object(data, nil)
	if isObject := err == nil && want != nil; ok != isObject {
		t.Fatalf("Object(%q) reports %v, encoding/json says %v (%v)", data, ok, isObject, err)
	}
	if ok {
		compareMembers(t, members, want)
	}
	var list []json.RawMessage
	err = json.Unmarshal(data, &list)
	var elements []string
	if ok := Array(data, func(e []byte) { elements = append(elements, string(e)) }); ok != (err == nil && list != nil) || ok && len(elements) != len(list) {
		t.Fatalf("Array(%q) = %q, %v; encoding/json says %q, %v", data, elements, ok, list, err)
	}
}

// Every text that differs from a document by one sign, and every one that ends too early.
func TestTheScannerAgreesWithEncodingJSONAroundADocument(t *testing.T) {
	for _, document := range []string{
		`{"a":[0,-1.5E+30,20e-2,3.25],"b\u00aF":{},"c" : [ ] , "d":{"x":true,"y":{"z":null}},"e":[{},[false ]]} `,
		`["\"\\\/\b\f\n\r\t\u00e9\uABCD\u0aF9","plain text of more than eight bytes",{ },-0 ]`,
		`{ }`, `[ ]`, `[-1]`, `"\u12aF"`, `{"a":1}`, `-10.01e+10`,
	} {
		for i := range len(document) + 1 {
			agreesWithEncodingJSON(t, []byte(document[:i]))
			for _, sign := range []string{"", "x", "f", "g", "G", "/", ":", "@", "`", "0", "-", ".", "e", `"`, `\`, ",", "]", "}", "[", " ", "\n", "\x1f"} {
				agreesWithEncodingJSON(t, []byte(document[:i]+sign+document[i:]))
				agreesWithEncodingJSON(t, []byte(document[:i]+sign+document[min(i+1, len(document)):]))
			}
		}
	}
}

func TestNestingHasALimit(t *testing.T) {
	nested := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	if !Valid(nested(MaxDepth)) || Valid(nested(MaxDepth+1)) {
		t.Errorf("the limit is not %d", MaxDepth)
	}
}

func compareMembers(t *testing.T, members []Member, want map[string]json.RawMessage) {
	t.Helper()
	names := map[string]bool{}
	for _, m := range members {
		names[m.Name()] = true
	}
	if len(names) != len(want) {
		t.Fatalf("names = %v, encoding/json has %v", names, want)
	}
	for name, raw := range want {
		got, ok := Lookup(members, name)
		if !ok || string(got) != string(raw) {
			t.Fatalf("Lookup(%q) = %q, %v; encoding/json has %q", name, got, ok, raw)
		}
	}
}
