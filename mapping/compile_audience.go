package mapping

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"

	"github.com/belfry-bridge/belfry/internal/spelling"
	"github.com/belfry-bridge/belfry/internal/strictyaml"
)

func (c *compiler) audience(e *strictyaml.Entry[audienceDoc]) {
	d := &e.Value
	c.nameOf(e.Name, "an audience")
	if e.Name.Text == "_" {
		c.Errorf(e.Name.At, "cannot call an audience _: results of a whole app have that in an audience's place")
	}
	a := &Audience{
		Name: e.Name.Text, App: d.App.Value, Package: d.Package.Value, Platforms: c.platforms(d),
		TagsAll: values(d.Tags.All), TagsAny: values(d.Tags.Any), Everyone: d.Everyone.B,
		HasUsers: d.Users.Set, Location: cmp.Or(c.zone(d.Timezone), time.UTC),
	}
	a.QuietHours = c.quietHours(d)
	c.tags(d.Tags.All)
	c.tags(d.Tags.Any)
	if d.Tags.Set && len(d.Tags.All)+len(d.Tags.Any)+len(d.Tags.Meant) == 0 && !c.failedAt(d.Tags.At) {
		c.Hintf(d.Tags.At, "name one; without the key everybody with the app is reached", "cannot use tags without any tag")
	}
	compiled := &compiledAudience{Audience: a}
	if d.Users.Set {
		compiled.users = c.expression(d.Users, cel.ListType(cel.StringType), cel.ListType(cel.DynType)) // of what is only known on an event
	}
	c.audiences[a.Name] = compiled
	if app := known(c, c.doc.Apps, d.App, "app"); app != nil {
		c.reach(e, app)
		c.set.Apps[d.App.Value].Audiences[a.Name] = a
	}
}

// reach makes sure that nobody is addressed by accident.
func (c *compiler) reach(e *strictyaml.Entry[audienceDoc], app *appDoc) {
	d := &e.Value
	if allowed := values(app.Packages); d.Package.Value != "" && !slices.Contains(allowed, d.Package.Value) {
		c.Hintf(d.Package.At, spelling.Suggest(d.Package.Value, allowed), "cannot use the package %q: it is not one of the app's packages", d.Package.Value)
	}
	switch {
	case d.Everyone.B && !app.Everyone.B:
		c.Hintf(d.Everyone.At, "set everyone: true on the app as well, if that is really meant", "cannot address everyone (isToAll): the app %q does not allow it", d.App.Value)
	case d.Everyone.B && (d.Users.Set || d.Tags.Set || d.Package.Set):
		c.Errorf(d.Everyone.At, "cannot use everyone together with package, tags or users: the provider would ignore them")
	case !d.Everyone.B && !d.Package.Set && !d.Users.Set && !slices.ContainsFunc(d.Meant, reaches):
		c.Errorf(e.Name.At, "cannot use the audience %q without package", e.Name.Text)
	case d.Users.Set && d.Tags.Set:
		c.Errorf(d.Tags.At, "cannot use tags together with users: the provider would ignore them")
	}
}

// reaches tells the keys that say who is addressed.
func reaches(key string) bool { return key == "package" || key == "users" || key == "everyone" }

// platforms gives the provider's words: "ios", "android", "harmonyOS".
func (c *compiler) platforms(d *audienceDoc) []string {
	c.distinct(d.Platforms, "the platform")
	var out []string
	for _, p := range values(d.Platforms) {
		if p == "harmonyos" {
			p = "harmonyOS"
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return []string{"ios", "android"}
	}
	return out
}

func (c *compiler) tags(ts []strictyaml.Text) {
	c.distinct(ts, "the tag")
	if len(ts) > MaxTags {
		c.Errorf(ts[MaxTags].At, "cannot use %d tags: the provider's limit is %d", len(ts), MaxTags)
	}
}

func (c *compiler) quietHours(d *audienceDoc) *QuietHours {
	t := d.QuietHours
	if t.Value == "" {
		if d.QuietFor.Set {
			c.Errorf(d.QuietFor.At, "cannot use quiet_for without quiet_hours")
		}
		return nil
	}
	fromText, toText, _ := strings.Cut(t.Value, "-")
	from, ok1 := timeOfDay(strings.TrimSpace(fromText))
	to, ok2 := timeOfDay(strings.TrimSpace(toText))
	if !ok1 || !ok2 || from == to {
		c.Hintf(t.At, `want two times of day such as "22:00-07:00"`, "cannot use %q as quiet_hours", t.Value)
		return nil
	}
	if !d.Timezone.Set {
		c.Warnf(t.At, "set timezone", "quiet_hours without a timezone are in UTC")
	}
	return &QuietHours{From: from, To: to, ForAll: d.QuietFor.Value == "all"}
}

// expression compiles CEL; nil when it has faults.
func (c *compiler) expression(src strictyaml.Code, want ...*cel.Type) *expression {
	if !src.Set {
		return nil
	}
	x, faults := c.exprs.compile(src.Text, want...)
	c.faults(src.Scalar, faults)
	return x
}

// scalarTypes are what a key or a group may be made of.
func scalarTypes() []*cel.Type {
	return []*cel.Type{cel.StringType, cel.IntType, cel.UintType, cel.DoubleType, cel.BoolType, cel.TimestampType}
}
