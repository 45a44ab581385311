package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
)

// costLimit bounds one evaluation of an expression that loops, in CEL's unit
// of cost: about one per comparison. Expressions without loops cost no more
// than a few passes over the event and run without being counted.
const costLimit = 100_000

const (
	maxExpression = 4096 // characters
	maxExprDepth  = 100
)

// expression is a compiled CEL expression.
type expression struct {
	source   string
	program  cel.Program
	ast      *cel.Ast
	usesData bool // reads event.data
}

// expressions compiles, each distinct text once.
type expressions struct {
	env   *cel.Env
	types *typeProvider
	done  map[string]compiled
}

type compiled struct {
	expr   *expression
	faults []fault
}

// fault is an error at a place inside a scalar.
type fault struct {
	offset int // in bytes of its text
	msg    string
	hint   string
}

func newExpressions() (*expressions, error) {
	provider, err := newTypeProvider()
	if err != nil {
		return nil, err
	}
	env, err := cel.NewEnv(
		cel.CustomTypeAdapter(provider),
		cel.CustomTypeProvider(provider),
		cel.Variable(eventType, cel.ObjectType(eventType)),
		cel.Variable(natsType, cel.ObjectType(natsType)),
		cel.CrossTypeNumericComparisons(true),
		cel.EnableMacroCallTracking(),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(maxExprDepth),
		ext.Strings(ext.StringsVersion(1)),
	)
	if err != nil {
		return nil, fmt.Errorf("cannot set up the language of expressions: %w", err)
	}
	return &expressions{env, provider, map[string]compiled{}}, nil
}

// compile checks and compiles an expression. want is the type it must have
// unless that can only be known on an event; nil: any.
func (x *expressions) compile(src string, want ...*cel.Type) (*expression, []fault) {
	c, ok := x.done[src]
	if !ok {
		c = x.compileOnce(src)
		x.done[src] = c
	}
	if c.expr == nil {
		return nil, c.faults
	}
	if out := c.expr.ast.OutputType(); !typeIsOneOf(out, want) {
		return nil, []fault{{msg: fmt.Sprintf("the expression gives %s: want %s", typeWord(out), typeWords(want)), hint: typeHint(want)}}
	}
	return c.expr, nil
}

func typeIsOneOf(out *cel.Type, want []*cel.Type) bool {
	return len(want) == 0 || out.Kind() == types.DynKind ||
		slices.ContainsFunc(want, func(t *cel.Type) bool { return t.IsAssignableType(out) })
}

func typeWords(ts []*cel.Type) string {
	var words []string
	for _, t := range ts {
		if w := typeWord(t); !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	return oneOf(words)
}

func typeWord(t *cel.Type) string {
	switch t.Kind() {
	case types.BoolKind:
		return "true or false"
	case types.StringKind:
		return "a string"
	case types.IntKind, types.UintKind, types.DoubleKind:
		return "a number"
	case types.TimestampKind:
		return "a time"
	case types.ListKind:
		return "a list"
	case types.MapKind:
		return "a map"
	case types.StructKind:
		return "all of " + t.String()
	}
	return t.String()
}

func typeHint(want []*cel.Type) string {
	if len(want) == 1 && want[0].Kind() == types.BoolKind {
		return "compare it with something, such as == or <"
	}
	return ""
}

func (x *expressions) compileOnce(src string) (c compiled) {
	defer func() {
		if p := recover(); p != nil {
			c = compiled{faults: []fault{{msg: "cannot understand this expression"}}}
		}
	}()
	if strings.TrimSpace(src) == "" {
		return compiled{faults: []fault{{msg: "cannot use an empty expression"}}}
	}
	checked, issues := x.env.Compile(src)
	if issues.Err() != nil {
		return compiled{faults: x.explainIssues(src, issues)}
	}
	native := checked.NativeRep()
	if faults := refused(src, native); faults != nil {
		return compiled{faults: faults}
	}
	opts := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if loops(native.Expr()) {
		opts = append(opts, cel.CostLimit(costLimit))
	}
	program, err := x.env.Program(checked, opts...)
	if err != nil {
		return compiled{faults: []fault{{msg: err.Error()}}}
	}
	return compiled{expr: &expression{source: src, program: program, ast: checked, usesData: readsData(native.Expr())}}
}

// refused finds functions of the string extension whose result can be far
// larger than their operands: the cost is only known when it is too late.
func refused(src string, a *ast.AST) []fault {
	var faults []fault
	visit(a.Expr(), func(e ast.Expr) {
		if e.Kind() == ast.CallKind && slices.Contains([]string{"replace", "join", "format"}, e.AsCall().FunctionName()) {
			at := a.SourceInfo().GetStartLocation(e.ID())
			faults = append(faults, fault{offset: offsetOf(src, at.Line(), at.Column()), msg: fmt.Sprintf("cannot use %s in an expression", e.AsCall().FunctionName()), hint: "use a template for text"})
		}
	})
	return faults
}

func visit(e ast.Expr, f func(ast.Expr)) {
	ast.PreOrderVisit(e, ast.NewExprVisitor(f))
}

func loops(e ast.Expr) (yes bool) {
	visit(e, func(e ast.Expr) { yes = yes || e.Kind() == ast.ComprehensionKind })
	return yes
}

// readsData reports whether an expression looks at event.data.
func readsData(e ast.Expr) (yes bool) {
	visit(e, func(e ast.Expr) {
		if e.Kind() != ast.SelectKind || e.AsSelect().FieldName() != "data" {
			return
		}
		on := e.AsSelect().Operand()
		yes = yes || on.Kind() == ast.IdentKind && on.AsIdent() == eventType
	})
	return yes
}

func offsetOf(src string, line, col int) int {
	offset := 0
	for ; line > 1; line-- {
		i := strings.IndexByte(src[offset:], '\n')
		if i < 0 {
			break
		}
		offset += i + 1
	}
	for i := range src[offset:] {
		if col == 0 {
			return offset + i
		}
		col--
	}
	return len(src)
}

var (
	undeclared = regexp.MustCompile(`^undeclared reference to '([^']+)'`)
	undefined  = regexp.MustCompile(`^undefined field '([^']+)'`)
	overload   = regexp.MustCompile(`^found no matching overload for '([^']+)' applied to '([^']*)'`)
	oneEquals  = regexp.MustCompile(`[^=!<>]=[^=]`)
	wordAnd    = regexp.MustCompile(`(?i)\s(and|or)\s|(^|\s)not\s`)
)

// explainIssues says in an operator's words what CEL found.
func (x *expressions) explainIssues(src string, issues *cel.Issues) []fault {
	var faults []fault
	for _, e := range issues.Errors() {
		f := fault{offset: offsetOf(src, e.Location.Line(), e.Location.Column()), msg: e.Message}
		if strings.HasPrefix(e.Message, "Syntax error") || strings.HasPrefix(e.Message, "unsupported syntax") {
			return []fault{syntaxFault(src, f)}
		}
		if m := undeclared.FindStringSubmatch(e.Message); m != nil {
			f.msg, f.hint = x.unknownName(m[1])
		}
		if m := undefined.FindStringSubmatch(e.Message); m != nil {
			f.msg, f.hint = x.unknownField(src, f.offset, m[1])
			f.offset = min(len(src), f.offset+max(0, strings.Index(src[f.offset:], m[1])))
		}
		if m := overload.FindStringSubmatch(e.Message); m != nil {
			f.msg = fmt.Sprintf("cannot apply %s to %s", operatorName(m[1]), m[2])
		}
		faults = append(faults, f)
	}
	return faults
}

func syntaxFault(src string, f fault) fault {
	f.msg = "cannot read this as an expression: " + strings.TrimPrefix(f.msg, "Syntax error: ")
	if i := strings.Index(f.msg, " expecting {"); i >= 0 {
		f.msg = f.msg[:i]
	}
	outside := blankStrings(src)
	if m := oneEquals.FindStringIndex(outside); m != nil {
		return fault{m[0] + 1, "cannot use = in an expression", "write == to compare"}
	}
	if m := wordAnd.FindStringSubmatchIndex(outside); m != nil {
		word := strings.TrimSpace(strings.ToLower(src[m[0]:m[1]]))
		return fault{m[0] + len(src[m[0]:m[1]]) - len(strings.TrimLeft(src[m[0]:m[1]], " \t\n")), fmt.Sprintf("cannot use the word %q in an expression", word), "write " + map[string]string{"and": "&&", "or": "||", "not": "!"}[word]}
	}
	if strings.Contains(src, "{{") {
		f.hint = "an expression needs no {{ }}"
	} else if strings.Count(src, `"`)%2 == 1 || strings.Count(src, `'`)%2 == 1 {
		f.hint = "a closing quote is missing"
	} else if strings.Count(outside, "(") != strings.Count(outside, ")") {
		f.hint = "count the parentheses"
	}
	return f
}

// blankStrings replaces what stands in quotes, so that words in it are not taken for operators.
func blankStrings(src string) string {
	out := []byte(src)
	quote := byte(0)
	for i, c := range out {
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		case quote != 0:
			out[i] = '_'
		}
	}
	return string(out)
}

func (x *expressions) unknownName(name string) (msg, hint string) {
	known := []string{eventType, natsType, "size", "has", "matches", "contains", "startsWith", "endsWith", "int", "double", "string", "timestamp", "duration", "exists", "all"}
	if best := nearest(name, known); best != "" {
		return fmt.Sprintf("unknown name %q", name), fmt.Sprintf("did you mean %q?", best)
	}
	if name == "data" {
		return `unknown name "data"`, "write event.data"
	}
	return fmt.Sprintf("unknown name %q", name), fmt.Sprintf("fields of the event start with event., and text needs quotes: %q", name)
}

func (x *expressions) unknownField(src string, offset int, field string) (msg, hint string) {
	owner := eventType
	if before := src[:min(len(src), offset+1)]; strings.LastIndex(before, natsType) > strings.LastIndex(before, eventType) {
		owner = natsType
	}
	names, _ := x.types.FindStructFieldNames(owner)
	hint = suggest(field, names)
	if owner == eventType && nearest(field, names) == "" {
		hint = "what the event carries is in event.data"
	}
	return fmt.Sprintf("unknown field %q of %s", field, owner), hint
}

func operatorName(f string) string {
	return strings.Trim(f, "_@")
}

// eval evaluates on one event. The result must not be kept: it refers to the event's memory.
func (x *expression) eval(e *evaluation) (ref.Val, error) {
	v, _, err := x.program.Eval(e)
	if err != nil {
		return nil, cleanEvalError(err)
	}
	return v, nil
}

func cleanEvalError(err error) error {
	msg := err.Error()
	if strings.Contains(msg, "cost limit") {
		return errors.New("the expression took too many steps on this event")
	}
	if msg == "no such overload" || strings.HasPrefix(msg, "no such overload") {
		return errors.New("a value has the wrong type")
	}
	if field, ok := strings.CutPrefix(msg, "no such key: "); ok {
		return fmt.Errorf("there is no field %s", field)
	}
	return errors.New(msg)
}

func (x *expression) evalBool(e *evaluation) (bool, error) {
	v, err := x.eval(e)
	if err != nil {
		return false, err
	}
	b, ok := v.(types.Bool)
	if !ok {
		return false, fmt.Errorf("the result is %s, not true or false", valueWord(v))
	}
	return bool(b), nil
}

// evalText gives a scalar result as text, for keys and groups.
func (x *expression) evalText(e *evaluation) (string, error) {
	v, err := x.eval(e)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case types.String:
		return string(v), nil
	case types.Int:
		return strconv.FormatInt(int64(v), 10), nil
	case types.Uint:
		return strconv.FormatUint(uint64(v), 10), nil
	case types.Double:
		return strconv.FormatFloat(float64(v), 'f', -1, 64), nil
	case types.Bool:
		return strconv.FormatBool(bool(v)), nil
	case types.Timestamp:
		return v.UTC().Format(time.RFC3339Nano), nil
	}
	return "", fmt.Errorf("the result is %s, not a string or a number", valueWord(v))
}

// evalStrings gives a list of strings, without empty ones and duplicates.
func (x *expression) evalStrings(e *evaluation) ([]string, error) {
	v, err := x.eval(e)
	if err != nil {
		return nil, err
	}
	list, ok := v.(traits.Lister)
	if !ok {
		return nil, fmt.Errorf("the result is %s, not a list of strings", valueWord(v))
	}
	var out []string
	seen := map[string]bool{}
	for it := list.Iterator(); it.HasNext() == types.True; {
		s, ok := it.Next().(types.String)
		if !ok {
			return nil, errors.New("the list has an element that is not a string")
		}
		if id := string(s); id != "" && !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out, nil
}

func valueWord(v ref.Val) string {
	if v == types.NullValue {
		return "null"
	}
	return typeWord(v.Type().(*types.Type))
}

// appendJSON encodes a result.
func appendJSON(out []byte, v ref.Val) ([]byte, error) {
	switch v := v.(type) {
	case *jsonObject:
		return append(out, v.raw...), nil
	case types.Null:
		return append(out, "null"...), nil
	case types.Bool:
		return strconv.AppendBool(out, bool(v)), nil
	case types.Int:
		return strconv.AppendInt(out, int64(v), 10), nil
	case types.Uint:
		return strconv.AppendUint(out, uint64(v), 10), nil
	case types.Double:
		if math.IsInf(float64(v), 0) || math.IsNaN(float64(v)) {
			return nil, errors.New("cannot keep a number that is infinite or not a number")
		}
		return appendMarshalled(out, float64(v))
	case types.String:
		return appendMarshalled(out, string(v))
	case types.Timestamp:
		return appendMarshalled(out, v.UTC().Format(time.RFC3339Nano))
	case types.Duration:
		return appendMarshalled(out, v.Duration.String())
	case traits.Lister:
		return appendList(out, v)
	case traits.Mapper:
		return appendMap(out, v)
	}
	return nil, fmt.Errorf("cannot keep %s", valueWord(v))
}

func appendMarshalled(out []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(out, b...), err
}

func appendList(out []byte, list traits.Lister) (_ []byte, err error) {
	out = append(out, '[')
	for it, first := list.Iterator(), true; it.HasNext() == types.True; first = false {
		if !first {
			out = append(out, ',')
		}
		if out, err = appendJSON(out, it.Next()); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

// appendMap encodes with sorted keys, so that the same event gives the same bytes.
func appendMap(out []byte, m traits.Mapper) ([]byte, error) {
	members := map[string]json.RawMessage{}
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.(types.String)
		if !ok {
			return nil, errors.New("cannot keep a map whose keys are not strings")
		}
		raw, err := appendJSON(nil, m.Get(key))
		if err != nil {
			return nil, err
		}
		members[string(name)] = raw
	}
	return appendMarshalled(out, members)
}
