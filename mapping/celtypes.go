package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// The two variables of an expression and their types.
const (
	eventType = "event"
	natsType  = "nats"
)

// celField is one documented field of a variable.
type celField struct {
	typ *cel.Type
	get func(*evaluation) (any, error) // fails where it is not set
}

func stringField(get func(*evaluation) string) celField {
	return celField{cel.StringType, func(e *evaluation) (any, error) { return types.String(get(e)), nil }}
}

func eventFields() map[string]celField {
	return map[string]celField{
		"id":      stringField(func(e *evaluation) string { return e.env.id() }),
		"type":    stringField(func(e *evaluation) string { return e.env.eventType() }),
		"source":  stringField(func(e *evaluation) string { return e.env.source() }),
		"subject": stringField(func(e *evaluation) string { return e.env.attribute("subject") }),
		"time": {cel.TimestampType, func(e *evaluation) (any, error) {
			return types.Timestamp{Time: e.env.time()}, nil
		}},
		"data": {cel.DynType, (*evaluation).data},
	}
}

func natsFields() map[string]celField {
	return map[string]celField{
		"subject": stringField(func(e *evaluation) string { return e.env.msg.Subject }),
		"stream":  stringField(func(e *evaluation) string { return e.env.msg.Stream }),
		"sequence": {cel.IntType, func(e *evaluation) (any, error) {
			return types.Int(e.env.msg.Sequence), nil
		}},
		"time": {cel.TimestampType, func(e *evaluation) (any, error) {
			return types.Timestamp{Time: e.env.msg.Time}, nil
		}},
		"tokens": {cel.ListType(cel.StringType), func(e *evaluation) (any, error) {
			return strings.Split(e.env.msg.Subject, "."), nil
		}},
		"headers": {cel.MapType(cel.StringType, cel.StringType), func(e *evaluation) (any, error) {
			return firstValues(e.env.msg.Header), nil
		}},
	}
}

func firstValues(h map[string][]string) map[string]any {
	m := make(map[string]any, len(h))
	for k, v := range h {
		if len(v) > 0 {
			m[k] = v[0]
		}
	}
	return m
}

// typeProvider adds the two variables' types to the standard ones.
type typeProvider struct {
	*types.Registry
	fields map[string]map[string]celField
}

func newTypeProvider() (*typeProvider, error) {
	reg, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("cannot set up the types of expressions: %w", err)
	}
	return &typeProvider{reg, map[string]map[string]celField{eventType: eventFields(), natsType: natsFields()}}, nil
}

// FindStructType implements types.Provider.
func (p *typeProvider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := p.fields[name]; ok {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return p.Registry.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (p *typeProvider) FindStructFieldNames(name string) ([]string, bool) {
	if fields, ok := p.fields[name]; ok {
		return slices.Sorted(maps.Keys(fields)), true
	}
	return p.Registry.FindStructFieldNames(name)
}

// FindStructFieldType implements types.Provider. Any other name that a
// CloudEvents extension may have is one.
func (p *typeProvider) FindStructFieldType(structType, name string) (*types.FieldType, bool) {
	fields, ours := p.fields[structType]
	if !ours {
		return p.Registry.FindStructFieldType(structType, name)
	}
	f, ok := fields[name]
	if !ok {
		if structType != eventType || !isExtensionName(name) {
			return nil, false
		}
		f = extensionField(name)
	}
	place := structType + "." + name
	return &types.FieldType{
		Type:    f.typ,
		IsSet:   func(o any) bool { _, err := getField(o, place, f); return err == nil },
		GetFrom: func(o any) (any, error) { return getField(o, place, f) },
	}, true
}

func getField(o any, place string, f celField) (any, error) {
	e, ok := evaluationOf(o)
	if !ok {
		return nil, fmt.Errorf("cannot read a field of %T", o)
	}
	if v, known := e.fields[place]; known {
		return v, nil
	}
	v, err := f.get(e)
	if err == nil {
		e.fields[place] = v
	}
	return v, err
}

func evaluationOf(o any) (*evaluation, bool) {
	switch v := o.(type) {
	case variable:
		return v.e, v.e != nil
	case *evaluation:
		return v, true
	}
	return nil, false
}

// isExtensionName: CloudEvents 1.0 allows lower-case letters and digits only.
func isExtensionName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

func extensionField(name string) celField {
	return celField{cel.DynType, func(e *evaluation) (any, error) {
		if v, ok := e.extension(name); ok {
			return v, nil
		}
		return nil, fmt.Errorf("the event has no attribute %s", name)
	}}
}
