package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Explanation says what the rules of one app make of one message, and why.
type Explanation struct {
	App         string            `json:"app"`
	Subject     string            `json:"subject"`
	Event       Event             `json:"event"`
	Undecodable string            `json:"undecodable,omitempty"` // why the content could not be used
	Rules       []RuleExplanation `json:"rules"`                 // those that listen to the subject, in the order of the file
}

// RuleExplanation says what one rule makes of a message.
type RuleExplanation struct {
	Rule     string          `json:"rule"`
	Line     int             `json:"line"`
	Matched  bool            `json:"matched"`
	Why      string          `json:"why,omitempty"`      // why not
	Failed   string          `json:"failed,omitempty"`   // the part that failed: "when", "key", …
	Dead     string          `json:"dead,omitempty"`     // the reason of the dead letter, if there is one
	When     *Operand        `json:"when,omitempty"`     // the condition, taken apart
	Part     *Operand        `json:"part,omitempty"`     // the expression that failed, if it is another
	Audience string          `json:"audience,omitempty"` // with Template and Group: the digest it would join
	Template string          `json:"template,omitempty"`
	Group    string          `json:"group,omitempty"`
	Cancels  []string        `json:"cancels,omitempty"` // rules whose item with Key would be removed
	Key      string          `json:"key,omitempty"`
	Text     string          `json:"text,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
	Users    []string        `json:"users,omitempty"`
	Priority string          `json:"priority,omitempty"`
	Match    *Match          `json:"-"` // the whole of it, if it matched
}

// Operand is one part of a condition and its value on the event.
type Operand struct {
	Expr  string     `json:"expr"`
	Value string     `json:"value,omitempty"` // "true", "90", "\"north\""
	Error string     `json:"error,omitempty"` // instead of a value
	Parts []*Operand `json:"parts,omitempty"` // of && and ||, and the two sides of a comparison
}

// Explain says for each rule on the message's subject whether it matched and
// why not. It is for people: it costs far more than Map.
func (a *App) Explain(m *Message) Explanation {
	e := newEvaluation()
	x := Explanation{App: a.Name, Subject: m.Subject, Rules: []RuleExplanation{}}
	err := e.open(m)
	if err != nil {
		x.Undecodable = err.Error()
	}
	x.Event = e.env.event()
	if isMarker(m) {
		x.Undecodable = "it is the server's note that a message was removed, which is no event"
		return x
	}
	for _, i := range a.matcher.subjects.match(m.Subject, nil) {
		x.Rules = append(x.Rules, a.matcher.rules[i].explain(e, err, a.matcher.exprs))
	}
	return x
}

func (r *compiledRule) explain(e *evaluation, undecodable error, exprs *expressions) RuleExplanation {
	x := RuleExplanation{Rule: r.Name, Line: r.Line, Audience: r.Audience, Template: r.Template, Cancels: r.Cancels}
	var m Match
	part, dead, err := r.judge(e, undecodable, &m)
	x.Failed, x.Dead = part, dead
	if r.when != nil && (dead == "" || part != "") {
		x.When = exprs.takeApart(r.when, e)
	}
	switch {
	case errors.Is(err, errNoMatch):
		x.Why = "the condition is false"
		if f := x.When.decisive(); f != nil {
			x.Why = fmt.Sprintf("the condition is false: %s", f)
		}
		return x
	case err != nil:
		x.Why = err.Error()
		failed := map[string]*expression{"key": r.key, "group_by": r.group, "users": r.users, "with": r.with}[part]
		if failed != nil && (dead == "" || dead == DeadExpression) {
			x.Part = exprs.takeApart(failed, e)
		}
		return x
	}
	x.Matched, x.Match = true, &m
	x.Group, x.Key, x.Text, x.Data, x.Users = m.Group, m.Item.Key, m.Item.Text, m.Item.Data, m.Users
	if len(r.Cancels) == 0 {
		x.Priority = r.Priority.String()
	}
	return x
}

// decisive is the first false part of a condition that consists of parts joined by &&.
func (o *Operand) decisive() *Operand {
	if o == nil || o.Value != "false" {
		return nil
	}
	for _, p := range o.Parts {
		if f := p.decisive(); f != nil {
			return f
		}
	}
	return o
}

// String is an operand on one line: its text, and the values of its sides.
func (o *Operand) String() string {
	s := o.Expr
	for i, p := range o.Parts {
		sep := ", "
		if i == 0 {
			sep = " where "
		}
		value := p.Value
		if p.Error != "" {
			value = "(" + p.Error + ")"
		}
		s += sep + p.Expr + " is " + value
	}
	return s
}

// takeApart evaluates an expression and the parts that an operator would ask about.
func (x *expressions) takeApart(whole *expression, e *evaluation) *Operand {
	native := whole.ast.NativeRep()
	return x.operand(native.Expr(), native.SourceInfo(), e)
}

func (x *expressions) operand(expr ast.Expr, info *ast.SourceInfo, e *evaluation) *Operand {
	text, err := cel.ExprToString(expr, info)
	if err != nil {
		return &Operand{Expr: "?", Error: err.Error()}
	}
	o := &Operand{Expr: text}
	o.Value, o.Error = x.show(text, e)
	if expr.Kind() != ast.CallKind || !explains(expr.AsCall().FunctionName()) {
		return o
	}
	for _, arg := range expr.AsCall().Args() {
		if arg.Kind() != ast.LiteralKind {
			o.Parts = append(o.Parts, x.operand(arg, info, e))
		}
	}
	return o
}

// explains lists the operators whose operands are worth showing.
func explains(function string) bool {
	switch function {
	case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional,
		operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals,
		operators.Greater, operators.GreaterEquals, operators.In,
		operators.Add, operators.Subtract, operators.Multiply, operators.Divide:
		return true
	}
	return false
}

// show evaluates a part by its text, since a part has no program of its own.
func (x *expressions) show(text string, e *evaluation) (value, problem string) {
	part := x.compileOnce(text)
	if part.expr == nil {
		return "", "cannot be evaluated on its own"
	}
	v, err := part.expr.eval(e)
	if err != nil {
		return "", err.Error()
	}
	return showValue(v), ""
}

const maxShown = 200 // bytes of a value in an explanation

func showValue(v ref.Val) string {
	switch v := v.(type) { // not text, which it cannot be compared with
	case types.Timestamp:
		return "timestamp(" + strconv.Quote(v.UTC().Format(time.RFC3339Nano)) + ")"
	case types.Duration:
		return "duration(" + strconv.Quote(v.Duration.String()) + ")"
	}
	b, err := appendJSON(nil, v)
	if err != nil {
		return valueWord(v)
	}
	return cutBytes(string(b), maxShown)
}
