package mapping

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/belfry-bridge/belfry/internal/spelling"
)

// unlikelyNames finds extension attributes that look like misspelt fields.
func unlikelyNames(src string, a *ast.AST) []fault {
	var faults []fault
	visit(a.Expr(), func(e ast.Expr) {
		if e.Kind() != ast.SelectKind || e.AsSelect().Operand().Kind() != ast.IdentKind || e.AsSelect().Operand().AsIdent() != eventType {
			return
		}
		offset := startOf(src, a, e)
		name := e.AsSelect().FieldName()
		offset += max(0, strings.Index(src[offset:], name))
		faults = append(faults, unlikelyName(offset, "event.", name)...)
	})
	return faults
}

// unlikelyName warns of an extension attribute that looks like a misspelt field.
func unlikelyName(offset int, prefix, name string) []fault {
	known := []string{"id", "type", "source", "subject", "time", "data", "nats"}
	best := spelling.Nearest(name, known)
	if slices.Contains(known, name) || best == "" || len(name) < 3 {
		return nil
	}
	return []fault{{offset, fmt.Sprintf("%s%s reads an extension attribute", prefix, name), fmt.Sprintf("did you mean %s%s?", prefix, best), true}}
}

// refused finds functions of the string extension whose result can be far
// larger than their operands: the cost is only known when it is too late.
func refused(src string, a *ast.AST) []fault {
	var faults []fault
	visit(a.Expr(), func(e ast.Expr) {
		if e.Kind() == ast.CallKind && slices.Contains([]string{"replace", "join", "format"}, e.AsCall().FunctionName()) {
			faults = append(faults, fault{offset: startOf(src, a, e), msg: fmt.Sprintf("cannot use %s in an expression", e.AsCall().FunctionName()), hint: "use a template for text"})
		}
	})
	return faults
}

// explainIssues says in an operator's words what CEL found.
func (x *expressions) explainIssues(src string, issues *cel.Issues) []fault {
	var faults []fault
	for _, e := range issues.Errors() {
		f := fault{offset: offsetOf(src, e.Location.Line(), e.Location.Column()), msg: e.Message}
		if strings.HasPrefix(e.Message, "Syntax error") || strings.HasPrefix(e.Message, "unsupported syntax") {
			return []fault{syntaxFault(src, f)}
		}
		if m := undeclared.FindStringSubmatch(e.Message); m != nil {
			f.msg, f.hint = fmt.Sprintf("unknown name %q", m[1]), nameHint(m[1])
			if strings.HasPrefix(src[f.offset:], "(") {
				f.offset = max(0, strings.LastIndex(src[:f.offset], m[1]))
				f.msg, f.hint = fmt.Sprintf("unknown function %q", m[1]), spelling.Suggest(m[1], celFunctions())
				f.hint = cmp.Or(functionHint(m[1]), f.hint)
			} else if name := dashed(src, f.offset); name != "" {
				f.hint = fmt.Sprintf("a name with a dash is read with [%q], such as event.data[%q]", name, name)
			}
		}
		if strings.HasPrefix(e.Message, "invalid argument to has()") {
			f.msg, f.hint = "cannot use has with this", `write has(event.data.room), or "gate-no" in event.data`
		}
		if m := undefined.FindStringSubmatch(e.Message); m != nil {
			f.msg, f.hint = x.unknownField(src, f.offset, m[1])
			f.offset = min(len(src), f.offset+max(0, strings.Index(src[f.offset:], m[1])))
		}
		if strings.Contains(e.Message, "!error!") { // it only follows from another
			continue
		}
		if m := overload.FindStringSubmatch(e.Message); m != nil {
			f.msg, f.hint = fmt.Sprintf("cannot apply %s to %s", strings.Trim(m[1], "_@"), m[2]), overloadHint(m[2])
		}
		faults = append(faults, f)
	}
	return faults
}

// functionHint is the remedy for functions of other languages, and for those that are called otherwise here.
func functionHint(name string) string {
	if spelling.Nearest(name, []string{"length", "len", "count"}) != "" {
		return `did you mean "size"?`
	}
	switch name {
	case "now":
		return "an expression has no clock: event.time is when it happened, nats.time when it was stored"
	case "any", "some", "exists", "all", "filter", "map":
		return "write event.data.rooms.exists(r, r == \"north\"); all, filter and map are called likewise"
	case "toLowerCase":
		return `did you mean "lowerAscii"?`
	case "toUpperCase":
		return `did you mean "upperAscii"?`
	}
	return ""
}

// dashed is the whole of a name of which CEL found a part behind a dash.
func dashed(src string, offset int) string {
	for _, m := range dashedName.FindAllStringIndex(blankStrings(src), -1) {
		if m[0] < offset && offset < m[1] && m[0] > 0 && src[m[0]-1] == '.' {
			return src[m[0]:m[1]]
		}
	}
	return ""
}

// valueFault explains a text that can never be what a function makes of it.
func valueFault(err error) fault {
	msg := err.Error()
	switch {
	case strings.Contains(msg, "google.protobuf.Duration"):
		return fault{msg: "cannot make a duration of this text", hint: `write duration("90m") or duration("2h30m")`}
	case strings.Contains(msg, "RFC 3339"), strings.Contains(msg, "google.protobuf.Timestamp"):
		return fault{msg: msg, hint: `write timestamp("2026-11-02T10:00:00Z")`}
	}
	return fault{msg: msg}
}

// unknownZones finds time zones of getHours and the like that there are not.
func unknownZones(src string, a *ast.AST) (faults []fault) {
	visit(a.Expr(), func(e ast.Expr) {
		if e.Kind() != ast.CallKind || !strings.HasPrefix(e.AsCall().FunctionName(), "get") || len(e.AsCall().Args()) != 1 {
			return
		}
		arg := e.AsCall().Args()[0]
		if arg.Kind() != ast.LiteralKind {
			return
		}
		zone, _ := arg.AsLiteral().Value().(string)
		if zone != "Local" && !types.IsError(types.Timestamp{}.Receive(e.AsCall().FunctionName(), "", []ref.Val{arg.AsLiteral()})) {
			return
		}
		faults = append(faults, fault{offset: startOf(src, a, arg), msg: fmt.Sprintf("unknown time zone %q", zone), hint: zoneHint(zone)})
	})
	return faults
}

func syntaxFault(src string, f fault) fault {
	f.msg = "cannot read this as an expression: " + strings.TrimPrefix(f.msg, "Syntax error: ")
	if i := strings.Index(f.msg, " expecting {"); i >= 0 {
		f.msg = f.msg[:i]
	}
	outside := blankStrings(src)
	if m := oneEquals.FindStringIndex(outside); m != nil {
		return fault{offset: m[0] + 1, msg: "cannot use = in an expression", hint: "write == to compare"}
	}
	if m := wordAnd.FindStringSubmatchIndex(outside); m != nil {
		word := strings.TrimSpace(strings.ToLower(src[m[0]:m[1]]))
		at := m[0] + strings.Index(strings.ToLower(src[m[0]:m[1]]), word)
		sign := map[string]string{"and": "&&", "or": "||", "not": "!"}[word]
		return fault{offset: at, msg: fmt.Sprintf("cannot use the word %q in an expression", word), hint: "write " + sign}
	}
	for _, h := range foreign {
		if m := h.sign.FindStringIndex(outside); m != nil {
			f.offset, f.hint = m[0]+len(outside[m[0]:m[1]])-len(strings.TrimLeft(outside[m[0]:m[1]], " ")), h.hint
			return f
		}
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

// foreign are signs and words of other languages.
var foreign = []struct {
	sign *regexp.Regexp
	hint string
}{
	{regexp.MustCompile(`<>`), "write != for \"differs from\""},
	{regexp.MustCompile(`===`), "write == to compare"},
	{regexp.MustCompile(`\?\.|\.\?`), "ask with has(event.data.room) for what may be missing"},
	{regexp.MustCompile(`\s&\s`), "write && for and"},
	{regexp.MustCompile(`\s\|\s`), "write || for or"},
	{regexp.MustCompile(`\$`), "write event.data.room, without $"},
	{regexp.MustCompile(`\b[0-9]+[smhd]\b`), `write duration("90m")`},
	{regexp.MustCompile(`[“”‘’„]`), `put text into straight quotes: "…"`},
	{regexp.MustCompile(`(?i)\sis\s`), "write == to compare"},
	{regexp.MustCompile(`(?i)\slike\s`), "write startsWith, endsWith, contains or matches"},
}

func celFunctions() []string {
	return []string{
		"size", "has", "matches", "contains", "startsWith", "endsWith", "int", "double", "string", "timestamp", "duration", "exists", "all", "filter", "map",
		"lowerAscii", "upperAscii", "trim", "split", "getHours", "getMinutes", "getDayOfWeek", "getDayOfMonth", "getMonth", "getFullYear",
	}
}

// overloadHint says how operands of different types can be made alike.
func overloadHint(operands string) string {
	switch {
	case strings.Contains(operands, "timestamp") && strings.Contains(operands, "string"):
		return `write timestamp("2026-11-02T10:00:00Z")`
	case operands == "(string, int)", operands == "(int, string)", operands == "(string, double)", operands == "(double, string)":
		return "compare text with text in quotes, or convert with int() or string()"
	}
	return ""
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

// nameHint is the remedy for a name that expressions do not know.
func nameHint(name string) string {
	switch strings.ToLower(name) {
	case "data", ".data":
		return "write event.data"
	case "nil", "none", "undefined":
		return "write null"
	case "true", "false":
		return "write " + strings.ToLower(name)
	}
	known := append([]string{eventType, natsType}, celFunctions()...)
	return cmp.Or(spelling.DidYouMean(name, known), fmt.Sprintf("fields of the event start with event., and text needs quotes: %q", name))
}

func (x *expressions) unknownField(src string, offset int, field string) (msg, hint string) {
	owner := eventType
	if before := src[:min(len(src), offset+1)]; strings.LastIndex(before, natsType) > strings.LastIndex(before, eventType) {
		owner = natsType
	}
	names, _ := x.types.FindStructFieldNames(owner)
	hint = spelling.Suggest(field, names)
	if owner == eventType && spelling.Nearest(field, names) == "" {
		hint = "what the event carries is in event.data"
	}
	return fmt.Sprintf("unknown field %q of %s", field, owner), hint
}
