package mapping

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/belfry-bridge/belfry/internal/spelling"
)

// decoder fills Go values from a tree: strictly, and going on after an error
// so that all of them are found. What it knows about keys stands in the tags
// of the types, which the JSON Schema is made from as well:
//
//	yaml:"name"       the key; ",one": a list may be written as a single value
//	need:"true"       the key must be there
//	empty:"true"      a list may be empty
//	enum:"a|b"        the only values
//	doc:"…"           for the schema, as are kind, keys, names, pattern, shape, usual, from, to and most
type decoder struct {
	*report
	options
}

// options are what the reader must know of a kind of file beside its type.
type options struct {
	env       func(name string) (string, bool) // for ${NAME}; nil: nothing is set
	secret    string                           // the key whose value no message may show, however it is misspelt
	elsewhere func(key string) string          // the remedy for an unknown key that has another name here, or ""; nil: none has
}

// custom is a type that reads itself.
type custom interface {
	decode(d *decoder, n *node, name string)
}

// into reads a value into the variable that p points to. name is what messages call it.
func (d *decoder) into(n *node, p any, name string) {
	d.value(n, reflect.ValueOf(p).Elem(), name, "")
}

func (d *decoder) value(n *node, v reflect.Value, name string, tag reflect.StructTag) {
	if c, ok := v.Addr().Interface().(custom); ok {
		if n.kind == nullNode {
			d.hintf(n.at, "remove the key, or give it a value", "cannot leave %s empty", name)
			return
		}
		before := len(d.found)
		c.decode(d, n, name)
		if t, ok := c.(*text); ok && len(d.found) == before && tag.Get("enum") == "" {
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

// filled refuses empty text: whoever wrote it meant something, and without it
// an audience, for one, would be wider than that.
func (d *decoder) filled(n *node, t *text, name string, tag reflect.StructTag) {
	switch {
	case strings.TrimSpace(t.Value) != "":
	case t.secret:
		d.hintf(n.at, "what stands for ${…} has no text in it", "cannot leave %s empty", name)
	default:
		d.hintf(n.at, remedy(tag), "cannot leave %s empty", name)
	}
}

// enum checks a value that is one of a few. One with ${NAME} or a template
// inside is known only later.
func (d *decoder) enum(n *node, v reflect.Value, name string, tag reflect.StructTag) {
	choice := tag.Get("enum")
	if choice == "" {
		return
	}
	known := strings.Split(choice, "|")
	switch t := v.Addr().Interface().(type) {
	case *text:
		if t.set && !slices.Contains(known, t.Value) {
			d.hintf(n.at, spelling.Suggest(t.Value, known), "cannot use %q as %s", t.Value, name)
			t.Value = "" // the key is there, so nobody needs to hear that it is missing
		}
	case *code:
		if t.set && !strings.Contains(t.text, "{{") && !slices.Contains(known, t.text) {
			d.hintf(n.at, spelling.Suggest(t.text, known), "cannot use %q as %s", t.text, name)
		}
	}
}

func (d *decoder) list(n *node, v reflect.Value, name string, tag reflect.StructTag) {
	items := n.items
	switch {
	case n.kind == nullNode, n.kind == listNode && len(items) == 0 && v.Type() == reflect.TypeFor[[]text]() && tag.Get("empty") == "":
		d.hintf(n.at, remedy(tag), "cannot leave %s empty", name)
	case n.kind != listNode && strings.HasSuffix(tag.Get("yaml"), ",one"):
		items = []*node{n}
	case n.kind != listNode:
		d.hintf(n.at, "put it into [ ]", "cannot use %s as %s: want a list", n.kind, name)
	}
	if n.kind == listNode {
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
func itemName(list string, i int, item *node) string {
	for _, f := range item.fields {
		if f.key.text == "name" && f.value.kind == scalarNode {
			return strings.TrimSuffix(list, "s") + " " + strconv.Quote(f.value.scalar.text)
		}
	}
	return list + "[" + strconv.Itoa(i) + "]"
}

func (d *decoder) structure(n *node, v reflect.Value, name string) {
	here := v.Addr().Interface().(interface{ found(at pos) *mark }).found(n.at)
	if n.kind != mapNode {
		if n.kind == nullNode {
			d.hintf(n.at, "the lines that belong to it must be indented", "cannot leave %s empty", name)
			return
		}
		d.hintf(n.at, "", "cannot use %s as %s: want a map with %s", n.kind, name, spelling.OneOf(keysOf(v.Type())))
		return
	}
	for _, f := range n.fields {
		i := fieldIndex(v.Type(), f.key.text)
		if i < 0 {
			d.src.hide(f.key.at)
			keys := keysOf(v.Type())
			here.meant = append(here.meant, spelling.Nearest(f.key.text, keys))
			d.hintf(f.key.at, cmp.Or(d.elsewhere(f.key.text), spelling.Suggest(f.key.text, keys)), "unknown key %q in %s", f.key.text, name)
			continue
		}
		d.value(f.value, v.Field(i), f.key.text, v.Type().Field(i).Tag)
	}
	d.needed(n, v, name, here)
}

// needed reports keys that are missing, but not those that are only misspelt.
func (d *decoder) needed(n *node, v reflect.Value, name string, here *mark) {
	for f := range v.Type().Fields() {
		if key := keyOf(f); f.Tag.Get("need") == "true" && !n.has(key) && !slices.Contains(here.meant, key) {
			d.errorf(n.at, "cannot use %s without %s", name, key)
		}
	}
}

func (n *node) has(key string) bool {
	return slices.ContainsFunc(n.fields, func(f field) bool { return f.key.text == key })
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
