package strictyaml

import (
	"math"
	"strconv"
	"strings"
)

// Mark says that a value stands in the file, and where.
type Mark struct {
	At    Pos
	Set   bool
	Meant []string // of a map: keys that were misspelt, or whose value is refused
}

// given is a value, or nil where the file has none.
func given[T any](set bool, v *T) *T {
	if !set {
		return nil
	}
	return v
}

func (m *Mark) found(at Pos) *Mark {
	*m = Mark{At: at, Set: true}
	return m
}

// Text is a string in which ${NAME} stands for an environment variable.
type Text struct {
	Scalar
	Set     bool
	Value   string // empty: not set, or refused
	FromEnv bool   // the value came, at least in part, from the environment
}

// Decode reads the value.
func (t *Text) Decode(d *Decoder, n *Node, name string) {
	if !d.WantSingle(n, name) {
		return
	}
	t.Set, t.Scalar = true, n.Scalar
	t.Value, t.FromEnv = d.Expand(n.Scalar)
}

// Given is the text, or nil where the file has none.
func (t *Text) Given() *string { return given(t.Set, &t.Value) }

// WantSingle reports an error, and false, where there is a map or a list.
func (d *Decoder) WantSingle(n *Node, name string) bool {
	if n.Kind == Single {
		return true
	}
	hint := ""
	switch {
	case n.Kind == Map && strings.HasPrefix(fromColumn(d.src.line(n.At.Line), n.At.Col), "{"):
		hint = "text that starts with { must be put into quotes"
	case n.Kind == List && strings.HasPrefix(fromColumn(d.src.line(n.At.Line), n.At.Col), "["):
		hint = "text that starts with [ must be put into quotes"
	case n.Kind == Map && len(n.Fields) == 1 && n.At == n.Fields[0].Key.At:
		hint = "text that contains a colon must be put into quotes"
	}
	d.Hintf(n.At, hint, "cannot use %s as %s: want a single value", n.Kind, name)
	return false
}

// Expand replaces ${NAME} and ${NAME:-default}; $${ stands for ${ itself.
func (d *Decoder) Expand(s Scalar) (value string, fromEnv bool) {
	var out strings.Builder
	rest := s.Text
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
		where := s.Place(len(s.Text) - len(rest) + i)
		inner, after, closed := strings.Cut(rest[i+2:], "}")
		if !closed {
			d.Hintf(where, "write ${NAME}, or $${ for the two characters themselves", "cannot find the } that closes ${")
			return "", fromEnv
		}
		if strings.Contains(inner, "${") {
			d.Hintf(where, "write a plain default", "cannot use ${ inside ${ }")
			return "", fromEnv
		}
		out.WriteString(d.lookup(inner, where))
		rest, fromEnv = after, true
	}
}

func (d *Decoder) lookup(inner string, where Pos) string {
	name, fallback, hasFallback := strings.Cut(inner, ":-")
	if !isEnvName(name) { // it may be a secret that somebody has put there
		d.Hintf(where, "write ${NAME} or ${NAME:-default}", "cannot use what stands in ${ } as the name of an environment variable")
		return ""
	}
	v, ok := "", false
	if d.Env != nil {
		v, ok = d.Env(name)
	}
	switch {
	case ok && v != "":
		return v
	case hasFallback:
		return fallback
	case ok:
		d.Errorf(where, "the environment variable %s is empty", name)
	default:
		d.Hintf(where, "set it, or write ${"+name+":-default}", "the environment variable %s is not set", name)
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

// Code is a string that is taken as it stands, such as an expression or a template.
type Code struct {
	Scalar
	Set bool
}

// Decode reads the value.
func (c *Code) Decode(d *Decoder, n *Node, name string) {
	if d.WantSingle(n, name) {
		*c = Code{n.Scalar, true}
	}
}

// Given is the text, or nil where the file has none.
func (c *Code) Given() *string { return given(c.Set, &c.Text) }

// Integer is a whole number, 0 or more.
type Integer struct {
	Mark
	N int
}

// Decode reads the value.
func (v *Integer) Decode(d *Decoder, n *Node, name string) {
	if !d.WantSingle(n, name) {
		return
	}
	text, _ := d.Expand(n.Scalar)
	i, err := strconv.Atoi(strings.ReplaceAll(text, "_", ""))
	if err != nil || i < 0 || i > math.MaxInt32 {
		d.Errorf(n.At, "cannot use %q as %s: want a whole number, 0 or more", text, name)
		return
	}
	*v = Integer{Mark{At: n.At, Set: true}, i}
}

// Given is the number, or nil where the file has none.
func (v *Integer) Given() *int { return given(v.Set, &v.N) }

// Or is the number, or another one where the file has none.
func (v Integer) Or(fallback int) int {
	if v.Set {
		return v.N
	}
	return fallback
}

// Flag is true or false.
type Flag struct {
	Mark
	B bool
}

// Decode reads the value.
func (v *Flag) Decode(d *Decoder, n *Node, name string) {
	if !d.WantSingle(n, name) {
		return
	}
	switch text, _ := d.Expand(n.Scalar); text {
	case "true", "false":
		*v = Flag{Mark{At: n.At, Set: true}, text == "true"}
	default:
		d.Hintf(n.At, "want true or false", "cannot use %q as %s", text, name)
	}
}

// Named is a map from names to values, in the order of the file.
type Named[T any] []Entry[T]

// Entry is one name with its value.
type Entry[T any] struct {
	Name  Scalar
	Value T
}

// Decode reads the value.
func (m *Named[T]) Decode(d *Decoder, n *Node, name string) {
	if n.Kind != Map {
		d.Errorf(n.At, "cannot use %s as %s: want a map from names to values", n.Kind, name)
		return
	}
	for _, f := range n.Fields {
		e := Entry[T]{Name: f.Key}
		d.Into(f.Value, &e.Value, name+"."+f.Key.Text)
		*m = append(*m, e)
	}
}

// Find returns the value with a name, or nil.
func (m Named[T]) Find(name string) *T {
	for i := range m {
		if m[i].Name.Text == name {
			return &m[i].Value
		}
	}
	return nil
}

// Names returns all names.
func (m Named[T]) Names() []string {
	names := make([]string, len(m))
	for i := range m {
		names[i] = m[i].Name.Text
	}
	return names
}

// Tree is any value, kept as it stands.
type Tree struct {
	*Node
	Set bool
}

// Decode reads the value.
func (t *Tree) Decode(_ *Decoder, n *Node, _ string) { *t = Tree{n, true} }
