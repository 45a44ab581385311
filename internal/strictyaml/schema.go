package strictyaml

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// Schema is a JSON Schema (draft 2020-12), or a part of one.
type Schema map[string]any

// described is a type that knows its own schema.
type described interface {
	Schema(tag reflect.StructTag) Schema
}

// SchemaOf describes what is read into a type, with the tag of the field that has it.
func SchemaOf(t reflect.Type, tag reflect.StructTag) Schema {
	var s Schema
	d, own := reflect.New(t).Interface().(described)
	switch {
	case own:
		s = d.Schema(tag)
	case t.Kind() == reflect.Pointer:
		return SchemaOf(t.Elem(), tag)
	case t.Kind() == reflect.Slice:
		items := SchemaOf(t.Elem(), withoutDoc(tag))
		s = Schema{"type": "array", "items": items}
		if most := tag.Get("most"); most != "" {
			s["maxItems"] = json.Number(most)
		}
		if t.Elem() == reflect.TypeFor[Text]() && tag.Get("empty") == "" {
			s["minItems"] = 1
		}
		if strings.HasSuffix(tag.Get("yaml"), ",one") {
			s = AnyOf(items, s)
		}
	default:
		s = structSchema(t)
	}
	if doc := tag.Get("doc"); doc != "" {
		s["description"] = doc
	}
	return s
}

// withoutDoc keeps a list's description from being said again of each item.
func withoutDoc(tag reflect.StructTag) reflect.StructTag {
	for _, kept := range [...]string{"enum", "pattern", "shape"} {
		if v := tag.Get(kept); v != "" {
			return reflect.StructTag(kept + ":" + strconv.Quote(v))
		}
	}
	return ""
}

func structSchema(t reflect.Type) Schema {
	properties, required := Schema{}, []string{}
	for f := range t.Fields() {
		key := keyOf(f)
		if key == "" {
			continue
		}
		properties[key] = SchemaOf(f.Type, f.Tag)
		if f.Tag.Get("need") == "true" {
			required = append(required, key)
		}
	}
	s := Schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// AnyOf takes what one of several takes.
func AnyOf(options ...Schema) Schema { return Schema{"anyOf": options} }

// later is a value that is only known when ${NAME} has been replaced.
func later() Schema { return Schema{"type": "string", "pattern": `\$\{`} }

func anyScalar() Schema { return Schema{"type": []string{"string", "number", "boolean"}} }

func choice(tag reflect.StructTag) []any {
	var out []any
	for _, word := range strings.Split(tag.Get("enum"), "|") {
		out = append(out, word)
		if json.Valid([]byte(word)) { // a number may be written bare
			out = append(out, json.Number(word))
		}
	}
	return out
}

// Schema describes the value.
func (*Text) Schema(tag reflect.StructTag) Schema {
	if tag.Get("enum") != "" {
		return AnyOf(Schema{"enum": choice(tag)}, later())
	}
	if pattern := tag.Get("pattern"); pattern != "" {
		return AnyOf(Schema{"type": "string", "pattern": pattern}, later())
	}
	s := anyScalar()
	s["pattern"] = `\S`
	if shape := tag.Get("shape"); shape != "" {
		s["pattern"] = shape + `|\$\{`
	}
	if usual := tag.Get("usual"); usual != "" { // for an editor to offer
		return AnyOf(Schema{"enum": strings.Split(usual, "|")}, s)
	}
	return s
}

// Schema describes the value.
func (*Code) Schema(tag reflect.StructTag) Schema {
	if tag.Get("enum") != "" {
		return AnyOf(Schema{"enum": choice(tag)}, Schema{"type": "string", "pattern": `\{\{`})
	}
	return anyScalar()
}

// Schema describes the value.
func (*Integer) Schema(tag reflect.StructTag) Schema {
	if enum := tag.Get("enum"); enum != "" {
		return AnyOf(Schema{"const": json.Number(enum)}, Schema{"const": enum}, later())
	}
	bare := Schema{"type": "integer", "minimum": 0}
	if to := tag.Get("to"); to != "" {
		bare["minimum"], bare["maximum"] = json.Number(tag.Get("from")), json.Number(to)
	}
	return AnyOf(bare, Schema{"type": "string", "pattern": `^[0-9_]+$|\$\{`})
}

// Schema describes the value.
func (*Flag) Schema(reflect.StructTag) Schema {
	return AnyOf(Schema{"enum": []any{true, false, "true", "false"}}, later())
}

// Schema describes the value.
func (*Tree) Schema(tag reflect.StructTag) Schema {
	switch tag.Get("kind") {
	case "map":
		return Schema{"type": "object"}
	case "map|text":
		return Schema{"type": []string{"object", "string"}}
	}
	return Schema{}
}

// Schema describes the value.
func (*Named[T]) Schema(tag reflect.StructTag) Schema {
	s := Schema{"type": "object", "additionalProperties": SchemaOf(reflect.TypeFor[T](), "")}
	if keys := tag.Get("keys"); keys != "" {
		s["propertyNames"] = Schema{"enum": strings.Split(keys, "|")}
	}
	if tag.Get("names") != "" {
		s["propertyNames"] = Schema{"pattern": `^[A-Za-z0-9_-]{1,64}$`}
	}
	return s
}
