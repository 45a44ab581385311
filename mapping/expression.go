package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"

	"github.com/belfry-bridge/belfry/internal/spelling"
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
	warn   bool // it is allowed, but hardly meant
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
	return c.expr, c.faults
}

func typeIsOneOf(out *cel.Type, want []*cel.Type) bool {
	return len(want) == 0 || out.Kind() == types.DynKind ||
		slices.ContainsFunc(want, func(t *cel.Type) bool { return isOf(out, t) })
}

// isOf reports whether a value of one type is one of another. A list of anything
// takes lists whose elements are only known on an event, and no others.
func isOf(out, t *cel.Type) bool {
	if t.IsExactType(cel.ListType(cel.DynType)) && out.Kind() == types.ListKind {
		k := out.Parameters()[0].Kind()
		return k == types.DynKind || k == types.TypeParamKind
	}
	return t.IsAssignableType(out)
}

func typeWords(ts []*cel.Type) string {
	var words []string
	for _, t := range ts {
		if w := typeWord(t); !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	return spelling.OneOf(words)
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
		switch t.Parameters()[0].Kind() {
		case types.StringKind, types.DynKind, types.TypeParamKind:
			return "a list of strings"
		case types.IntKind, types.UintKind, types.DoubleKind:
			return "a list of numbers"
		}
		return "a list of something else"
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
	if faults := append(refused(src, native), unknownZones(src, native)...); faults != nil {
		return compiled{faults: faults}
	}
	opts := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if loops(native.Expr()) {
		opts = append(opts, cel.CostLimit(costLimit))
	}
	program, err := x.env.Program(checked, opts...)
	if err != nil {
		return compiled{faults: []fault{valueFault(err)}}
	}
	expr := &expression{source: src, program: program, ast: checked, usesData: readsData(native)}
	return compiled{expr: expr, faults: unlikelyNames(src, native)}
}

func visit(e ast.Expr, f func(ast.Expr)) {
	ast.PreOrderVisit(e, ast.NewExprVisitor(f))
}

func loops(e ast.Expr) (yes bool) {
	visit(e, func(e ast.Expr) { yes = yes || e.Kind() == ast.ComprehensionKind })
	return yes
}

// readsData reports whether an expression looks at event.data, by whatever name
// it has the event.
func readsData(a *ast.AST) (yes bool) {
	visit(a.Expr(), func(e ast.Expr) {
		if e.Kind() != ast.SelectKind || e.AsSelect().FieldName() != "data" {
			return
		}
		of := a.GetType(e.AsSelect().Operand().ID())
		yes = yes || of.Kind() == types.DynKind || of.TypeName() == eventType
	})
	return yes
}

// startOf is the byte at which a part of an expression begins.
func startOf(src string, a *ast.AST, e ast.Expr) int {
	at := a.SourceInfo().GetStartLocation(e.ID())
	return offsetOf(src, at.Line(), at.Column())
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
	return offset + cutAt(src[offset:], col)
}

var (
	undeclared = regexp.MustCompile(`^undeclared reference to '([^']+)'`)
	undefined  = regexp.MustCompile(`^undefined field '([^']+)'`)
	overload   = regexp.MustCompile(`^found no matching overload for '([^']+)' applied to '([^']*)'`)
	oneEquals  = regexp.MustCompile(`[^=!<>]=[^=]`)
	dashedName = regexp.MustCompile(`[A-Za-z_]\w*(-[A-Za-z_]\w*)+`)
	wordAnd    = regexp.MustCompile(`(?i)\s(and|or)\s|(^|\s)not\s`)
)
