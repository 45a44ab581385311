package strictyaml

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/belfry-bridge/belfry/internal/spelling"
)

// Decoder fills Go values from a tree: strictly, and going on after an error
// so that all of them are found. What it knows about keys stands in the tags
// of the types, which the JSON Schema is made from as well:
//
//	yaml:"name"       the key; ",one": a list may be written as a single value
//	need:"true"       the key must be there
//	empty:"true"      a list may be empty
//	enum:"a|b"        the only values
//	doc:"…"           for the schema, as are kind, keys, names, pattern, shape, usual, from, to and most
type Decoder struct {
	*Report
	Options
}

// custom is a type that reads itself.
type custom interface {
	Decode(d *Decoder, n *Node, name string)
}

// Into reads a value into the variable that p points to. name is what messages call it.
func (d *Decoder) Into(n *Node, p any, name string) {
	d.value(n, reflect.ValueOf(p).Elem(), name, "")
}

func (d *Decoder) value(n *Node, v reflect.Value, name string, tag reflect.StructTag) {
	if c, ok := v.Addr().Interface().(custom); ok {
		if n.Kind == Null {
			d.empty(n, "remove the key, or give it a value", name)
			return
		}
		before := len(d.Found)
		c.Decode(d, n, name)
		if t, ok := c.(*Text); ok && len(d.Found) == before && tag.Get("enum") == "" {
			d.filled(n, t, name, tag)
		}
		d.enum(n, v, name, tag)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, name)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), name, tag)
	case reflect.Slice:
		d.list(n, v, name, tag)
	}
}

// empty refuses a value that is not there, unless more was said of it already.
func (d *Decoder) empty(n *Node, remedy, name string) {
	if !n.told {
		d.Hintf(n.At, remedy, "cannot leave %s empty", name)
	}
}

// filled refuses empty text: whoever wrote it meant something, and without it
// what it narrows would be wider than that.
func (d *Decoder) filled(n *Node, t *Text, name string, tag reflect.StructTag) {
	switch {
	case strings.TrimSpace(t.Value) != "":
	case t.FromEnv:
		d.Hintf(n.At, "what stands for ${…} has no text in it", "cannot leave %s empty", name)
	default:
		d.Hintf(n.At, remedy(tag), "cannot leave %s empty", name)
	}
}

// enum checks a value that is one of a few. One with ${NAME} or a template
// inside is known only later.
func (d *Decoder) enum(n *Node, v reflect.Value, name string, tag reflect.StructTag) {
	choice := tag.Get("enum")
	if choice == "" {
		return
	}
	known := strings.Split(choice, "|")
	switch t := v.Addr().Interface().(type) {
	case *Text:
		if t.Set && !slices.Contains(known, t.Value) {
			d.Hintf(n.At, spelling.Suggest(t.Value, known), "cannot use %q as %s", t.Value, name)
			t.Value = "" // the key is there, so nobody needs to hear that it is missing
		}
	case *Code:
		if t.Set && !strings.Contains(t.Text, "{{") && !slices.Contains(known, t.Text) {
			d.Hintf(n.At, spelling.Suggest(t.Text, known), "cannot use %q as %s", t.Text, name)
		}
	}
}

func (d *Decoder) list(n *Node, v reflect.Value, name string, tag reflect.StructTag) {
	items := n.Items
	switch {
	case n.Kind == Null, n.Kind == List && len(items) == 0 && v.Type() == reflect.TypeFor[[]Text]() && tag.Get("empty") == "":
		d.empty(n, remedy(tag), name)
	case n.Kind != List && strings.HasSuffix(tag.Get("yaml"), ",one"):
		items = []*Node{n}
	case n.Kind != List:
		d.Hintf(n.At, "put it into [ ]", "cannot use %s as %s: want a list", n.Kind, name)
	}
	if n.Kind == List {
		v.Set(reflect.MakeSlice(v.Type(), 0, len(items))) // [] is not the same as nothing
	}
	for i, item := range items {
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(item, e, itemName(name, i, item), tag)
		v.Set(reflect.Append(v, e))
	}
}

func remedy(tag reflect.StructTag) string {
	if tag.Get("need") == "true" {
		return "give it a value"
	}
	return "remove the key, or give it a value"
}

// itemName is what messages call an item of a list: rule "lesson-cancelled", or rules[0].
func itemName(list string, i int, item *Node) string {
	for _, f := range item.Fields {
		if f.Key.Text == "name" && f.Value.Kind == Single {
			return strings.TrimSuffix(list, "s") + " " + strconv.Quote(f.Value.Scalar.Text)
		}
	}
	return list + "[" + strconv.Itoa(i) + "]"
}

func (d *Decoder) structure(n *Node, v reflect.Value, name string) {
	here := v.Addr().Interface().(interface{ found(at Pos) *Mark }).found(n.At)
	if n.Kind != Map {
		if n.Kind == Null {
			d.empty(n, "the lines that belong to it must be indented", name)
			return
		}
		d.Hintf(n.At, "", "cannot use %s as %s: want a map with %s", n.Kind, name, spelling.OneOf(keysOf(v.Type())))
		return
	}
	for _, f := range n.Fields {
		i := fieldIndex(v.Type(), f.Key.Text)
		if i < 0 {
			d.src.hide(f.Key.At)
			keys := keysOf(v.Type())
			here.Meant = append(here.Meant, spelling.Nearest(f.Key.Text, keys))
			d.Hintf(f.Key.At, cmp.Or(d.Elsewhere(f.Key.Text), spelling.Suggest(f.Key.Text, keys)), "unknown key %q in %s", d.src.keyShown(f.Key.Text), name)
			continue
		}
		before := len(d.Found)
		d.value(f.Value, v.Field(i), f.Key.Text, v.Type().Field(i).Tag)
		if len(d.Found) > before {
			here.Meant = append(here.Meant, f.Key.Text)
		}
	}
	d.needed(n, v, name, here)
}

// needed reports keys that are missing, but not those that are only misspelt.
func (d *Decoder) needed(n *Node, v reflect.Value, name string, here *Mark) {
	for f := range v.Type().Fields() {
		if key := keyOf(f); f.Tag.Get("need") == "true" && !n.Has(key) && !slices.Contains(here.Meant, key) {
			d.Errorf(n.At, "cannot use %s without %s", name, key)
		}
	}
}

// Has reports whether a map has a key.
func (n *Node) Has(key string) bool {
	return slices.ContainsFunc(n.Fields, func(f Field) bool { return f.Key.Text == key })
}

func fieldIndex(t reflect.Type, key string) int {
	for i := range t.NumField() {
		if k := keyOf(t.Field(i)); k == key && k != "" {
			return i
		}
	}
	return -1
}

func keyOf(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return key
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for f := range t.Fields() {
		if k := keyOf(f); k != "" {
			keys = append(keys, k)
		}
	}
	return keys
}
