package mapping

import (
	"cmp"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/belfry-bridge/belfry/internal/strictyaml"
)

// lint warns of what is allowed but hardly meant.
// It does so only when there are no errors: what is broken is rarely meant.
func (c *compiler) lint() {
	if c.Found.HasErrors() {
		return
	}
	c.unused()
	c.unread()
	for _, a := range c.doc.Apps {
		app := c.set.Apps[a.Name.Text]
		c.shadowed(app.matcher.rules)
		c.unrendered(app)
		for _, r := range app.matcher.rules {
			if len(r.Cancels) == 0 {
				c.patience(r, &a.Value)
				c.silent(r)
				c.verbatim(r)
				c.crowded(r)
			}
			c.never(r)
			c.examples(app, r)
		}
	}
}

// unused finds definitions that nothing refers to.
func (c *compiler) unused() {
	apps, audiences, templates := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range c.doc.Rules {
		r := &c.doc.Rules[i]
		audiences[r.Audience.Value], templates[r.Template.Value] = true, true
		if a := c.doc.Audiences.Find(r.Audience.Value); a != nil {
			apps[a.App.Value] = true
		}
	}
	warnUnused(c, c.doc.Templates, templates, "template")
	warnUnused(c, c.doc.Audiences, audiences, "audience")
	warnUnused(c, c.doc.Apps, apps, "app")
}

func warnUnused[T any](c *compiler, in strictyaml.Named[T], used map[string]bool, what string) {
	for _, e := range in {
		if !used[e.Name.Text] {
			c.Warnf(e.Name.At, "remove it, or write a rule", "no rule uses the %s %q", what, e.Name.Text)
		}
	}
}

// patience warns of items that expire before anything can be sent.
func (c *compiler) patience(r *compiledRule, app *appDoc) {
	at := cmp.Or(r.doc.ExpiresAfter.At, r.doc.Name.At)
	urgentPasses := r.Priority == Urgent
	q := r.audience.QuietHours
	if q != nil && !q.ForAll && urgentPasses {
		q = nil // they are not for this rule
	}
	if q != nil {
		if quiet := q.length(); r.ExpiresAfter <= quiet {
			hint := "let it live longer"
			if !q.ForAll {
				hint += ", or make it urgent"
			}
			c.Warnf(at, hint, "the quiet hours of %q last %s: what arrives at their beginning expires after %s, unsent", r.Audience, FormatSpan(quiet), FormatSpan(r.ExpiresAfter))
		}
	}
	a := c.set.Apps[r.audience.App]
	if a.Quota.Policy == PolicySlots && len(a.Quota.Slots) > 0 && !(urgentPasses && a.Quota.UrgentAtOnce) {
		if q != nil && r.audience.Location.String() == a.Quota.SlotLocation.String() && !slices.ContainsFunc(a.Quota.Slots, func(slot time.Duration) bool { return !q.Has(slot) }) {
			c.Warnf(app.Quota.At, "name a slot outside of them", "all slots of %q lie in the quiet hours of %q: the rule %q never sends", r.audience.App, r.Audience, r.Name)
		}
		if gap := widestGap(a.Quota.Slots); r.ExpiresAfter < gap {
			c.Warnf(at, "let it live longer, or add a slot", "the slots of %q are up to %s apart: an item may expire after %s, before the next", r.audience.App, FormatSpan(gap), FormatSpan(r.ExpiresAfter))
		}
	}
	reserved := 0
	for p, n := range a.Quota.Reserve {
		if p > r.Priority {
			reserved += n
		}
	}
	if a.Quota.PerDay > 0 && reserved >= a.Quota.PerDay {
		c.Warnf(app.Quota.At, "", "every send of the day is reserved for more than %s priority: the rule %q never sends", r.Priority, r.Name)
	}
}

func (q *QuietHours) length() time.Duration {
	if q.From < q.To {
		return q.To - q.From
	}
	return 24*time.Hour - q.From + q.To
}

func widestGap(slots []time.Duration) time.Duration {
	widest := slots[0] + 24*time.Hour - slots[len(slots)-1]
	for i := 1; i < len(slots); i++ {
		widest = max(widest, slots[i]-slots[i-1])
	}
	return widest
}

// shadowed finds an earlier rule whose items this one's always replace: same
// digest, same key, and every event of the earlier rule.
func (c *compiler) shadowed(rules []*compiledRule) {
	type identity struct{ audience, template, group, key string }
	seen := map[identity][]*compiledRule{}
	for _, r := range rules {
		if len(r.Cancels) > 0 {
			continue
		}
		id := identity{r.Audience, r.Template, r.doc.GroupBy.Text, r.doc.Key.Text}
		earlier := seen[id]
		if i := slices.IndexFunc(earlier, func(e *compiledRule) bool { return hidesAll(e, r) }); i >= 0 {
			c.Warnf(r.doc.Name.At, "give one of them another key or condition", "the item of %q always takes the place of that of %q: both match the same events with the same key", r.Name, earlier[i].Name)
		}
		seen[id] = append(earlier, r)
	}
}

// foreignBraces are those of other languages' templates.
var foreignBraces = regexp.MustCompile(`\$\{|\{%|\{ *(?:event|data|nats)\.`)

// verbatim finds an expression where a template stands: it would be sent as it is.
func (c *compiler) verbatim(r *compiledRule) {
	item := strings.TrimSpace(r.doc.Item.Text)
	outside := templateAction.ReplaceAllStringFunc(r.doc.Item.Text, func(action string) string { return strings.Repeat(" ", len(action)) })
	if at := foreignBraces.FindStringIndex(outside); at != nil {
		c.Warnf(r.doc.Item.Place(at[0]), `an item is a template: write "{{ .data.room }}"`, "the item of %q says this as it is to everybody", r.Name)
	}
	for _, of := range []string{"event.", "nats."} {
		if strings.HasPrefix(item, of) && !strings.ContainsAny(item, " {") {
			c.Warnf(r.doc.Item.At, `an item is a template: write "{{ .`+strings.TrimPrefix(item, "event.")+` }}"`, "the item of %q says %q to everybody", r.Name, item)
		}
	}
}

// crowded finds rules whose items carry the ids of all their users.
func (c *compiler) crowded(r *compiledRule) {
	if r.users != nil && r.with == nil && r.withKeys == nil && strings.Contains(r.users.source, "event.data") && !strings.HasPrefix(r.users.source, "[") {
		c.Warnf(r.doc.Name.At, "choose what templates need, such as with: {place: event.data.place}, or with: \"{}\" for nothing",
			"the rule %q keeps all of event.data, the list of users too: an event with some 200 of them is more than the 8 KiB that it may, and a dead letter", r.Name)
	}
}

// hidesAll reports whether every event of the earlier rule also matches the later one.
func hidesAll(earlier, later *compiledRule) bool {
	if later.doc.When.Set && strings.TrimSpace(later.doc.When.Text) != strings.TrimSpace(earlier.doc.When.Text) {
		return false
	}
	for _, s := range earlier.On {
		if !slices.ContainsFunc(later.On, func(l string) bool { return Covers(l, s) }) {
			return false
		}
	}
	return len(earlier.On) > 0
}

// never finds conditions that can't hold.
func (c *compiler) never(r *compiledRule) {
	if r.when == nil {
		return
	}
	equal := map[string]string{}
	for _, part := range conjuncts(r.when.ast.NativeRep().Expr()) {
		if part.AsLiteral() == types.False {
			c.Warnf(r.doc.When.At, "", "the rule %q never matches: its condition is false", r.Name)
			return
		}
		path, value := equality(part)
		if other, both := equal[path]; both && other != value {
			c.Warnf(r.doc.When.At, "use || or in", "the rule %q never matches: %s can't be both %s and %s", r.Name, path, other, value)
			return
		}
		equal[path] = value
	}
}

// conjuncts are the parts that && joins.
func conjuncts(e ast.Expr) []ast.Expr {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.LogicalAnd {
		var parts []ast.Expr
		for _, a := range e.AsCall().Args() {
			parts = append(parts, conjuncts(a)...)
		}
		return parts
	}
	return []ast.Expr{e}
}

// equality takes `path == "constant"` apart; anything else has no path.
func equality(e ast.Expr) (path, value string) {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operators.Equals {
		return "", ""
	}
	for i, side := range e.AsCall().Args() {
		text, isText := e.AsCall().Args()[1-i].AsLiteral().(types.String)
		if p := pathOf(side); isText && p != "" {
			quoted, _ := json.Marshal(string(text)) // a string can always be encoded
			return p, string(quoted)
		}
	}
	return "", ""
}

func pathOf(e ast.Expr) string {
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent()
	case ast.SelectKind:
		if on := pathOf(e.AsSelect().Operand()); on != "" && !e.AsSelect().IsTestOnly() {
			return on + "." + e.AsSelect().FieldName()
		}
	}
	return ""
}

// exampleTime is when examples happen.
func exampleTime() time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC) }

// examples tries a rule on the events that it says it is meant for.
func (c *compiler) examples(app *App, r *compiledRule) {
	if len(r.doc.Examples) == 0 || len(r.On) == 0 {
		return
	}
	view := View{ID: "example", App: app.Name, Audience: r.Audience, Template: r.Template, Now: exampleTime()}
	for i, ex := range r.doc.Examples {
		m := &Message{Subject: concrete(r.On[0]), Stream: "EXAMPLE", Sequence: uint64(i + 1), Time: exampleTime(), Data: treeJSON(nil, ex.Node)}
		e := newEvaluation()
		err := e.open(m)
		part := "data"
		var match Match
		if err == nil {
			part, err = r.match(e, &match)
		}
		if err != nil {
			if part != "" {
				part += ": "
			}
			c.Warnf(ex.At, "", "the rule %q does not match its own example: %s%v", r.Name, part, err)
			continue
		}
		view.Items = append(view.Items, match.Item)
		view.Users = match.Users
	}
	if len(view.Items) == 0 || len(r.Cancels) > 0 {
		return
	}
	view.Count, view.First, view.Last = len(view.Items), view.Items[0], view.Items[len(view.Items)-1]
	c.rendered(app, r, view)
}

// rendered warns of what the limits would cut.
func (c *compiler) rendered(app *App, r *compiledRule, view View) {
	at := r.doc.Examples[0].At
	out, err := app.Render(view)
	if err != nil {
		c.Errorf(at, "%v", err)
		return
	}
	for _, cut := range out.Cuts {
		unit := "bytes"
		if strings.HasSuffix(cut.Field, "title") {
			unit = "characters"
		}
		c.Warnf(at, "it would be cut", "with the examples of %q the %s has %d %s: the limit is %d", r.Name, cut.Field, cut.Was, unit, cut.Limit)
	}
}

// silent finds rules whose items have no text in a template whose alert is
// nothing but text of items.
func (c *compiler) silent(r *compiledRule) {
	t := c.templates[r.Template]
	if r.item != nil || t == nil || t.alert == nil {
		return
	}
	if alert, err := t.alert.run(digestDot(r.alone("text")), time.UTC); err == nil && strings.TrimSpace(alert) == "" {
		c.Warnf(r.doc.Name.At, "give the rule an item, or the alert of the template something else to say",
			"the rule %q has no item, so that the alert of %q is empty: the title stands in for it, and without one nothing is sent", r.Name, r.Template)
	}
}

// unrendered finds what keeps a digest of one item from being rendered: it would
// wait until it expires. Each template is tried once for each audience, with and
// without text, and told of once.
func (c *compiler) unrendered(app *App) {
	type digest struct {
		audience, template string
		item               bool
	}
	tried, told := map[digest]bool{}, map[string]bool{}
	for _, r := range app.matcher.rules {
		d, t := digest{r.Audience, r.Template, r.item != nil}, c.templates[r.Template]
		if len(r.Cancels) > 0 || t == nil || t.readsData || len(r.doc.Examples) > 0 || tried[d] || told[r.Template] {
			continue
		}
		tried[d] = true
		err := r.fails(app)
		if err == nil || errors.Is(err, errNoAlert) && r.item == nil && t.alert != nil { // silent tells of it
			continue
		}
		told[r.Template] = true
		c.Warnf(r.doc.Name.At, "it would wait, unsent, until it expires", "with one item of the rule %q: %v", r.Name, err)
	}
}

// fails reports what keeps a digest with one item of the rule from being rendered,
// whatever its texts say: they may be times, or numbers, or JSON.
func (r *compiledRule) fails(app *App) (err error) {
	for _, said := range []string{"2026-01-01T12:00:00." + strings.Repeat("0", 80) + "Z", strings.Repeat("1", 100)} {
		if _, err = app.Render(r.alone(said)); err == nil {
			return nil
		}
	}
	return err
}

// alone is a digest with one item of the rule, and no data.
func (r *compiledRule) alone(said string) View {
	it := Item{Key: said, Rule: r.Name, Type: said, Time: exampleTime(), Priority: r.Priority}
	if r.item != nil {
		it.Text = said
	}
	view := View{ID: "example", App: r.audience.App, Audience: r.Audience, Template: r.Template, Group: said, Count: 1, Items: []Item{it}, First: it, Last: it, Now: exampleTime()}
	if r.users != nil {
		view.Users = []string{"user"}
	}
	return view
}

// concrete is a subject that matches a pattern.
func concrete(pattern string) string {
	return strings.NewReplacer("*", "x", ">", "x").Replace(pattern)
}
