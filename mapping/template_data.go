package mapping

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"text/template/parse"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	"github.com/belfry-bridge/belfry/internal/spelling"
	"github.com/belfry-bridge/belfry/internal/strictyaml"
)

// dataRead is a field of an item's .Data that a template names.
type dataRead struct {
	offset int
	at     strictyaml.Pos // in the file
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
	if r.with == nil { // of a key whose expression has a fault there is none
		return r.withKeys, len(r.withKeys) > 0 && len(r.withKeys) == len(r.doc.With.names)
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

// given counts the rules of a template that give each field, and those of which all are known.
func (c *compiler) given(template string) (fields map[string]int, known int) {
	fields = map[string]int{}
	for _, r := range c.tellers[template] {
		names, ok := r.gives()
		if !ok {
			continue
		}
		known++
		for _, name := range names {
			fields[name]++
		}
	}
	return fields, known
}

// missing finds fields that a template cannot do without and some rule does not give.
func (c *compiler) missing() {
	for _, template := range slices.Sorted(maps.Keys(c.tellers)) {
		fields, known := c.given(template)
		var always []string
		for name, n := range fields {
			if n == known {
				always = append(always, name)
			}
		}
		slices.Sort(always)
		for _, read := range c.templates[template].reads {
			lack := known - fields[read.name]
			if !read.must || lack <= 0 {
				continue
			}
			whose := fmt.Sprintf("the rule %q", c.lacking(template, read.name))
			if lack > 1 {
				whose += fmt.Sprintf(", and of %d more", lack-1)
			}
			c.Hintf(read.at, cmp.Or(spelling.DidYouMean(read.name, always), fmt.Sprintf("name it in the rule's with, or write get .Data %q", read.name)), "cannot render items of %s: their .Data has no %q", whose, read.name)
		}
	}
}

// lacking is the first rule of a template that does not give a field.
func (c *compiler) lacking(template, field string) string {
	for _, r := range c.tellers[template] {
		if names, known := r.gives(); known && !slices.Contains(names, field) {
			return r.Name
		}
	}
	return ""
}

// unread warns of fields that a template looks for and no rule gives.
func (c *compiler) unread() {
	for _, template := range slices.Sorted(maps.Keys(c.tellers)) {
		fields, known := c.given(template)
		if known < len(c.tellers[template]) {
			continue
		}
		names := slices.Sorted(maps.Keys(fields))
		for _, read := range c.templates[template].reads {
			if fields[read.name] == 0 {
				c.Warnf(read.at, cmp.Or(spelling.DidYouMean(read.name, names), "name it in a rule's with"), "no rule gives the template %q a field %q in .Data", template, read.name)
			}
		}
	}
}
