package mapping

import (
	"slices"
	"strings"

	"github.com/belfry-bridge/belfry/internal/spelling"
)

const maxTypeName = 32 // characters of a custom message type (provider-api.md, section 7)

// builtIn are the provider's message types.
var builtIn = []builtInType{
	{name: "RC:TxtMsg", required: []string{"content"}, optional: []string{"extra", "user", "mentionedInfo"}, needed: "content"},
	{name: "RC:InfoNtf", required: []string{"message"}, optional: []string{"extra", "user"}, needed: "message"},
	{name: "RC:CmdMsg", required: []string{"name", "data"}, optional: []string{"user"}, needed: "name"},
	{name: "RC:ImgMsg", required: []string{"content", "imageUri"}, optional: []string{"extra", "user"}},
	{name: "RC:ImgTextMsg", required: []string{"title", "content", "imageUri", "url"}, optional: []string{"extra", "user"}},
	{name: "RC:FileMsg", required: []string{"name", "size", "type", "fileUrl"}, optional: []string{"extra", "user"}},
}

// builtInType is a type with its fields.
type builtInType struct {
	name               string
	required, optional []string

	// needed is the field that may not be empty, where that is documented
	// (provider-api.md, section 7); others, such as a command's data, may be.
	needed string
}

// builtInOf finds a type; nil where it is none of the provider's.
func builtInOf(messageType string) *builtInType {
	i := slices.IndexFunc(builtIn, func(t builtInType) bool { return t.name == messageType })
	if i < 0 {
		return nil
	}
	return &builtIn[i]
}

func builtInTypes() (names []string) {
	for _, t := range builtIn {
		names = append(names, t.name)
	}
	return names
}

// internalTypes belong to the provider's SDKs: recalls, receipts, typing.
func internalTypes() []string {
	return []string{"RC:RcNtf", "RC:RcCmd", "RC:ReadNtf", "RC:RRReqMsg", "RC:RRRspMsg", "RC:SRSMsg", "RC:TypSts"}
}

func (c *compiler) messageType(t text) {
	if t.Value == "" {
		return
	}
	switch {
	case builtInOf(t.Value) != nil:
	case slices.Contains(internalTypes(), t.Value):
		c.errorf(t.at, "cannot send %s: it belongs to the provider's SDK", t.Value)
	case strings.HasPrefix(strings.ToUpper(t.Value), "RC:"):
		c.hintf(t.at, spelling.Suggest(t.Value, builtInTypes()), "cannot use %q as a message type: names that start with RC: are the provider's", t.Value)
	case len([]rune(t.Value)) > maxTypeName:
		c.errorf(t.at, "cannot use %q as a message type: it has %d characters, the limit is %d", t.Value, len([]rune(t.Value)), maxTypeName)
	case strings.ContainsFunc(t.Value, func(r rune) bool { return r <= ' ' || r > '~' }):
		c.errorf(t.at, "cannot use %q as a message type: want letters, digits and signs without spaces", t.Value)
	case spelling.Nearest(t.Value, builtInTypes()) != "":
		c.warnf(t.at, spelling.Suggest(t.Value, builtInTypes()), "%q is a type of your own, that clients must have registered", t.Value)
	}
}

// contentFields checks the fields of built-in types.
func (c *compiler) contentFields(m messageDoc) {
	t := builtInOf(m.Type.Value)
	if t == nil || !m.Content.set {
		return
	}
	n := m.Content.node
	if n.kind != mapNode {
		if text := strings.TrimSpace(n.scalar.text); strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "{{") {
			if err := checkContent(m.Type.Value, n.scalar.text); err != nil && !strings.Contains(text, "{{") {
				c.errorf(n.at, "cannot use this content: %v", err)
			}
			if strings.Contains(text, "{{") { // a JSON document of its own, checked when it is rendered
				c.warnf(n.at, "write a map with "+spelling.OneOf(t.required)+": its texts are cut so that it stays JSON",
					"content of %s that is written as one text is no JSON any more where it has to be cut, or where a text has a quote or a line break in it, and then its digest is not sent", m.Type.Value)
			}
			return
		}
		c.errorf(n.at, "cannot use %s as the content of %s: want a map with %s", n.kind, m.Type.Value, spelling.OneOf(t.required))
		return
	}
	for _, f := range t.required {
		if !n.has(f) {
			c.errorf(n.at, "cannot use content without %s: %s needs it", f, m.Type.Value)
		}
	}
	for _, f := range n.fields {
		if known := slices.Concat(t.required, t.optional); !slices.Contains(known, f.key.text) {
			c.hintf(f.key.at, spelling.Suggest(f.key.text, known), "unknown field %q in the content of %s", f.key.text, m.Type.Value)
		}
		c.contentField(f)
		if f.key.text == t.needed && f.value.kind == scalarNode && f.value.scalar.text == "" {
			c.errorf(f.value.at, "cannot use an empty %s: %s needs it", f.key.text, m.Type.Value)
		}
	}
}

func (c *compiler) contentField(f field) {
	if f.key.text == "user" || f.key.text == "mentionedInfo" {
		if f.value.kind != mapNode {
			c.errorf(f.value.at, "cannot use %s as %s: want a map", f.value.kind, f.key.text)
		}
		return
	}
	switch {
	case f.value.kind != scalarNode:
		c.errorf(f.value.at, "cannot use %s as %q: want text", f.value.kind, f.key.text)
	case f.value.plain != "" && f.key.text != "size":
		c.hintf(f.value.at, "put it into quotes", "cannot use a bare %s as %q: want text", f.value.scalar.text, f.key.text)
	}
}
