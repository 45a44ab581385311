package strictyaml

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	yaml "github.com/goccy/go-yaml"
)

// Kind is one of the four things that a value can be.
type Kind uint8

// The kinds of values.
const (
	Null   Kind = iota // a key without a value, or what could not be read
	Single             // text, a number, true or false
	Map
	List
)

// String returns the words for it in a message.
func (k Kind) String() string {
	return [...]string{"nothing", "a single value", "a map", "a list"}[k]
}

// Node is one value of a YAML file. Aliases and merge keys are resolved.
type Node struct {
	Kind   Kind
	At     Pos
	Scalar Scalar  // of Single
	Plain  string  // what an unquoted scalar is read as: "int", "float", "bool"; empty: text
	Fields []Field // of Map, in the order of the file, without duplicates
	Items  []*Node // of List
	told   bool    // with Null: why it could not be read was reported
}

// Field is one key of a map, with its value.
type Field struct {
	Key   Scalar
	Value *Node
}

// Files beyond these sizes are not written by people but mistakes or attacks.
const (
	maxFileBytes = 16 << 20
	maxNodes     = 1_000_000
	maxDepth     = 64
	maxOpen      = 5000   // brackets, also those in text and comments: with more the parser would need gigabytes
	maxKeys      = 10_000 // of one map: the parser's time grows with their square
)

// parseTree reads a YAML file with exactly one document.
func parseTree(src *source, data []byte, r *Report) *Node {
	if len(data) > maxFileBytes {
		r.Errorf(Pos{1, 1}, "cannot read a file of %d bytes: the limit is %d", len(data), maxFileBytes)
		return nil
	}
	if !checkText(src, r) {
		return nil
	}
	if at, deep := tooDeep(src); deep {
		r.Hintf(at, "close brackets that are open, also those in text and in comments", "cannot read a file nested this deeply")
		return nil
	}
	if at, wide := tooWide(src); wide {
		r.Errorf(at, "cannot read a map of more than %d keys", maxKeys)
		return nil
	}
	f, err := parseYAML(data)
	if err != nil {
		reportSyntax(r, src, err)
		return nil
	}
	t := treeBuilder{src: src, report: r, anchors: map[string]ast.Node{}}
	var root *Node
	for _, doc := range f.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			r.Errorf(at(doc.Body), "cannot use a second document in the same file: put it into a file of its own")
			return nil
		}
		root = t.build(doc.Body, 0)
	}
	if root == nil {
		r.Errorf(Pos{1, 1}, "cannot find anything in this file")
	}
	return root
}

// parseYAML keeps a panic of the parser on malformed input from passing.
func parseYAML(data []byte) (f *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("cannot read this as YAML")
		}
	}()
	return parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
}

// checkText finds what YAML's own messages explain badly: tabs that indent and
// characters that do not belong into a text file. It reports all of them.
func checkText(src *source, r *Report) bool {
	ok := true
	for i, l := range src.lines {
		indent := l[:len(l)-len(strings.TrimLeft(l, " \t"))]
		if t := strings.IndexByte(indent, '\t'); t >= 0 && len(indent) < len(l) {
			r.Hintf(Pos{i + 1, t + 1}, "use spaces", "cannot use a tab to indent")
			ok = false
		}
		if c := strings.IndexFunc(l, isControl); c >= 0 {
			r.Errorf(Pos{i + 1, len([]rune(l[:c])) + 1}, "cannot use the control character %U in a text file", []rune(l[c:])[0])
			ok = false
		}
	}
	return ok
}

// tooDeep finds what the parser would need gigabytes for.
func tooDeep(src *source) (Pos, bool) {
	open := 0
	for i, l := range src.lines {
		if strings.Count(l, "- ") > maxOpen {
			return Pos{i + 1, 1}, true
		}
		for j, c := range []byte(l) {
			switch c {
			case '[', '{':
				open++
			case ']', '}':
				open = max(0, open-1)
			}
			if open > maxOpen {
				return Pos{i + 1, j + 1}, true
			}
		}
	}
	return Pos{}, false
}

// tooWide finds what the parser would need minutes for. A map in brackets takes
// time by its length only.
func tooWide(src *source) (Pos, bool) {
	keys := map[int]int{} // by indentation, of the map that goes on there
	for i, l := range src.lines {
		text := strings.TrimLeft(l, " ")
		if text == "" || text[0] == '#' {
			continue
		}
		indent := len(l) - len(text)
		maps.DeleteFunc(keys, func(inner, _ int) bool { return inner > indent })
		if text[0] != '-' && strings.Contains(text, ":") {
			keys[indent]++
		}
		if keys[indent] > maxKeys {
			return Pos{i + 1, indent + 1}, true
		}
	}
	return Pos{}, false
}

func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

func reportSyntax(r *Report, src *source, err error) {
	at, msg := Pos{1, 1}, err.Error()
	if syntax, ok := errors.AsType[yaml.Error](err); ok {
		msg, _, _ = strings.Cut(syntax.GetMessage(), `: "`) // what it repeats of the file may be a secret
		if t := syntax.GetToken(); t != nil && t.Position != nil {
			at = Pos{t.Position.Line, t.Position.Column}
		}
	}
	if next := src.line(at.Line + 1); strings.Contains(msg, "mapping value is not allowed") && indentOf(next) > indentOf(src.line(at.Line)) {
		at = Pos{at.Line + 1, indentOf(next) + 1}
		r.Hintf(at, "indent it as the line above", "cannot read this as YAML: the line is indented too far")
		return
	}
	r.Hintf(at, syntaxHint(src.line(at.Line), msg), "cannot read this as YAML: %s", msg)
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// syntaxHint says what a line that YAML refuses usually lacks.
func syntaxHint(line, msg string) string {
	_, value, _ := strings.Cut(line, ": ")
	value = strings.TrimSpace(value)
	switch {
	case strings.HasPrefix(value, "{{"):
		return "put a template that starts with {{ into quotes"
	case strings.Contains(msg, "end character") && strings.Contains(msg, "quoted"):
		return "the closing quote is missing"
	case strings.Contains(msg, "pre-defined") && value != "" && (value[0] == '"' || value[0] == '\''):
		return "text goes on after the closing quote: put the whole value into quotes of the other kind, or write \\\" inside"
	case strings.Contains(msg, "mapping value is not allowed"):
		return "check the indentation, or put a value that contains \": \" into quotes"
	case strings.Contains(msg, "value is not allowed in this context"), strings.Contains(msg, "non-map value"):
		return "check the indentation"
	case strings.Contains(msg, "reserved character"):
		return "put the value into quotes"
	case strings.Contains(msg, "header option"):
		return "put text that starts with | or > into quotes"
	case strings.Contains(msg, "must be specified"), strings.Contains(msg, "not found"):
		return "a closing bracket or brace is missing, or a value with [ ] or { } in it needs quotes"
	}
	return ""
}

type treeBuilder struct {
	src     *source
	report  *Report
	anchors map[string]ast.Node
	count   int
	full    bool
}

func at(n ast.Node) Pos {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return at(m.Values[0].Key)
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		return at(m.Key)
	}
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return Pos{1, 1}
	}
	return Pos{t.Position.Line, max(1, t.Position.Column)}
}

func (t *treeBuilder) build(n ast.Node, depth int) *Node {
	t.count++
	if t.full || t.count > maxNodes || depth > maxDepth {
		if !t.full {
			t.report.Errorf(at(n), "cannot read a file this large or nested this deeply")
		}
		t.full = true
		return &Node{At: at(n), told: true}
	}
	switch n := n.(type) {
	case *ast.AnchorNode:
		t.anchors[n.Name.GetToken().Value] = n.Value
		return t.build(n.Value, depth+1)
	case *ast.AliasNode:
		return t.alias(n, depth)
	case *ast.TagNode:
		t.report.Hintf(at(n), "put text that starts with ! into quotes", "cannot use a YAML tag") // it may be a secret that starts with !
		return &Node{At: at(n), told: true}
	case *ast.MappingNode:
		return t.mapping(n.Values, at(n), depth)
	case *ast.MappingValueNode:
		return t.mapping([]*ast.MappingValueNode{n}, at(n), depth)
	case *ast.SequenceNode:
		out := &Node{Kind: List, At: at(n)}
		for _, v := range n.Values {
			out.Items = append(out.Items, t.build(v, depth+1))
		}
		return out
	}
	return t.scalar(n)
}

func (t *treeBuilder) alias(n *ast.AliasNode, depth int) *Node {
	name := n.Value.GetToken().Value
	target, ok := t.anchors[name]
	if !ok {
		t.report.Hintf(at(n), "put text that starts with * into quotes", "unknown anchor") // its name may be a secret that starts with *
		return &Node{At: at(n), told: true}
	}
	return t.build(target, depth+1)
}

func (t *treeBuilder) mapping(values []*ast.MappingValueNode, where Pos, depth int) *Node {
	out := &Node{Kind: Map, At: where}
	seen := make(map[string]Pos, len(values))
	var merged []*Node
	for _, v := range values {
		if v.Key.Type() == ast.MergeKeyType {
			merged = append(merged, t.build(v.Value, depth+1))
			continue
		}
		key := t.key(v.Key)
		value := t.build(v.Value, depth+1)
		if first, dup := seen[key.Text]; dup {
			t.report.Errorf(key.At, "cannot use the key %q twice: it stands in line %d already", key.Text, first.Line)
			continue
		}
		seen[key.Text] = key.At
		out.Fields = append(out.Fields, Field{key, value})
	}
	for _, m := range merged {
		if m.Kind == Single || m.Kind == List {
			t.report.Errorf(m.At, "cannot merge %s: << wants a map", m.Kind)
		}
		for _, f := range m.Fields {
			if _, dup := seen[f.Key.Text]; !dup {
				seen[f.Key.Text] = f.Key.At
				out.Fields = append(out.Fields, f)
			}
		}
	}
	return out
}

func (t *treeBuilder) key(n ast.MapKeyNode) Scalar {
	s := t.scalar(n)
	if s.Kind != Single {
		return Scalar{Text: n.String(), At: at(n), src: t.src}
	}
	return s.Scalar
}

func (t *treeBuilder) scalar(n ast.Node) *Node {
	out := &Node{Kind: Single, At: at(n)}
	tk := n.GetToken()
	if tk == nil {
		return &Node{At: at(n)}
	}
	s := Scalar{Text: tk.Value, At: out.At, src: t.src}
	switch n := n.(type) {
	case *ast.NullNode:
		out.Kind = Null
	case *ast.IntegerNode:
		out.Plain = "int"
	case *ast.FloatNode:
		out.Plain = "float"
	case *ast.BoolNode:
		out.Plain = "bool"
	case *ast.StringNode:
		s.Text = n.Value
		s.style = map[token.Type]style{token.SingleQuoteType: singleQuoted, token.DoubleQuoteType: doubleQuoted}[tk.Type]
	case *ast.LiteralNode:
		s.Text, s.style = n.Value.Value, literal
		if tk.Type == token.FoldedType {
			s.style = folded
		}
	case *ast.InfinityNode, *ast.NanNode:
	default:
		t.report.Errorf(out.At, "cannot use %s here", strings.ToLower(fmt.Sprint(n.Type())))
		out.Kind, out.told = Null, true
	}
	out.Scalar = s
	return out
}
