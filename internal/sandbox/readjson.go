package sandbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
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
		return fmt.Errorf("line %d: %s", lineAt(src, other.Offset), mistaken(other))
	}
	if key, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Errorf("unknown key %s: docs/sandbox.md lists those that there are", key)
	}
	return err
}

func lineAt(src []byte, offset int64) int {
	return 1 + bytes.Count(src[:min(int(offset), len(src))], []byte("\n"))
}

// ofEmbedded are the names of embedded types in a path: keys begin with a small letter.
var ofEmbedded = regexp.MustCompile(`\b[A-Z]\w*\.`)

// mistaken says what stands where something else is wanted. What it is may be a secret.
func mistaken(e *json.UnmarshalTypeError) string {
	kind, _, _ := strings.Cut(e.Value, " ")
	written := map[string]string{"string": "text", "number": "this number", "bool": "true or false", "array": "a list", "object": "an object"}
	wanted := map[reflect.Kind]string{
		reflect.Bool: "true or false", reflect.String: "text, in quotes", reflect.Slice: "a list, in [ ]",
		reflect.Map: "an object, in { }", reflect.Struct: "an object, in { }",
	}
	want := cmp.Or(wanted[e.Type.Kind()], "a whole number")
	if e.Type == reflect.TypeFor[Duration]() {
		want = `text such as "1.5s"`
	}
	return fmt.Sprintf("%s cannot be %s: want %s", cmp.Or(ofEmbedded.ReplaceAllString(e.Field, ""), "the outermost value"), written[kind], want)
}
