package mapping

import (
	"cmp"
	"slices"
	"time"

	"cel.dev/cel-go/cel"

	"github.com/belfry-bridge/belfry/internal/spelling"
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
			c.nameOf(d.Name.scalar, "a rule")
			if line, dup := seen[d.Name.Value]; dup {
				c.errorf(d.Name.at, "cannot use the rule name %q twice: it stands in line %d already", d.Name.Value, line)
			} else {
				seen[d.Name.Value] = d.Name.at.line
			}
		}
		c.rule(d)
	}
}

func (c *compiler) rule(d *ruleDoc) {
	r := &Rule{Name: d.Name.Value, Audience: d.Audience.Value, Template: d.Template.Value, Priority: Normal, Line: d.at.line,
		When: d.When.text, Key: d.Key.text, Item: d.Item.text}
	for _, s := range d.On {
		if s.Value == "" {
			continue
		}
		if err := checkSubject(s.Value); err != nil {
			c.errorf(s.at, "%v", err)
			continue
		}
		r.On = append(r.On, s.Value)
	}
	c.distinct(d.On, "the subject")
	if d.Priority.set {
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
	if d.set && !c.failedAt(d.at) {
		for _, need := range []struct {
			key string
			set bool
		}{{"audience", d.Audience.set}, {"template", d.Template.set}} {
			if !need.set && !slices.Contains(d.meant, need.key) {
				c.errorf(d.at, "cannot use the rule %q without %s", r.Name, need.key)
			}
		}
	}
	known(c, c.doc.Audiences, d.Audience, "audience")
	td := known(c, c.doc.Templates, d.Template, "template")
	if d.Item.set {
		r.item = c.template(d.Item.scalar, eventShape)
	}
	c.with(r)
	r.group = c.expression(d.GroupBy, scalarTypes()...)
	r.audience = c.audiences[r.Audience]
	if td == nil || r.audience == nil || c.templates[r.Template] == nil {
		return
	}
	pub := td.public(r.Template)
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
	if w.whole.set {
		r.with = c.expression(w.whole)
		if r.with != nil && r.with.ast.OutputType().Kind() == cel.StructKind {
			c.errorf(w.whole.at, "cannot use all of %s as with: name one of its fields", r.with.ast.OutputType())
		}
	}
	for _, e := range w.names {
		if x := c.expression(e.Value); x != nil {
			r.withKeys, r.withVals = append(r.withKeys, e.Name.text), append(r.withVals, x)
		}
	}
}

// windows checks what time makes impossible.
func (c *compiler) windows(r *compiledRule) {
	d := r.doc
	at := cmp.Or(d.ExpiresAfter.at, d.Gather.AtMost.at, d.Name.at)
	if r.Gather.AtMost >= r.ExpiresAfter {
		c.hintf(at, "let it live longer (expires_after), or gather for less (at_most)", "cannot gather for %s what expires after %s: nothing would ever be sent", FormatSpan(r.Gather.AtMost), FormatSpan(r.ExpiresAfter))
	}
	c.idle(d.Gather, r.Gather.AtMost)
}

func (c *compiler) idle(g gatherDoc, atMost time.Duration) {
	if g.Idle.set && g.Idle.D >= atMost {
		c.warnf(g.Idle.at, "", "idle %s has no effect beside at_most %s", FormatSpan(g.Idle.D), FormatSpan(atMost))
	}
}

// alerts makes sure that every phone has something to show.
func (c *compiler) alerts(r *compiledRule, td *templateDoc) {
	n := &td.Notification
	if n.Alert.set || !n.set {
		return
	}
	own := map[string]bool{"ios": n.IOS.known.Alert.set, "android": n.Android.known.Alert.set, "harmonyOS": n.HarmonyOS.known.Alert.set}
	for _, p := range r.audience.Platforms {
		if !own[p] {
			c.errorf(n.at, "cannot use a notification without alert: the audience %q has %s, which has no alert of its own", r.Audience, p)
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
		at  pos
	}{
		{"audience", d.Audience.set, d.Audience.at}, {"template", d.Template.set, d.Template.at}, {"item", d.Item.set, d.Item.at},
		{"gather", d.Gather.set, d.Gather.at}, {"group_by", d.GroupBy.set, d.GroupBy.at}, {"expires_after", d.ExpiresAfter.set, d.ExpiresAfter.at},
		{"priority", d.Priority.set, d.Priority.at},
	} {
		if other.set {
			c.hintf(other.at, "write a second rule on the same subject", "cannot use %s in a rule that cancels: it makes no item", other.key)
		}
	}
	if !d.Key.set && d.set {
		c.hintf(d.at, "use the same key as the rules that it cancels", "cannot use the rule %q, which cancels, without key", r.Name)
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
	at := d.Cancels[slices.IndexFunc(d.Cancels, func(t text) bool { return t.Value == name })].at
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
			c.errorf(at, "cannot cancel %q: a rule does not cancel itself", name)
		case len(o.Cancels) > 0:
			c.errorf(at, "cannot cancel %q: it makes no items", name)
		default:
			if !o.Key.set && d.Key.set {
				c.warnf(at, "give it the same key", "the rule %q has no key, so that its items are found by the event's id only", name)
			}
			if a := c.audiences[o.Audience.Value]; a != nil {
				return a.App
			}
		}
		return ""
	}
	c.hintf(at, spelling.Suggest(name, names), "unknown rule %q", name)
	return ""
}
