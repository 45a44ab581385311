package mapping

import (
	"cmp"
	"strings"

	"github.com/belfry-bridge/belfry/internal/spelling"
)

// Options are what compiling a rules file may reach of the outside world.
// Both are functions so that the package stays pure.
type Options struct {
	LookupEnv func(name string) (string, bool)  // for ${NAME}; nil: nothing is set
	ReadFile  func(path string) ([]byte, error) // for app_secret_file; nil: nothing can be read
}

// Compile parses, checks and compiles a rules file. All problems are found at
// once; the RuleSet is nil if any of them is an error. file is only a name
// for messages.
func Compile(file string, src []byte, opts Options) (*RuleSet, Problems) {
	c := &compiler{opts: opts}
	r, ok := read(file, src, &c.doc, reading(opts.LookupEnv))
	if !ok {
		return nil, r.all()
	}
	c.report = r
	set := c.compile(file)
	problems := r.all()
	if problems.HasErrors() {
		return nil, problems
	}
	return set, problems
}

// reading is how the rules file and the test file are read.
func reading(env func(string) (string, bool)) options {
	return options{env: env, secret: "app_secret", elsewhere: elsewhere}
}

// compiler turns a decoded document into a RuleSet. It goes on after errors.
type compiler struct {
	*report
	opts      Options
	doc       document
	exprs     *expressions
	templates map[string]*compiledTemplate
	audiences map[string]*compiledAudience
	tellers   map[string][]*compiledRule // by template: the rules that make items for it
	set       *RuleSet
	keys      map[string]string // App Key -> the app that has it
	into      *compiledTemplate // that is being compiled
}

type compiledAudience struct {
	*Audience
	users *expression
}

func (c *compiler) compile(file string) *RuleSet {
	c.set = &RuleSet{File: file, Apps: map[string]*App{}}
	c.templates, c.audiences, c.keys = map[string]*compiledTemplate{}, map[string]*compiledAudience{}, map[string]string{}
	c.tellers = map[string][]*compiledRule{}
	var err error
	if c.exprs, err = newExpressions(); err != nil {
		c.errorf(pos{1, 1}, "%v", err)
		return nil
	}
	if c.doc.Version.set && c.doc.Version.N != 1 {
		c.errorf(c.doc.Version.at, "cannot read version %d of the language: this is version 1", c.doc.Version.N)
	}
	for i := range c.doc.Apps {
		c.app(&c.doc.Apps[i])
	}
	c.sources()
	for i := range c.doc.Audiences {
		c.audience(&c.doc.Audiences[i])
	}
	for i := range c.doc.Templates {
		e := &c.doc.Templates[i]
		c.nameOf(e.Name, "a template")
		c.templates[e.Name.text] = c.templateDoc(e.Name.text, &e.Value)
	}
	c.rules()
	c.missing()
	c.lint()
	return c.set
}

// nameOf checks a name that becomes part of subjects and metrics.
func (c *compiler) nameOf(s scalar, of string) {
	if !isName(s.text) {
		c.hintf(s.at, "want letters, digits, - and _, at most 64", "cannot use %q as the name of %s", s.text, of)
	}
}

func isName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

// template compiles one template; nil when it has faults.
func (c *compiler) template(s scalar, dot shape) *program {
	p, faults := parseTemplate(s, dot)
	c.faults(s, faults)
	if p != nil && dot == digestShape {
		c.into.readsData = c.into.readsData || p.readsData
		for _, r := range p.reads {
			r.at = s.place(r.offset)
			c.into.reads = append(c.into.reads, r)
		}
	}
	return p
}

func (c *compiler) faults(s scalar, faults []fault) {
	for _, f := range faults {
		sev := SeverityError
		if f.warn {
			sev = SeverityWarning
		}
		c.add(s.place(f.offset), sev, f.hint, "%s", f.msg)
	}
}

// known looks a name up that another part of the file must define.
func known[T any](c *compiler, in named[T], t text, what string) *T {
	if !t.set {
		return nil
	}
	if v := in.find(t.Value); v != nil {
		return v
	}
	c.hintf(t.at, cmp.Or(spelling.Suggest(t.Value, in.names()), "define it under "+what+"s"), "unknown %s %q", what, t.Value)
	return nil
}

// values lists texts without what could not be read.
func values(ts []text) []string {
	var out []string
	for _, t := range ts {
		if t.Value != "" {
			out = append(out, t.Value)
		}
	}
	return out
}

// distinct reports texts that stand in a list twice.
func (c *compiler) distinct(ts []text, what string) {
	seen := map[string]bool{}
	for _, t := range ts {
		if seen[t.Value] {
			c.errorf(t.at, "cannot use %s %q twice", what, t.Value)
		}
		seen[t.Value] = t.Value != ""
	}
}
