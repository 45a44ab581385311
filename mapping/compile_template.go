package mapping

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	defaultKeep    = 20
	maxKeep        = 200
	defaultAtMost  = 15 * time.Minute
	defaultExpires = 6 * time.Hour
)

func (c *compiler) templateDoc(name string, d *templateDoc) *compiledTemplate {
	t := &compiledTemplate{messageType: d.Message.Type.Value, disableUpdate: d.Message.DisableUpdateLastMsg.B, platforms: map[string]*part{}}
	c.into = t
	c.messageType(d.Message.Type)
	c.contentFields(d.Message)
	if d.Message.Content.set {
		if k := d.Message.Content.kind; k != mapNode && k != scalarNode {
			c.errorf(d.Message.Content.at, "cannot use %s as content: want a map or a string", k)
		} else {
			t.content = c.newPart(d.Message.Content.node)
		}
	}
	if d.Keep.set && (d.Keep.N < 1 || d.Keep.N > maxKeep) {
		c.errorf(d.Keep.at, "cannot keep %d items: want 1 to %d", d.Keep.N, maxKeep)
	}
	if d.Gather.AtMost.set || !slices.ContainsFunc(c.doc.Rules, func(r ruleDoc) bool { return r.Template.Value == name && r.Gather.AtMost.set }) {
		c.idle(d.Gather, d.public(name).Gather.AtMost) // else it may have one beside a rule's at_most
	}
	c.notification(&d.Notification, t)
	t.groupBy = c.expression(d.GroupBy, scalarTypes()...)
	return t
}

func (c *compiler) notification(d *notificationDoc, t *compiledTemplate) {
	if d.Title.set {
		c.title(d.Title)
		t.title = c.template(d.Title.scalar, digestShape)
	}
	if d.Alert.set {
		t.alert = c.template(d.Alert.scalar, digestShape)
		if strings.TrimSpace(d.Alert.text) == "" {
			c.errorf(d.Alert.at, "cannot use an empty alert")
		}
		if n := len(d.Alert.text); !strings.Contains(d.Alert.text, "{{") && n > MaxSetting {
			c.errorf(d.Alert.place(MaxSetting), "cannot use an alert of %d bytes: the limit is %d", n, MaxSetting)
		}
	}
	if d.ForceShow.set {
		t.forceShow = &d.ForceShow.B
	}
	for name, tr := range map[string]tree{"ios": d.IOS.tree, "android": d.Android.tree, "harmonyOS": d.HarmonyOS.tree} {
		if tr.set && tr.kind == mapNode {
			before := len(t.reads)
			t.platforms[name] = c.newSettings(tr.node, name)
			for i := range t.reads[before:] { // not every audience has the platform
				t.reads[before+i].must = false
			}
		}
	}
	if ios := d.IOS.known.Title; ios.set {
		c.title(ios)
	}
	if d.Extra.set {
		if d.Extra.kind != mapNode {
			c.errorf(d.Extra.at, "cannot use %s as extra_settings: want a map", d.Extra.kind)
			return
		}
		t.extra = c.newPart(d.Extra.node)
	}
	if o := d.Android.known.Oppo; o.NotifyLevel.text == "16" && !o.Category.set {
		c.errorf(o.NotifyLevel.at, "cannot use notify_level 16 without a category: Oppo wants one")
	}
}

// title refuses a fixed text that would be cut every time.
func (c *compiler) title(t code) {
	if n := utf8.RuneCountInString(t.text); !strings.Contains(t.text, "{{") && n > MaxTitle {
		c.errorf(t.place(cutAt(t.text, MaxTitle)), "cannot use a title of %d characters: the provider's limit is %d", n, MaxTitle)
	}
}

// cutAt is the byte at which a text exceeds n characters.
func cutAt(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// public describes a template to the rest of the program.
func (d *templateDoc) public(name string) *Template {
	return &Template{
		Name: name, Keep: d.Keep.or(defaultKeep),
		Gather:       d.Gather.over(Gather{AtMost: defaultAtMost}),
		ExpiresAfter: cmp.Or(d.ExpiresAfter.D, defaultExpires),
		WhenInDoubt:  WhenInDoubt(cmp.Or(d.WhenInDoubt.Value, string(HoldInDoubt))),
	}
}

// over lays a window, as far as it is set, over another one.
func (d *gatherDoc) over(g Gather) Gather {
	return Gather{Idle: cmp.Or(d.Idle.D, g.Idle), AtMost: cmp.Or(d.AtMost.D, g.AtMost), MaxItems: d.MaxItems.or(g.MaxItems)}
}
