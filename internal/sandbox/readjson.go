package sandbox

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode"
)

// readJSON reads what a person has written, and says what is wrong with it in
// that person's words: encoding/json names types of Go.
func readJSON(r io.Reader, v any) error {
	src, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return explained(err, src)
	}
	if dec.More() {
		return fmt.Errorf("line %d: more follows what is all of it", lineAt(src, dec.InputOffset()))
	}
	return nil
}

func explained(err error, src []byte) error {
	var syntax *json.SyntaxError
	var other *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("it is empty")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it ends too early: a bracket, a brace or a quote is not closed")
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: this is not JSON: %s", lineAt(src, syntax.Offset), syntax.Error())
	case errors.As(err, &other):
		return fmt.Errorf("line %d: %s cannot be %s: want %s", lineAt(src, other.Offset), keyOf(other.Field), written(other.Value), wanted(other.Type))
	}
	if key, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Errorf("unknown key %s: docs/sandbox.md lists those that there are", key)
	}
	return err
}

func lineAt(src []byte, offset int64) int {
	return 1 + bytes.Count(src[:min(int(offset), len(src))], []byte("\n"))
}

// keyOf leaves the names of embedded types out: keys begin with a small letter.
func keyOf(path string) string {
	var keys []string
	for key := range strings.SplitSeq(path, ".") {
		if key != "" && !unicode.IsUpper(rune(key[0])) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return "the outermost value"
	}
	return strings.Join(keys, ".")
}

// written is a value as people call it. What it is may be a secret.
func written(value string) string {
	kind, _, _ := strings.Cut(value, " ")
	switch kind {
	case "string":
		return "text"
	case "array":
		return "a list"
	case "bool":
		return "true or false"
	case "number":
		return "this number"
	}
	return "an " + kind // object
}

func wanted(t reflect.Type) string {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) { // Duration
		return `text such as "1.5s"`
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text, in quotes"
	case reflect.Slice:
		return "a list, in [ ]"
	case reflect.Map, reflect.Struct:
		return "an object, in { }"
	}
	return "a whole number"
}
