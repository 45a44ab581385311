package mapping

import (
	"cmp"
	"slices"
	"time"

	"cel.dev/cel-go/cel"

	"github.com/belfry-bridge/belfry/internal/spelling"
	"github.com/belfry-bridge/belfry/internal/strictyaml"
)

// compiledRule is a rule ready to decide.
type compiledRule struct {
	*Rule
	doc      *ruleDoc
	when     *expression // nil: always
	key      *expression // nil: the event's id
	group    *expression
	users    *expression
	item     *program
	with     *expression // the whole of .Data
	withKeys []string    // or its members, in the order of the file
	withVals []*expression
	audience *compiledAudience
	dead     bool // on_error: deadletter
	needs    bool // nothing can be said without event.data
}

func (c *compiler) rules() {
	seen := map[string]int{}
	for i := range c.doc.Rules {
		d := &c.doc.Rules[i]
		if d.Name.Value != "" {
			c.nameOf(d.Name.Scalar, "a rule")
			if line, dup := seen[d.Name.Value]; dup {
				c.Errorf(d.Name.At, "cannot use the rule name %q twice: it stands in line %d already", d.Name.Value, line)
			} else {
				seen[d.Name.Value] = d.Name.At.Line
			}
		}
		c.rule(d)
	}
}

func (c *compiler) rule(d *ruleDoc) {
	r := &Rule{Name: d.Name.Value, Audience: d.Audience.Value, Template: d.Template.Value, Priority: Normal, Line: d.At.Line,
		When: d.When.Text, Key: d.Key.Text, Item: d.Item.Text}
	for _, s := range d.On {
		if s.Value == "" {
			continue
		}
		if err := checkSubject(s.Value); err != nil {
			c.Errorf(s.At, "%v", err)
			continue
		}
		r.On = append(r.On, s.Value)
	}
	c.distinct(d.On, "the subject")
	if d.Priority.Set {
		r.Priority, _ = ParsePriority(d.Priority.Value)
	}
	cr := &compiledRule{Rule: r, doc: d, dead: d.OnError.Value == "deadletter"}
	cr.when = c.expression(d.When, cel.BoolType)
	cr.key = c.expression(d.Key, scalarTypes()...)
	if len(d.Cancels) > 0 {
		c.cancelling(cr)
		return
	}
	c.telling(cr)
}

// telling compiles a rule that makes items.
func (c *compiler) telling(r *compiledRule) {
	d := r.doc
	if d.Set && !c.failedAt(d.At) {
		for _, need := range []struct {
			key string
			set bool
		}{{"audience", d.Audience.Set}, {"template", d.Template.Set}} {
			if !need.set && !slices.Contains(d.Meant, need.key) {
				c.Errorf(d.At, "cannot use the rule %q without %s", r.Name, need.key)
			}
		}
	}
	known(c, c.doc.Audiences, d.Audience, "audience")
	td := known(c, c.doc.Templates, d.Template, "template")
	if d.Item.Set {
		r.item = c.template(d.Item.Scalar, eventShape)
	}
	c.with(r)
	r.group = c.expression(d.GroupBy, scalarTypes()...)
	r.audience = c.audiences[r.Audience]
	if td == nil || r.audience == nil || c.templates[r.Template] == nil {
		return
	}
	pub := td.public()
	r.Gather, r.ExpiresAfter = d.Gather.over(pub.Gather), cmp.Or(d.ExpiresAfter.D, pub.ExpiresAfter)
	c.windows(r)
	c.alerts(r, td)
	c.tellers[r.Template] = append(c.tellers[r.Template], r)
	if r.group == nil {
		r.group = c.templates[r.Template].groupBy
	}
	if r.group != nil {
		r.GroupBy = r.group.source
	}
	r.users = r.audience.users
	r.needs = readsAny(append([]*expression{r.when, r.key, r.group, r.users, r.with}, r.withVals...)...) || r.item != nil && r.item.uses.readsData()
	if app := c.set.Apps[r.audience.App]; app != nil {
		app.Templates[r.Template], app.matcher.templates[r.Template] = pub, c.templates[r.Template]
		app.addRule(r)
	}
}

func (a *App) addRule(r *compiledRule) {
	for _, s := range r.On {
		a.matcher.subjects.add(s, len(a.matcher.rules))
	}
	a.Rules, a.matcher.rules = append(a.Rules, r.Rule), append(a.matcher.rules, r)
}

func readsAny(xs ...*expression) bool {
	return slices.ContainsFunc(xs, func(x *expression) bool { return x != nil && x.usesData })
}

func (c *compiler) with(r *compiledRule) {
	w := r.doc.With
	if w.whole.Set {
		r.with = c.expression(w.whole)
		if r.with != nil && r.with.ast.OutputType().Kind() == cel.StructKind {
			c.Errorf(w.whole.At, "cannot use all of %s as with: name one of its fields", r.with.ast.OutputType())
		}
	}
	for _, e := range w.names {
		if x := c.expression(e.Value); x != nil {
			r.withKeys, r.withVals = append(r.withKeys, e.Name.Text), append(r.withVals, x)
		}
	}
}

// windows checks what time makes impossible.
func (c *compiler) windows(r *compiledRule) {
	d := r.doc
	at := cmp.Or(d.ExpiresAfter.At, d.Gather.AtMost.At, d.Name.At)
	if r.Gather.AtMost >= r.ExpiresAfter {
		c.Hintf(at, "let it live longer (expires_after), or gather for less (at_most)", "cannot gather for %s what expires after %s: nothing would ever be sent", FormatSpan(r.Gather.AtMost), FormatSpan(r.ExpiresAfter))
	}
	c.idle(d.Gather, r.Gather.AtMost)
}

func (c *compiler) idle(g gatherDoc, atMost time.Duration) {
	if g.Idle.Set && g.Idle.D >= atMost {
		c.Warnf(g.Idle.At, "", "idle %s has no effect beside at_most %s", FormatSpan(g.Idle.D), FormatSpan(atMost))
	}
}

// alerts makes sure that every phone has something to show.
func (c *compiler) alerts(r *compiledRule, td *templateDoc) {
	n := &td.Notification
	if n.Alert.Set || !n.Set {
		return
	}
	own := map[string]bool{"ios": n.IOS.known.Alert.Set, "android": n.Android.known.Alert.Set, "harmonyOS": n.HarmonyOS.known.Alert.Set}
	for _, p := range r.audience.Platforms {
		if !own[p] {
			c.Errorf(n.At, "cannot use a notification without alert: the audience %q has %s, which has no alert of its own", r.Audience, p)
			return
		}
	}
}

// cancelling compiles a rule that takes items back.
func (c *compiler) cancelling(r *compiledRule) {
	d := r.doc
	for _, other := range []struct {
		key string
		set bool
		at  strictyaml.Pos
	}{
		{"audience", d.Audience.Set, d.Audience.At}, {"template", d.Template.Set, d.Template.At}, {"item", d.Item.Set, d.Item.At},
		{"gather", d.Gather.Set, d.Gather.At}, {"group_by", d.GroupBy.Set, d.GroupBy.At}, {"expires_after", d.ExpiresAfter.Set, d.ExpiresAfter.At},
		{"priority", d.Priority.Set, d.Priority.At},
	} {
		if other.set {
			c.Hintf(other.at, "write a second rule on the same subject", "cannot use %s in a rule that cancels: it makes no item", other.key)
		}
	}
	if !d.Key.Set && d.Set {
		c.Hintf(d.At, "use the same key as the rules that it cancels", "cannot use the rule %q, which cancels, without key", r.Name)
	}
	r.needs = readsAny(r.when, r.key)
	byApp := map[string][]string{}
	var apps []string
	for _, t := range values(d.Cancels) {
		app := c.cancelled(d, t)
		if app != "" && !slices.Contains(apps, app) {
			apps = append(apps, app)
		}
		byApp[app] = append(byApp[app], t)
	}
	for _, name := range apps {
		if app := c.set.Apps[name]; app != nil {
			rule, own := *r.Rule, *r
			rule.Cancels = byApp[name]
			own.Rule = &rule
			app.addRule(&own)
		}
	}
}

// cancelled finds the app of a rule that another one cancels.
func (c *compiler) cancelled(d *ruleDoc, name string) (app string) {
	var names []string
	at := d.Cancels[slices.IndexFunc(d.Cancels, func(t strictyaml.Text) bool { return t.Value == name })].At
	for i := range c.doc.Rules {
		o := &c.doc.Rules[i]
		if o != d {
			names = append(names, o.Name.Value)
		}
		if o.Name.Value != name {
			continue
		}
		switch {
		case o == d:
			c.Errorf(at, "cannot cancel %q: a rule does not cancel itself", name)
		case len(o.Cancels) > 0:
			c.Errorf(at, "cannot cancel %q: it makes no items", name)
		default:
			if !o.Key.Set && d.Key.Set {
				c.Warnf(at, "give it the same key", "the rule %q has no key, so that its items are found by the event's id only", name)
			}
			if a := c.audiences[o.Audience.Value]; a != nil {
				return a.App
			}
		}
		return ""
	}
	c.Hintf(at, spelling.Suggest(name, names), "unknown rule %q", name)
	return ""
}
