package mapping

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

type schema map[string]any

// described is a type that knows its own schema.
type described interface {
	schema(tag reflect.StructTag) schema
}

// schemaOf is the JSON Schema (draft 2020-12) of a file that is read into a type.
func schemaOf(t reflect.Type, tag reflect.StructTag) schema {
	var s schema
	d, own := reflect.New(t).Interface().(described)
	switch {
	case own:
		s = d.schema(tag)
	case t.Kind() == reflect.Pointer:
		return schemaOf(t.Elem(), tag)
	case t.Kind() == reflect.Slice:
		items := schemaOf(t.Elem(), withoutDoc(tag))
		s = schema{"type": "array", "items": items}
		if most := tag.Get("most"); most != "" {
			s["maxItems"] = json.Number(most)
		}
		if t.Elem() == reflect.TypeFor[text]() && tag.Get("empty") == "" {
			s["minItems"] = 1
		}
		if strings.HasSuffix(tag.Get("yaml"), ",one") {
			s = anyOf(items, s)
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

func structSchema(t reflect.Type) schema {
	properties, required := schema{}, []string{}
	for f := range t.Fields() {
		key := keyOf(f)
		if key == "" {
			continue
		}
		properties[key] = schemaOf(f.Type, f.Tag)
		if f.Tag.Get("need") == "true" {
			required = append(required, key)
		}
	}
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func anyOf(options ...schema) schema { return schema{"anyOf": options} }

// later is a value that is only known when ${NAME} has been replaced.
func later() schema { return schema{"type": "string", "pattern": `\$\{`} }

func anyScalar() schema { return schema{"type": []string{"string", "number", "boolean"}} }

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

func (*text) schema(tag reflect.StructTag) schema {
	if tag.Get("enum") != "" {
		return anyOf(schema{"enum": choice(tag)}, later())
	}
	if pattern := tag.Get("pattern"); pattern != "" {
		return anyOf(schema{"type": "string", "pattern": pattern}, later())
	}
	s := anyScalar()
	s["pattern"] = `\S`
	if shape := tag.Get("shape"); shape != "" {
		s["pattern"] = shape + `|\$\{`
	}
	if usual := tag.Get("usual"); usual != "" { // for an editor to offer
		return anyOf(schema{"enum": strings.Split(usual, "|")}, s)
	}
	return s
}

func (*code) schema(tag reflect.StructTag) schema {
	if tag.Get("enum") != "" {
		return anyOf(schema{"enum": choice(tag)}, schema{"type": "string", "pattern": `\{\{`})
	}
	return anyScalar()
}

func (*integer) schema(tag reflect.StructTag) schema {
	if enum := tag.Get("enum"); enum != "" {
		return anyOf(schema{"const": json.Number(enum)}, schema{"const": enum}, later())
	}
	bare := schema{"type": "integer", "minimum": 0}
	if to := tag.Get("to"); to != "" {
		bare["minimum"], bare["maximum"] = json.Number(tag.Get("from")), json.Number(to)
	}
	return anyOf(bare, schema{"type": "string", "pattern": `^[0-9_]+$|\$\{`})
}

func (*flag) schema(reflect.StructTag) schema {
	return anyOf(schema{"enum": []any{true, false, "true", "false"}}, later())
}

func (*tree) schema(tag reflect.StructTag) schema {
	switch tag.Get("kind") {
	case "map":
		return schema{"type": "object"}
	case "map|text":
		return schema{"type": []string{"object", "string"}}
	}
	return schema{}
}

func (*named[T]) schema(tag reflect.StructTag) schema {
	s := schema{"type": "object", "additionalProperties": schemaOf(reflect.TypeFor[T](), "")}
	if keys := tag.Get("keys"); keys != "" {
		s["propertyNames"] = schema{"enum": strings.Split(keys, "|")}
	}
	if tag.Get("names") != "" {
		s["propertyNames"] = schema{"pattern": `^[A-Za-z0-9_-]{1,64}$`}
	}
	return s
}
