package mapping

import (
	"cmp"
	"strings"

	"github.com/belfry-bridge/belfry/internal/spelling"
	"github.com/belfry-bridge/belfry/internal/strictyaml"
)

type (
	// Problem is one thing that is wrong with a file, and where.
	Problem = strictyaml.Problem
	// Problems is everything found in one file, in order of position.
	Problems = strictyaml.Problems
	// Severity tells an error from a warning.
	Severity = strictyaml.Severity
)

// An error prevents a file from being used, a warning does not.
const (
	SeverityError   = strictyaml.SeverityError
	SeverityWarning = strictyaml.SeverityWarning
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
	r, ok := strictyaml.Read(file, src, &c.doc, reading(opts.LookupEnv))
	if !ok {
		return nil, r.All()
	}
	c.Report = r
	set := c.compile(file)
	problems := r.All()
	if problems.HasErrors() {
		return nil, problems
	}
	return set, problems
}

// reading is how the rules file and the test file are read.
func reading(env func(string) (string, bool)) strictyaml.Options {
	return strictyaml.Options{Env: env, Secret: "app_secret", Elsewhere: elsewhere}
}

// compiler turns a decoded document into a RuleSet. It goes on after errors.
type compiler struct {
	*strictyaml.Report
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
		c.Errorf(strictyaml.Pos{}, "%v", err)
		return nil
	}
	if c.doc.Version.Set && c.doc.Version.N != 1 {
		c.Errorf(c.doc.Version.At, "cannot read version %d of the language: this is version 1", c.doc.Version.N)
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
		c.templates[e.Name.Text] = c.templateDoc(e.Name.Text, &e.Value)
	}
	c.rules()
	c.missing()
	c.lint()
	return c.set
}

// nameOf checks a name that becomes part of subjects and metrics.
func (c *compiler) nameOf(s strictyaml.Scalar, of string) { c.name(s.At, s.Text, "the name of "+of) }

func (c *compiler) name(at strictyaml.Pos, text, what string) {
	if !isName(text) {
		c.Hintf(at, "want letters, digits, - and _, at most 64", "cannot use %q as %s", text, what)
	}
}

func isName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

// template compiles one template; nil when it has faults.
func (c *compiler) template(s strictyaml.Scalar, dot shape) *program {
	p, faults := parseTemplate(s, dot)
	c.faults(s, faults)
	if p != nil && dot == digestShape {
		c.into.readsData = c.into.readsData || p.readsData
		for _, r := range p.reads {
			r.at = s.Place(r.offset)
			c.into.reads = append(c.into.reads, r)
		}
	}
	return p
}

func (c *compiler) faults(s strictyaml.Scalar, faults []fault) {
	for _, f := range faults {
		sev := SeverityError
		if f.warn {
			sev = SeverityWarning
		}
		c.Add(s.Place(f.offset), sev, f.hint, "%s", f.msg)
	}
}

// known looks a name up that another part of the file must define.
func known[T any](c *compiler, in strictyaml.Named[T], t strictyaml.Text, what string) *T {
	if !t.Set {
		return nil
	}
	if v := in.Find(t.Value); v != nil {
		return v
	}
	c.Hintf(t.At, cmp.Or(spelling.Suggest(t.Value, in.Names()), "define it under "+what+"s"), "unknown %s %q", what, t.Value)
	return nil
}

// values lists texts without what could not be read.
func values(ts []strictyaml.Text) []string {
	var out []string
	for _, t := range ts {
		if t.Value != "" {
			out = append(out, t.Value)
		}
	}
	return out
}

// distinct reports texts that stand in a list twice.
func (c *compiler) distinct(ts []strictyaml.Text, what string) {
	seen := map[string]bool{}
	for _, t := range ts {
		if seen[t.Value] {
			c.Errorf(t.At, "cannot use %s %q twice", what, t.Value)
		}
		seen[t.Value] = t.Value != ""
	}
}
