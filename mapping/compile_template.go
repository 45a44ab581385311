package mapping

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/belfry-bridge/belfry/internal/strictyaml"
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
	if d.Message.Content.Set {
		if k := d.Message.Content.Kind; k != strictyaml.Map && k != strictyaml.Single {
			c.Errorf(d.Message.Content.At, "cannot use %s as content: want a map or a string", k)
		} else {
			t.content = c.newPart(d.Message.Content.Node)
		}
	}
	if d.Keep.Set && (d.Keep.N < 1 || d.Keep.N > maxKeep) {
		c.Errorf(d.Keep.At, "cannot keep %d items: want 1 to %d", d.Keep.N, maxKeep)
	}
	if d.Gather.AtMost.Set || !slices.ContainsFunc(c.doc.Rules, func(r ruleDoc) bool { return r.Template.Value == name && r.Gather.AtMost.Set }) {
		c.idle(d.Gather, d.public().Gather.AtMost) // else it may have one beside a rule's at_most
	}
	c.notification(&d.Notification, t)
	t.groupBy = c.expression(d.GroupBy, scalarTypes()...)
	return t
}

func (c *compiler) notification(d *notificationDoc, t *compiledTemplate) {
	if d.Title.Set {
		c.title(d.Title)
		t.title = c.template(d.Title.Scalar, digestShape)
	}
	if d.Alert.Set {
		t.alert = c.template(d.Alert.Scalar, digestShape)
		if strings.TrimSpace(d.Alert.Text) == "" {
			c.Errorf(d.Alert.At, "cannot use an empty alert")
		}
		if n := len(d.Alert.Text); !strings.Contains(d.Alert.Text, "{{") && n > MaxSetting {
			c.Errorf(d.Alert.Place(MaxSetting), "cannot use an alert of %d bytes: the limit is %d", n, MaxSetting)
		}
	}
	if d.ForceShow.Set {
		t.forceShow = &d.ForceShow.B
	}
	for name, tr := range map[string]strictyaml.Tree{"ios": d.IOS.Tree, "android": d.Android.Tree, "harmonyOS": d.HarmonyOS.Tree} {
		if tr.Set && tr.Kind == strictyaml.Map {
			before := len(t.reads)
			t.platforms[name] = c.newSettings(tr.Node, name)
			for i := range t.reads[before:] { // not every audience has the platform
				t.reads[before+i].must = false
			}
		}
	}
	if ios := d.IOS.known.Title; ios.Set {
		c.title(ios)
	}
	if d.Extra.Set {
		if d.Extra.Kind != strictyaml.Map {
			c.Errorf(d.Extra.At, "cannot use %s as extra_settings: want a map", d.Extra.Kind)
			return
		}
		t.extra = c.newPart(d.Extra.Node)
	}
	if o := d.Android.known.Oppo; o.NotifyLevel.Text == "16" && !o.Category.Set {
		c.Errorf(o.NotifyLevel.At, "cannot use notify_level 16 without a category: Oppo wants one")
	}
}

// title refuses a fixed text that would be cut every time.
func (c *compiler) title(t strictyaml.Code) {
	if n := utf8.RuneCountInString(t.Text); !strings.Contains(t.Text, "{{") && n > MaxTitle {
		c.Errorf(t.Place(cutAt(t.Text, MaxTitle)), "cannot use a title of %d characters: the provider's limit is %d", n, MaxTitle)
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
func (d *templateDoc) public() *Template {
	return &Template{
		Keep:         d.Keep.Or(defaultKeep),
		Gather:       d.Gather.over(Gather{AtMost: defaultAtMost}),
		ExpiresAfter: cmp.Or(d.ExpiresAfter.D, defaultExpires),
		WhenInDoubt:  WhenInDoubt(cmp.Or(d.WhenInDoubt.Value, string(HoldInDoubt))),
	}
}

// over lays a window, as far as it is set, over another one.
func (d *gatherDoc) over(g Gather) Gather {
	return Gather{Idle: cmp.Or(d.Idle.D, g.Idle), AtMost: cmp.Or(d.AtMost.D, g.AtMost), MaxItems: d.MaxItems.Or(g.MaxItems)}
}
