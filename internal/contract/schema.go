package contract

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// object is a JSON object that is being built; encoding sorts its keys.
type object map[string]any

// schemas makes JSON Schemas of Go types, as encoding/json writes them.
type schemas struct {
	comments map[string]string // "Type.Field" or "Type"
	enums    map[string][]string
}

// of returns the schema of a type. What is written is described, not what
// would be accepted: unknown properties may come with later versions.
func (s *schemas) of(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[time.Duration]():
		return object{"type": "integer", "description": "nanoseconds"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Struct:
		return s.structure(t)
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return object{"type": "string", "contentEncoding": "base64"}
		}
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.String:
		o := object{"type": "string"}
		if values := s.enums[t.Name()]; values != nil {
			o["enum"] = values
		}
		return o
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return object{"type": "integer"}
	}
	return object{}
}

func (s *schemas) structure(t reflect.Type) object {
	properties, required := object{}, []string{}
	s.fields(t, properties, &required)
	slices.Sort(required)
	o := object{"title": t.Name(), "type": "object", "properties": properties} // what generators name the model by
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

func (s *schemas) fields(t reflect.Type, properties object, required *[]string) {
	for f := range t.Fields() {
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		if f.Anonymous && name == "" {
			s.fields(f.Type, properties, required)
			continue
		}
		if !f.IsExported() || tag == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		p := s.of(f.Type)
		if text := s.comments[t.Name()+"."+f.Name]; text != "" {
			p["description"] = text
		}
		optional := strings.Contains(options, "omit")
		if !optional && (f.Type.Kind() == reflect.Slice || f.Type.Kind() == reflect.Map) {
			p["type"] = []any{p["type"], "null"} // encoding/json writes null for none
		}
		if !optional {
			*required = append(*required, name)
		}
		properties[name] = p
	}
}
