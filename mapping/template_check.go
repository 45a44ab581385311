package mapping

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template/parse"

	"github.com/belfry-bridge/belfry/internal/spelling"
)

func fieldsOf(s shape) map[string]shape {
	switch s {
	case digestShape:
		return map[string]shape{
			"ID": anyShape, "App": anyShape, "Audience": anyShape, "Template": anyShape, "Group": anyShape, "Count": anyShape,
			"More": anyShape, "Items": itemsShape, "First": itemShape, "Last": itemShape, "Now": anyShape,
		}
	case itemShape:
		return map[string]shape{"Key": anyShape, "Text": anyShape, "Data": dataShape, "Rule": anyShape, "Type": anyShape, "Time": anyShape, "Priority": anyShape}
	case eventShape:
		return map[string]shape{"id": anyShape, "type": anyShape, "source": anyShape, "subject": anyShape, "time": anyShape, "data": anyShape, "nats": natsShape}
	case natsShape:
		return map[string]shape{"subject": anyShape, "tokens": anyShape, "stream": anyShape, "sequence": anyShape, "time": anyShape, "headers": anyShape}
	}
	return nil
}

// templateChecker walks a template: it finds unknown fields and functions and
// puts a tick into every loop.
type templateChecker struct {
	vars   map[string]shape
	turned map[string]bool // variables that are assigned to: what they are is not known
	faults []fault
	uses   eventUse
	reads  []dataRead
	data   bool // .Data is read in whatever way
	maybe  int  // how many conditions stand around
	jumps  bool // a loop has been left or shortened
}

// eventUse says which parts of an event a template reads, so that no others
// are decoded.
type eventUse struct {
	all     bool            // the dot as a whole
	fields  map[string]bool // .id, .data …
	data    map[string]bool // .data.x
	allData bool            // .data as a whole
}

func (u *eventUse) readsData() bool { return u.all || u.fields["data"] }

// note records a path that starts at the event.
func (u *eventUse) note(path []string) {
	if len(path) == 0 {
		u.all = true
		return
	}
	if u.fields == nil {
		u.fields, u.data = map[string]bool{}, map[string]bool{}
	}
	u.fields[path[0]] = true
	switch {
	case path[0] == "data" && len(path) == 1:
		u.allData = true
	case path[0] == "data":
		u.data[path[1]] = true
	}
}

func (c *templateChecker) faultf(at parse.Pos, hint, format string, args ...any) {
	c.faults = append(c.faults, fault{offset: int(at), msg: fmt.Sprintf(format, args...), hint: hint})
}

func (c *templateChecker) list(l *parse.ListNode, dot shape) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		c.node(n, dot)
	}
}

func (c *templateChecker) node(n parse.Node, dot shape) {
	switch n := n.(type) {
	case *parse.ActionNode:
		c.pipe(n.Pipe, dot)
	case *parse.IfNode:
		c.branches(&n.BranchNode, dot, false)
	case *parse.WithNode:
		c.branches(&n.BranchNode, dot, true)
	case *parse.RangeNode:
		c.scope(func() { c.loop(n, dot) })
	case *parse.BreakNode, *parse.ContinueNode:
		c.jumps = true // what follows may be passed over
	case *parse.TemplateNode:
		c.faultf(n.Pos, "", "cannot call another template")
	}
}

// branches goes through {{ if }} and {{ with }}.
func (c *templateChecker) branches(n *parse.BranchNode, dot shape, with bool) {
	c.scope(func() {
		inside := c.pipe(n.Pipe, dot)
		if !with {
			inside = dot
		}
		c.maybe++
		c.scope(func() { c.list(n.List, inside) })
		c.list(n.ElseList, dot)
		c.maybe--
	})
}

// scope ends with the variables that were declared inside.
func (c *templateChecker) scope(inside func()) {
	outer := maps.Clone(c.vars)
	inside()
	for name := range outer {
		if c.turned[name] {
			outer[name] = anyShape
		}
	}
	c.vars = outer
}

func (c *templateChecker) loop(n *parse.RangeNode, dot shape) {
	over := anyShape
	if c.pipe(n.Pipe, dot) == itemsShape {
		over = itemShape
	}
	if d := n.Pipe.Decl; len(d) > 0 {
		c.vars[d[len(d)-1].Ident[0]] = over
		if len(d) == 2 {
			c.vars[d[0].Ident[0]] = anyShape
		}
	}
	maybe := c.maybe
	if over != itemShape { // of items there is one at least
		c.maybe++
	}
	c.scope(func() { c.list(n.List, over) })
	c.maybe = maybe + 1
	c.list(n.ElseList, dot)
	c.maybe = maybe
	tick := parse.New("template")
	tick.Mode = parse.SkipFuncCheck
	if _, err := tick.Parse("{{"+tickName+"}}", "", "", map[string]*parse.Tree{}); err == nil {
		n.List.Nodes = append([]parse.Node{tick.Root.Nodes[0]}, n.List.Nodes...)
	}
}

// pipe returns the shape of the result, as far as it is known.
func (c *templateChecker) pipe(p *parse.PipeNode, dot shape) shape {
	result := anyShape
	for i, cmd := range p.Cmds {
		result = c.command(cmd, dot, i > 0)
	}
	if len(p.Cmds) != 1 {
		result = anyShape
	}
	for _, v := range p.Decl {
		if p.IsAssign {
			c.turned[v.Ident[0]] = true
			result = anyShape
		}
		c.vars[v.Ident[0]] = result
	}
	return result
}

// command is a value, or a call with its operands.
func (c *templateChecker) command(cmd *parse.CommandNode, dot shape, piped bool) shape {
	name, called := cmd.Args[0].(*parse.IdentifierNode)
	maybe := c.maybe
	shapes := make([]shape, len(cmd.Args))
	for i, arg := range cmd.Args {
		if called && i == 2 && (name.Ident == "and" || name.Ident == "or") {
			c.maybe++ // the first operand may decide
		}
		shapes[i] = c.arg(arg, dot)
	}
	c.maybe = maybe
	if called {
		c.call(name, cmd.Args[1:], piped)
		c.lookup(name.Ident, cmd.Args[1:], shapes[1:])
	} else if len(cmd.Args) > 1 || piped { // Go finds out when it renders
		c.faultf(cmd.Args[min(1, len(cmd.Args)-1)].Position(), `write what to call first, such as eq .Group "x"`, "cannot call %s: it is no function", cmd.Args[0])
	}
	if len(shapes) == 1 {
		return shapes[0]
	}
	return anyShape
}

func (c *templateChecker) arg(n parse.Node, dot shape) shape {
	switch n := n.(type) {
	case *parse.DotNode:
		if dot == eventShape {
			c.uses.note(nil)
		}
		return dot
	case *parse.FieldNode:
		at := n.Pos
		if len(n.Ident) > 1 { // it is that of the second
			at -= parse.Pos(1 + len(n.Ident[0]))
		}
		return c.fields(dot, n.Ident, at)
	case *parse.VariableNode:
		return c.fields(c.vars[n.Ident[0]], n.Ident[1:], n.Pos)
	case *parse.ChainNode:
		return c.fields(c.arg(n.Node, dot), n.Field, n.Pos)
	case *parse.PipeNode:
		return c.pipe(n, dot)
	case *parse.IdentifierNode:
		if !slices.Contains(functionNames(), n.Ident) {
			c.faultf(n.Pos, cmp.Or(foreignWords(c.vars["$"])[n.Ident], spelling.Suggest(n.Ident, functionNames()), "templates know "+strings.Join(functionNames(), ", ")), "unknown function %q", n.Ident)
		}
	}
	return anyShape
}

// foreignWords are the remedies for what other languages call so.
func foreignWords(of shape) map[string]string {
	data := "write .data.room"
	if of == digestShape {
		data = "write .Last.Data.room, or .Data.room between range .Items and end"
	}
	sum := noSums + "; .More is how many are not among .Items"
	return map[string]string{
		"elif": "write {{ else if … }}", "elseif": "write {{ else if … }}", "elsif": "write {{ else if … }}",
		"now": "write .Now under message and notification, .time in an item", "add": sum, "sub": sum,
		"event": data, "data": data,
	}
}

func (c *templateChecker) fields(of shape, names []string, at parse.Pos) shape {
	if of == eventShape {
		c.uses.note(names)
	}
	for _, name := range names {
		if of == dataShape {
			c.read(at, name, true)
		}
		known := fieldsOf(of)
		if known == nil {
			c.data = c.data || of == anyShape && slices.Contains(names, "Data") // it may be an item
			return anyShape
		}
		next, ok := known[name]
		if !ok && !(of == eventShape && isExtensionName(name)) {
			c.faultf(at, suggestField(of, name, known), "unknown field .%s of %s", name, of)
			return anyShape
		}
		switch {
		case !ok && name == "event":
			c.faults = append(c.faults, fault{int(at), ".event reads an extension attribute", "the event is the dot itself here: write .data in place of .event.data", true})
		case !ok:
			c.faults = append(c.faults, unlikelyName(int(at), ".", name)...)
		}
		of, at = next, at+parse.Pos(len(name)+1)
		c.data = c.data || of == dataShape
	}
	return of
}

func suggestField(of shape, name string, known map[string]shape) string {
	if of == digestShape {
		for field := range fieldsOf(itemShape) {
			if strings.EqualFold(field, name) {
				return fmt.Sprintf("did you mean .Last.%s?", field)
			}
		}
	}
	names := make([]string, 0, len(known))
	for k := range known {
		names = append(names, "."+k)
	}
	slices.Sort(names)
	if best := spelling.Nearest("."+name, names); best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	if of == eventShape {
		return "what the event carries is in .data"
	}
	return "want " + spelling.OneOf(names)
}
