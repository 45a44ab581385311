package mapping

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/template"
	"text/template/parse"
	"time"

	"github.com/belfry-bridge/belfry/internal/strictyaml"
)

// What one rendering may cost. Both are counted, not measured, so that the
// same digest always gives the same text.
const (
	maxTemplate = 64 << 10 // bytes of a template
	maxOutput   = 256 << 10
	maxSteps    = 100_000  // passes through loops
	maxBuilt    = 4 << 20  // bytes of text that functions make
	maxLooked   = 32 << 20 // bytes that they look at
)

var (
	errFull   = errors.New("the text is longer than a template may make")
	errSteps  = errors.New("the template goes through its loops too often")
	errBuilt  = errors.New("the template's functions make too much text")
	errLooked = errors.New("the template's functions look at too much text")
)

// program is a template, parsed and checked. Instances that are at work are
// apart from each other, so it may be used from several goroutines.
type program struct {
	source    strictyaml.Scalar
	tree      *parse.Tree // with a tick in every loop; nil: plain text
	uses      eventUse    // of an event template
	reads     []dataRead  // of a digest template
	readsData bool        // of one: .Data, in whatever way
	instances sync.Pool
}

// instance is a template with the state that its functions share.
type instance struct {
	tmpl  *template.Template
	state *execution
}

// execution is the state of one rendering.
type execution struct {
	zone   *time.Location
	steps  int
	built  int
	looked int
	out    []byte
}

// Write implements io.Writer. It takes what fits.
func (x *execution) Write(p []byte) (int, error) {
	if room := maxOutput - len(x.out); len(p) > room {
		x.out = append(x.out, p[:room]...)
		return room, errFull
	}
	x.out = append(x.out, p...)
	return len(p), nil
}

func (x *execution) tick() (string, error) {
	if x.steps++; x.steps > maxSteps {
		return "", errSteps
	}
	return "", nil
}

// look counts what functions look at and make little of, such as a long text of
// which they keep the beginning.
func (x *execution) look(size int) error {
	if x.looked += size; x.looked > maxLooked {
		return errLooked
	}
	return nil
}

// reads is a value's text, counted.
func (x *execution) reads(v any) (string, error) {
	s := textOf(v)
	return s, x.look(len(s))
}

// charge counts text that a function has made.
func (x *execution) charge(s string) (string, error) {
	if x.built += len(s); x.built > maxBuilt {
		return "", errBuilt
	}
	return s, nil
}

const tickName = "belfry_tick"

// parseTemplate compiles a template whose dot has the given shape.
func parseTemplate(src strictyaml.Scalar, dot shape) (*program, []fault) {
	p := &program{source: src}
	if len(src.Text) > maxTemplate {
		return nil, []fault{{msg: fmt.Sprintf("cannot use a template of %d bytes: the limit is %d", len(src.Text), maxTemplate)}}
	}
	if !strings.Contains(src.Text, "{{") {
		if i := strings.Index(src.Text, "}}"); i >= 0 {
			return nil, []fault{{offset: i, msg: "cannot find the {{ that belongs to }}"}}
		}
		return p, nil
	}
	tree := parse.New("template")
	tree.Mode = parse.SkipFuncCheck
	trees := map[string]*parse.Tree{}
	if _, err := tree.Parse(src.Text, "", "", trees); err != nil {
		return nil, []fault{parseFault(src.Text, err)}
	}
	c := templateChecker{vars: map[string]shape{"$": dot}, turned: map[string]bool{}}
	for name := range trees {
		if name != "template" {
			c.faultf(tree.Root.Position(), "", "cannot define the template %q inside another", name)
		}
	}
	c.list(tree.Root, dot)
	if slices.ContainsFunc(c.faults, func(f fault) bool { return !f.warn }) {
		return nil, c.faults
	}
	p.tree, p.uses, p.reads, p.readsData = tree, c.uses, c.reads, c.data
	return p, c.faults
}

var parseErrorAt = regexp.MustCompile(`^template: template:(\d+)(?::\d+)?: `)

// parseFault finds the place of an error of which text/template says only the line.
func parseFault(src string, err error) fault {
	msg, line := err.Error(), 1
	if m := parseErrorAt.FindStringSubmatch(msg); m != nil {
		msg = msg[len(m[0]):]
		line, _ = strconv.Atoi(m[1])
	}
	f := fault{offset: offsetOf(src, line, 0), msg: "cannot read this template: " + msg}
	rest := src[f.offset:]
	text, _, _ := strings.Cut(rest, "\n")
	if m := regexp.MustCompile(`unexpected <?"?([^">]+)"?>?`).FindStringSubmatch(msg); m != nil && strings.Contains(text, m[1]) {
		f.offset += max(0, strings.Index(text, m[1]))
	} else {
		f.offset += max(0, strings.LastIndex(text, "{{"))
	}
	switch {
	case strings.Contains(msg, "unclosed action"):
		f.hint = "the }} is missing"
	case strings.Contains(msg, "unterminated quoted string"), strings.Contains(msg, "bad character U+0022"):
		f.hint = "a quote is missing inside {{ }}"
	case strings.Contains(msg, "unexpected EOF"):
		f.hint = "an {{ end }} is missing"
	case strings.Contains(msg, "unexpected {{end}}"):
		f.hint = "there is one {{ end }} too many"
	default:
		if at, hint := foreignSign(text); hint != "" {
			f.offset, f.hint = len(src)-len(rest)+at, hint
		}
	}
	return f
}

var templateAction = regexp.MustCompile(`(?s)\{\{.*?\}\}`)

// foreignSign finds a sign of another language, for which templates have a word.
func foreignSign(line string) (at int, hint string) {
	for _, h := range []struct{ sign, hint string }{
		{`([“”‘’„])`, `put text into straight quotes: "…"`},
		{`\w(\[)`, `write index .Items 0, or index .data "room"`},
		{`(\.\w+-\w)`, `write index .data "gate-no" for a name with a dash`},
		{`\s([=!]==?|=)\s`, "write eq .Count 1, or ne .Count 1"},
		{`(&&|\|\|)`, "write and .Group .Last.Text, or the same with or"},
		{`\s([<>]=?)\s`, "write gt .Count 1, ge, lt or le"},
		{`\s(\+)\s`, "write {{ .data.a }} {{ .data.b }} to join text; " + noSums},
		{`\s([-*/])\s`, noSums},
		{`\w(\()`, `write default "none" .Group, without parentheses`},
	} {
		for _, action := range templateAction.FindAllStringIndex(line, -1) {
			if m := regexp.MustCompile(h.sign).FindStringSubmatchIndex(blankStrings(line[action[0]:action[1]])); m != nil {
				return action[0] + m[2], h.hint
			}
		}
	}
	return 0, ""
}

// noSums is where to calculate: an item does not see what with gives.
const noSums = "a template does not calculate: an expression of with does, for .Data under message and notification"

func (p *program) instance() *instance {
	if in, ok := p.instances.Get().(*instance); ok {
		return in
	}
	x := &execution{}
	t := template.New("template").Option("missingkey=error").Funcs(x.functions())
	t = template.Must(t.AddParseTree("template", p.tree)) // the tree was checked
	return &instance{t, x}
}

// run renders. Text beyond maxOutput is left out: what becomes of it is shorter anyway.
func (p *program) run(dot any, zone *time.Location) (string, error) {
	if p.tree == nil {
		return p.source.Text, nil
	}
	in := p.instance()
	defer p.instances.Put(in)
	*in.state = execution{zone: zone, out: in.state.out[:0]}
	if err := in.tmpl.Execute(in.state, dot); err != nil && !errors.Is(err, errFull) {
		return "", cleanTemplateError(err)
	}
	return string(in.state.out), nil
}

var (
	execErrorAt = regexp.MustCompile(`^template: template:\d+:\d+: executing "template" at <(.*?)>: (.*)$`)
	noEntry     = regexp.MustCompile(`^map has no entry for key "(.*)"$`)
	callError   = regexp.MustCompile(`^error calling [^:]+: (.*)$`)
)

func cleanTemplateError(err error) error {
	for _, known := range []error{errSteps, errBuilt, errLooked} {
		if errors.Is(err, known) {
			return known
		}
	}
	m := execErrorAt.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	if key := noEntry.FindStringSubmatch(m[2]); key != nil {
		return fmt.Errorf("cannot read %s: there is no field %q", m[1], key[1])
	}
	if call := callError.FindStringSubmatch(m[2]); call != nil {
		return errors.New(call[1])
	}
	return fmt.Errorf("cannot evaluate %s: %s", m[1], m[2])
}

// shape is what is known of a value that a template sees.
type shape string

const (
	anyShape    shape = ""
	digestShape shape = "a digest"
	itemShape   shape = "an item"
	itemsShape  shape = "items"
	dataShape   shape = "the data of an item"
	eventShape  shape = "an event"
	natsShape   shape = ".nats"
)
