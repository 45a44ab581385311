package mapping

import (
	"cmp"
	"errors"
	"reflect"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/belfry-bridge/belfry/internal/rawjson"
)

// evaluation is what expressions see of one message: an activation that
// decodes what is asked for and nothing else. It is reused from message to
// message, so nothing of it may be kept.
type evaluation struct {
	env    envelope
	fields map[string]any // of the variables, once they were asked for: a loop asks again and again
	event  any            // the variables, boxed once
	nats   any
	rules  []int
}

func newEvaluation() *evaluation {
	e := &evaluation{fields: map[string]any{}}
	e.event, e.nats = variable{e, eventType}, variable{e, natsType}
	return e
}

// ResolveName implements interpreter.Activation.
func (e *evaluation) ResolveName(name string) (any, bool) {
	switch name {
	case eventType:
		return e.event, true
	case natsType:
		return e.nats, true
	}
	return nil, false
}

// Parent implements interpreter.Activation.
func (e *evaluation) Parent() interpreter.Activation { return nil }

func (e *evaluation) open(m *Message) error {
	clear(e.fields)
	return e.env.open(m)
}

func (e *evaluation) data() (any, error) {
	if e.env.data == nil {
		return nil, cmp.Or(e.env.dataErr, errNoData)
	}
	if e.env.data[0] == '{' {
		return &jsonObject{raw: e.env.data, members: e.env.members, cut: true}, nil
	}
	return celValue(e.env.data), nil
}

func (e *evaluation) extension(name string) (ref.Val, bool) {
	if e.env.binary {
		v := e.env.attribute(name)
		return types.String(v), v != ""
	}
	raw, ok := rawjson.Lookup(e.env.body, name)
	if !ok {
		return nil, false
	}
	return celValue(raw), true
}

// variable is event or nats as a value of its own. Only its fields are of use.
type variable struct {
	e    *evaluation
	name string
}

// ConvertToNative implements ref.Val.
func (v variable) ConvertToNative(reflect.Type) (any, error) {
	return nil, errors.New("cannot use " + v.name + " as a value: name one of its fields")
}

// ConvertToType implements ref.Val.
func (v variable) ConvertToType(ref.Type) ref.Val {
	return types.NewErr("cannot convert %s: name one of its fields", v.name)
}

// Equal implements ref.Val.
func (v variable) Equal(other ref.Val) ref.Val {
	o, ok := other.(variable)
	return types.Bool(ok && o.name == v.name)
}

// Type implements ref.Val.
func (v variable) Type() ref.Type { return cel.ObjectType(v.name) }

// Value implements ref.Val.
func (v variable) Value() any { return v.e }
