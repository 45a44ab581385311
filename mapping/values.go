package mapping

import (
	"math"
	"strconv"
	"strings"
)

// mark says that a value stands in the file, and where.
type mark struct {
	at    pos
	set   bool
	meant []string // of a map: keys that were misspelt
}

func (m *mark) found(at pos) *mark {
	*m = mark{at: at, set: true}
	return m
}

// text is a string in which ${NAME} stands for an environment variable.
type text struct {
	scalar
	set    bool
	Value  string // empty: not set, or refused
	secret bool   // the value came, at least in part, from the environment
}

func (t *text) decode(d *decoder, n *node, name string) {
	if !d.wantSingle(n, name) {
		return
	}
	t.set, t.scalar = true, n.scalar
	t.Value, t.secret = d.expand(n.scalar)
}

// wantSingle reports an error, and false, where there is a map or a list.
func (d *decoder) wantSingle(n *node, name string) bool {
	if n.kind == scalarNode {
		return true
	}
	hint := ""
	switch {
	case n.kind == mapNode && strings.HasPrefix(fromColumn(d.src.line(n.at.line), n.at.col), "{"):
		hint = "text that starts with { must be put into quotes"
	case n.kind == mapNode && len(n.fields) == 1 && n.at == n.fields[0].key.at:
		hint = "text that contains a colon must be put into quotes"
	}
	d.hintf(n.at, hint, "cannot use %s as %s: want a single value", n.kind, name)
	return false
}

// expand replaces ${NAME} and ${NAME:-default}; $${ stands for ${ itself.
func (d *decoder) expand(s scalar) (value string, fromEnv bool) {
	var out strings.Builder
	rest := s.text
	for {
		i := strings.Index(rest, "${")
		if i < 0 {
			return out.String() + rest, fromEnv
		}
		if i > 0 && rest[i-1] == '$' {
			out.WriteString(rest[:i-1] + "${")
			rest = rest[i+2:]
			continue
		}
		out.WriteString(rest[:i])
		where := s.place(len(s.text) - len(rest) + i)
		inner, after, closed := strings.Cut(rest[i+2:], "}")
		if !closed {
			d.hintf(where, "write ${NAME}, or $${ for the two characters themselves", "cannot find the } that closes ${")
			return "", fromEnv
		}
		if strings.Contains(inner, "${") {
			d.hintf(where, "write a plain default", "cannot use ${ inside ${ }")
			return "", fromEnv
		}
		out.WriteString(d.lookup(inner, where))
		rest, fromEnv = after, true
	}
}

func (d *decoder) lookup(inner string, where pos) string {
	name, fallback, hasFallback := strings.Cut(inner, ":-")
	if !isEnvName(name) {
		d.hintf(where, "write ${NAME} or ${NAME:-default}", "cannot use %q as the name of an environment variable", name)
		return ""
	}
	v, ok := "", false
	if d.env != nil {
		v, ok = d.env(name)
	}
	switch {
	case ok && v != "":
		return v
	case hasFallback:
		return fallback
	case ok:
		d.errorf(where, "the environment variable %s is empty", name)
	default:
		d.hintf(where, "set it, or write ${"+name+":-default}", "the environment variable %s is not set", name)
	}
	return ""
}

func isEnvName(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// code is a string that is taken as it stands, such as an expression or a template.
type code struct {
	scalar
	set bool
}

func (c *code) decode(d *decoder, n *node, name string) {
	if d.wantSingle(n, name) {
		*c = code{n.scalar, true}
	}
}

// integer is a whole number, 0 or more.
type integer struct {
	mark
	N int
}

func (v *integer) decode(d *decoder, n *node, name string) {
	if !d.wantSingle(n, name) {
		return
	}
	text, _ := d.expand(n.scalar)
	i, err := strconv.Atoi(strings.ReplaceAll(text, "_", ""))
	if err != nil || i < 0 || i > math.MaxInt32 {
		d.errorf(n.at, "cannot use %q as %s: want a whole number, 0 or more", text, name)
		return
	}
	*v = integer{mark{at: n.at, set: true}, i}
}

func (v integer) or(fallback int) int {
	if v.set {
		return v.N
	}
	return fallback
}

// flag is true or false.
type flag struct {
	mark
	B bool
}

func (v *flag) decode(d *decoder, n *node, name string) {
	if !d.wantSingle(n, name) {
		return
	}
	switch text, _ := d.expand(n.scalar); text {
	case "true", "false":
		*v = flag{mark{at: n.at, set: true}, text == "true"}
	default:
		d.hintf(n.at, "want true or false", "cannot use %q as %s", text, name)
	}
}

// named is a map from names to values, in the order of the file.
type named[T any] []entry[T]

type entry[T any] struct {
	Name  scalar
	Value T
}

func (m *named[T]) decode(d *decoder, n *node, name string) {
	if n.kind != mapNode {
		d.errorf(n.at, "cannot use %s as %s: want a map from names to values", n.kind, name)
		return
	}
	for _, f := range n.fields {
		e := entry[T]{Name: f.key}
		d.into(f.value, &e.Value, name+"."+f.key.text)
		*m = append(*m, e)
	}
}

func (m named[T]) find(name string) *T {
	for i := range m {
		if m[i].Name.text == name {
			return &m[i].Value
		}
	}
	return nil
}

func (m named[T]) names() []string {
	names := make([]string, len(m))
	for i := range m {
		names[i] = m[i].Name.text
	}
	return names
}

// tree is any value, kept as it stands.
type tree struct {
	*node
	set bool
}

func (t *tree) decode(_ *decoder, n *node, _ string) { *t = tree{n, true} }
