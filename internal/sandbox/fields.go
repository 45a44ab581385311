package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Documented limits (section 3).
const (
	maxTitle   = 50   // characters
	maxUserIDs = 1000 // entries of audience.userId
	maxTags    = 20   // entries of audience.tag and tagOr
	maxUserID  = 64   // bytes, letters and digits
	maxType    = 32   // characters of a custom message type
)

// object is a JSON object read with exact keys; encoding/json would also take
// istoall for isToAll.
type object map[string]json.RawMessage

func parseObject(raw []byte) (object, error) {
	var o object
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, fmt.Errorf("null is not an object")
	}
	return o, nil
}

// fields reads a request body and keeps the first objection.
type fields struct {
	cfg   *Config
	first *objection
}

// refuse keeps the first objection only.
func (f *fields) refuse(code int, format string, args ...any) {
	if f.first == nil {
		f.first = &objection{code, fmt.Sprintf(format, args...)}
	}
}

func (f *fields) invalid(format string, args ...any) {
	f.refuse(1002, format, args...)
}

func (f *fields) tooLong(format string, args ...any) {
	f.refuse(1005, format, args...)
}

// read decodes o[key] into v and returns whether it was there; null is absent.
func (f *fields) read(o object, path, key string, v any) bool {
	raw, there := o[key]
	if !there || bytes.Equal(raw, []byte("null")) {
		return false
	}
	if err := json.Unmarshal(raw, v); err != nil {
		f.invalid("%s has the wrong type", path)
		return false
	}
	return true
}

func (f *fields) text(o object, path, key string) string {
	var s string
	if !f.read(o, path, key, &s) || s == "" {
		f.invalid("%s is required", path)
	}
	return s
}

func (f *fields) child(o object, path, key string) object {
	var c object
	if !f.read(o, path, key, &c) {
		f.invalid("%s is required", path)
	}
	return c
}

// readBroadcast is step 9 of the package comment: section 3, field by field.
func readBroadcast(cfg *Config, body object) (Broadcast, *objection) {
	f := &fields{cfg: cfg}
	var b Broadcast
	f.platforms(body, &b)
	b.Sender = f.text(body, "fromUserId", "fromUserId")
	if !isUserID(b.Sender) {
		f.invalid("fromUserId is not 1 to 64 letters and digits")
	}
	f.audience(f.child(body, "audience", "audience"), &b)
	f.message(f.child(body, "message", "message"), &b)
	f.notification(f.child(body, "notification", "notification"), &b)
	if len(cfg.Senders) > 0 && !slices.Contains(cfg.Senders, b.Sender) {
		f.refuse(400, "the user id does not exist")
	}
	return b, f.first
}

// isUserID is lenient: section 3.1 names letters and digits only, but sender
// names with a hyphen are common, and no refusal of signs is documented.
func isUserID(s string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+@.|"
	return s != "" && len(s) <= maxUserID && strings.Trim(s, allowed) == ""
}

func (f *fields) platforms(body object, b *Broadcast) {
	if !f.read(body, "platform", "platform", &b.Platforms) || len(b.Platforms) == 0 {
		f.invalid("platform needs at least one entry")
	}
	for _, p := range b.Platforms {
		if !slices.ContainsFunc([]string{"ios", "android", "harmonyOS"}, func(known string) bool {
			return p == known || !f.cfg.CaseSensitivePlatforms && strings.EqualFold(p, known)
		}) {
			f.invalid("platform %.20q is unknown", p)
		}
	}
}

func (f *fields) audience(o object, b *Broadcast) {
	f.toAll(o, b)
	f.read(o, "audience.userId", "userId", &b.UserIDs)
	f.read(o, "audience.tag", "tag", &b.Tags)
	f.read(o, "audience.tagOr", "tagOr", &b.TagOr)
	f.read(o, "audience.packageName", "packageName", &b.Package)
	switch {
	case len(b.UserIDs) > maxUserIDs:
		f.invalid("audience.userId has over %d entries", maxUserIDs)
	case len(b.Tags) > maxTags || len(b.TagOr) > maxTags:
		f.invalid("audience.tag or tagOr has over %d entries", maxTags)
	case b.ToAll || len(b.UserIDs) > 0:
		return // wins over every other criterion
	case b.Package == "" && len(b.Tags) == 0 && len(b.TagOr) == 0:
		if !f.cfg.AllowNoCriterion {
			f.invalid("audience has no criterion")
		}
		b.Nobody = "no criterion"
	case b.Package != "" && len(f.cfg.Packages) > 0 && !slices.Contains(f.cfg.Packages, b.Package):
		if f.cfg.RejectUnknownPackage {
			f.invalid("audience.packageName is unknown")
		}
		b.Nobody = "unknown package"
	}
}

// toAll reads the flag in the spelling that is configured. The other one is
// an unknown field, and those are ignored.
func (f *fields) toAll(o object, b *Broadcast) {
	keys := []string{string(f.cfg.IsToAll)}
	if f.cfg.IsToAll == EitherSpelling {
		keys = []string{string(CamelCase), string(SnakeCase)}
	}
	var there bool
	for _, key := range keys {
		var all bool
		if f.read(o, "audience."+key, key, &all) {
			there, b.ToAll = true, b.ToAll || all
		}
	}
	if !there {
		f.invalid("audience.%s is required", keys[0])
	}
}

func (f *fields) message(o object, b *Broadcast) {
	b.Content = f.text(o, "message.content", "content")
	b.MessageType = f.text(o, "message.messageType", "messageType")
	var quiet bool
	f.read(o, "message.disableUpdateLastMsg", "disableUpdateLastMsg", &quiet)
	if len(b.Content) > f.cfg.MaxContent {
		f.tooLong("message.content is over %d bytes", f.cfg.MaxContent)
	}
	if !strings.HasPrefix(b.MessageType, "RC:") {
		if utf8.RuneCountInString(b.MessageType) > maxType {
			f.tooLong("message.messageType is over %d characters", maxType)
		}
		return // a custom type's content has any format
	}
	content, err := parseObject([]byte(b.Content))
	if err != nil {
		f.invalid("message.content of a built-in type is not a JSON object in a string")
		return
	}
	required := map[string]string{"RC:TxtMsg": "content", "RC:InfoNtf": "message", "RC:CmdMsg": "name"} // section 7
	if key := required[b.MessageType]; key != "" {
		b.Text = f.text(content, "message.content."+key, key)
	}
	for _, word := range f.cfg.ModeratedWords {
		if strings.Contains(b.Content, word) {
			b.Nobody = "moderated"
		}
	}
}

func (f *fields) notification(o object, b *Broadcast) {
	f.read(o, "notification.title", "title", &b.Title)
	f.read(o, "notification.alert", "alert", &b.Alert)
	if utf8.RuneCountInString(b.Title) > maxTitle {
		f.tooLong("notification.title is over %d characters", maxTitle)
	}
	var force int
	if f.read(o, "notification.forceShowPushContent", "forceShowPushContent", &force) && force != 0 && force != 1 {
		f.invalid("notification.forceShowPushContent is neither 0 nor 1")
	}
	for _, key := range []string{"ios", "android", "harmonyOS"} {
		var platform object
		f.read(o, "notification."+key, key, &platform)
		var alert string
		f.read(platform, "notification."+key+".alert", "alert", &alert)
		targeted := slices.ContainsFunc(b.Platforms, func(p string) bool { return strings.EqualFold(p, key) })
		if targeted && alert == "" && b.Alert == "" {
			f.invalid("notification.alert is required, or an alert for %s", key)
		}
	}
}
