package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/belfry-bridge/belfry/internal/rawjson"
)

// Limits of the provider (provider-api.md, sections 3.1, 3.2, 3.4 and row 7 of section 12).
const (
	MaxTitle   = 50      // characters of notification.title
	MaxContent = 128_000 // bytes of message.content
	MaxTags    = 20      // in tag and in tagOr
	MaxUsers   = 1000    // in userId
	MaxBody    = 100_000 // bytes of the whole request, unless the app says otherwise
	MaxSetting = 4000    // bytes of any other text of a notification: push services carry no more
)

// compiledTemplate is a template ready to render.
type compiledTemplate struct {
	messageType   string
	content       *part
	disableUpdate bool
	title, alert  *program // nil: not there
	forceShow     *bool
	platforms     map[string]*part // by the provider's word
	extra         *part
	groupBy       *expression
	reads         []dataRead
	readsData     bool
}

// Render turns a digest into the request that would be sent. Text beyond the
// provider's limits is cut, never refused. It fails when a template does, or
// when audience or template no longer exist.
func (a *App) Render(v View) (Rendered, error) {
	audience, template := a.Audiences[v.Audience], a.matcher.templates[v.Template]
	switch {
	case audience == nil:
		return Rendered{}, fmt.Errorf("cannot render digest %s: there is no audience %q in the rules", v.ID, v.Audience)
	case template == nil:
		return Rendered{}, fmt.Errorf("cannot render digest %s: there is no template %q in the rules", v.ID, v.Template)
	case !audience.HasUsers && len(v.Users) > 0:
		return Rendered{}, fmt.Errorf("cannot render digest %s: it is for single users, and its audience %q is wider", v.ID, v.Audience)
	case audience.HasUsers && len(v.Users) == 0:
		return Rendered{}, fmt.Errorf("cannot render digest %s: nobody is in its user audience %q", v.ID, v.Audience)
	case !audience.Everyone && audience.Package == "" && len(v.Users) == 0: // who compiles rules sees to it
		return Rendered{}, fmt.Errorf("cannot render digest %s: its audience %q names nobody", v.ID, v.Audience)
	case len(v.Users) > MaxUsers:
		return Rendered{}, fmt.Errorf("cannot render digest %s: %d users are more than %d", v.ID, len(v.Users), MaxUsers)
	}
	for setting := MaxSetting; ; setting /= 2 {
		r := renderer{dot: digestDot(v), zone: audience.Location, maxSetting: setting}
		r.out.Request = Request{
			Platform: audience.Platforms, FromUserID: a.Sender, Audience: audience.request(v.Users),
			Message: RequestMessage{MessageType: template.messageType, DisableUpdateLastMsg: template.disableUpdate},
		}
		for i := range v.Items {
			if was := v.Items[i].Was; was > 0 {
				r.cut("item", was, maxItemText)
			}
		}
		err := r.notification(template, audience.Platforms)
		if err == nil {
			err = r.content(template, a.matcher.maxBody)
		}
		switch {
		case err == nil:
			return r.out, nil
		case !errors.Is(err, errTooLong) || setting < leastSetting:
			return Rendered{}, fmt.Errorf("cannot render digest %s with template %q: %w", v.ID, v.Template, err)
		}
	}
}

// leastSetting is what is left at least of texts that are cut for a small
// max_body_bytes.
const leastSetting = 100

// errTooLong: cutting message.content alone does not help.
var errTooLong = errors.New("the request is too long even with its content cut")

func (a *Audience) request(users []string) RequestAudience {
	if a.HasUsers {
		return RequestAudience{UserID: users, PackageName: a.Package}
	}
	return RequestAudience{Tag: a.TagsAll, TagOr: a.TagsAny, PackageName: a.Package, IsToAll: a.Everyone}
}

type renderer struct {
	dot  any
	zone *time.Location
	out  Rendered

	maxSetting int
}

func (r *renderer) cut(field string, was, limit int) {
	r.out.Cuts = append(r.out.Cuts, Cut{field, was, limit})
}

func (r *renderer) notification(t *compiledTemplate, platforms []string) error {
	n := map[string]any{}
	r.out.Request.Notification = n
	if t.extra != nil {
		if err := r.settings(n, t.extra, "extra_settings"); err != nil {
			return err
		}
	}
	for _, p := range platforms {
		if t.platforms[p] == nil {
			continue
		}
		own, _ := n[p].(map[string]any)
		if own == nil {
			own = map[string]any{}
		}
		if err := r.settings(own, t.platforms[p], p); err != nil {
			return err
		}
		if title, ok := own["title"].(string); ok {
			own["title"] = r.title(title, "notification."+p+".title")
		}
		n[p] = own
	}
	if err := r.common(n, t); err != nil {
		return err
	}
	return alerted(n, platforms)
}

var errNoAlert = errors.New("alert: it comes out empty, and so does the title: the provider refuses that")

// alerted gives every platform an alert: the provider refuses the whole
// broadcast without, and with it the items that have one. The title stands in.
func alerted(n map[string]any, platforms []string) error {
	if blank(n["alert"]) {
		delete(n, "alert")
	}
	for _, p := range platforms {
		own, _ := n[p].(map[string]any)
		if !blank(own["alert"]) {
			continue
		}
		delete(own, "alert")
		switch {
		case n["alert"] != nil:
		case !blank(own["title"]):
			own["alert"] = own["title"]
		case !blank(n["title"]):
			n["alert"] = n["title"]
		default:
			return errNoAlert
		}
	}
	return nil
}

// blank reports whether there is nothing to read. A number is something, null is not.
func blank(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v) == ""
	case json.RawMessage:
		return string(v) == "null"
	}
	return v == nil
}

func (r *renderer) common(n map[string]any, t *compiledTemplate) error {
	if t.title != nil {
		title, err := t.title.run(r.dot, r.zone)
		if err != nil {
			return fmt.Errorf("title: %w", err)
		}
		n["title"] = r.title(title, "notification.title")
	}
	if t.alert != nil {
		alert, err := t.alert.run(r.dot, r.zone)
		if err != nil {
			return fmt.Errorf("alert: %w", err)
		}
		n["alert"] = r.setting(alert, "notification.alert")
	}
	if t.forceShow != nil {
		n["forceShowPushContent"] = map[bool]int{true: 1}[*t.forceShow]
	}
	return nil
}

// settings renders a map into n, level by level.
func (r *renderer) settings(n map[string]any, p *part, name string) error {
	l, err := p.render(r.dot, r.zone)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	l.eachText("notification."+name, func(field string, s *leaf) { s.text = r.setting(s.text, field) })
	m, _ := l.native().(map[string]any)
	mergeInto(n, m)
	return nil
}

func mergeInto(dst, src map[string]any) {
	for k, v := range src {
		from, ok := v.(map[string]any)
		to, both := dst[k].(map[string]any)
		if ok && both {
			mergeInto(to, from)
			continue
		}
		dst[k] = v
	}
}

func (r *renderer) title(s, field string) string {
	if was := utf8.RuneCountInString(s); was > MaxTitle {
		r.cut(field, was, MaxTitle)
		return cutRunes(s, MaxTitle)
	}
	return s
}

func (r *renderer) setting(s, field string) string {
	if len(s) > r.maxSetting {
		r.cut(field, len(s), r.maxSetting)
		return cutBytes(s, r.maxSetting)
	}
	return s
}

func (r *renderer) content(t *compiledTemplate, maxBody int) error {
	l, err := t.content.render(r.dot, r.zone)
	if err != nil {
		return fmt.Errorf("content: %w", err)
	}
	was := len(l.clone().content(math.MaxInt))
	limit, err := r.fit(l, maxBody)
	if err != nil {
		return err
	}
	if was > limit {
		r.cut("message.content", was, limit)
	}
	return checkContent(t.messageType, r.out.Request.Message.Content)
}

// fit cuts content until the whole body has room. How much longer a piece of
// content is inside the body depends on what it says, so this comes near in
// a few steps.
func (r *renderer) fit(l *leaf, maxBody int) (limit int, err error) {
	for limit = MaxContent; ; {
		content := l.clone().content(limit)
		r.out.Request.Message.Content = content
		body, err := r.out.Request.Body()
		excess := len(body) - maxBody
		if err != nil || excess <= 0 {
			return limit, err
		}
		if limit = min(limit, len(content)); limit == 0 {
			return 0, fmt.Errorf("%w: it has no room in %d bytes", errTooLong, maxBody)
		}
		limit -= min(limit, max(1, excess*limit/len(body)))
	}
}

// digestView is a digest as templates see it, with data decoded.
type digestView struct {
	ID, App, Audience, Template, Group string
	Count, More                        int
	Items                              []itemView
	First, Last                        itemView
	Now                                moment
}

type itemView struct {
	Key, Text, Rule, Type, Priority string
	Data                            any
	Time                            moment
}

func digestDot(v View) digestView {
	d := digestView{
		ID: v.ID, App: v.App, Audience: v.Audience, Template: v.Template, Group: v.Group,
		Count: v.Count, More: v.More(), First: viewItem(v.First), Last: viewItem(v.Last), Now: moment{v.Now},
	}
	for _, it := range v.Items {
		d.Items = append(d.Items, viewItem(it))
	}
	return d
}

func viewItem(it Item) itemView {
	data := any(nothing(nil))
	if rawjson.Valid(it.Data) {
		data = decodeForTemplate(it.Data)
	}
	return itemView{Key: it.Key, Text: it.Text, Rule: it.Rule, Type: it.Type, Priority: it.Priority.String(), Data: data, Time: moment{it.Time}}
}

var errNotObject = errors.New("the content of a built-in message type must be a JSON object")

// checkContent makes sure that a built-in type has what it needs.
func checkContent(messageType, content string) error {
	t := builtInOf(messageType)
	if t == nil {
		return nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(content), &fields); err != nil {
		return errNotObject
	}
	for _, f := range t.required {
		value, ok := fields[f]
		if !ok {
			return fmt.Errorf("the content of %s has no %s", messageType, f)
		}
		if string(value) == `""` && f == t.needed {
			return fmt.Errorf("content: %s of %s comes out empty: the provider refuses that", f, messageType)
		}
	}
	return nil
}
