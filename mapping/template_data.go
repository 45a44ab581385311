package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"text/template/parse"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// dataRead is a field of an item's .Data that a template names.
type dataRead struct {
	offset int
	at     pos // in the file
	name   string
	must   bool // without it no item can be rendered
}

func (c *templateChecker) read(at parse.Pos, name string, must bool) {
	c.reads = append(c.reads, dataRead{offset: int(at), name: name, must: must && c.maybe == 0 && !c.jumps})
}

// lookup notes fields that get and index are asked for.
func (c *templateChecker) lookup(function string, operands []parse.Node, shapes []shape) {
	if len(operands) < 2 || shapes[0] != dataShape {
		return
	}
	if name, ok := operands[1].(*parse.StringNode); ok && (function == "get" || function == "index") {
		c.read(name.Pos, name.Text, function == "index")
	}
}

// gives lists what a rule puts into .Data, if the file says it.
func (r *compiledRule) gives() (names []string, known bool) {
	if r.with == nil {
		return r.withKeys, len(r.withKeys) > 0
	}
	whole := r.with.ast.NativeRep().Expr()
	if whole.Kind() != ast.MapKind {
		return nil, false
	}
	for _, e := range whole.AsMap().Entries() {
		name, ok := e.AsMapEntry().Key().AsLiteral().(types.String)
		if !ok {
			return nil, false
		}
		names = append(names, string(name))
	}
	return names, true
}

// missing finds fields that a template cannot do without and the rule does not give.
func (c *compiler) missing(r *compiledRule, t *compiledTemplate) {
	names, known := r.gives()
	for _, read := range t.reads {
		if known && read.must && !slices.Contains(names, read.name) {
			c.hintf(read.at, cmp.Or(didYouMean(read.name, names), fmt.Sprintf("name it in the rule's with, or write get .Data %q", read.name)), "cannot render items of the rule %q: their .Data has no %q", r.Name, read.name)
		}
	}
}

// unread warns of fields that a template looks for and no rule gives.
func (c *compiler) unread(rules []*compiledRule) {
	given, unknown := map[string][]string{}, map[string]bool{}
	for _, r := range rules {
		names, known := r.gives()
		given[r.Template] = append(given[r.Template], names...)
		unknown[r.Template] = unknown[r.Template] || !known && len(r.Cancels) == 0
	}
	for name, names := range given {
		t := c.templates[name]
		if t == nil || unknown[name] {
			continue
		}
		for _, read := range t.reads {
			if !slices.Contains(names, read.name) {
				c.warnf(read.at, cmp.Or(didYouMean(read.name, names), "name it in a rule's with"), "no rule gives the template %q a field %q in .Data", name, read.name)
			}
		}
	}
}
