package mapping

import (
	"slices"
	"strings"
)

const maxTypeName = 32 // characters of a custom message type (provider-api.md, section 7)

// messageFields lists the fields of the built-in types, the required ones first.
func messageFields(messageType string) (required, optional []string, builtIn bool) {
	switch messageType {
	case "RC:TxtMsg":
		return []string{"content"}, []string{"extra", "user", "mentionedInfo"}, true
	case "RC:InfoNtf":
		return []string{"message"}, []string{"extra", "user"}, true
	case "RC:CmdMsg":
		return []string{"name", "data"}, []string{"user"}, true
	case "RC:ImgMsg":
		return []string{"content", "imageUri"}, []string{"extra", "user"}, true
	case "RC:ImgTextMsg":
		return []string{"title", "content", "imageUri", "url"}, []string{"extra", "user"}, true
	case "RC:FileMsg":
		return []string{"name", "size", "type", "fileUrl"}, []string{"extra", "user"}, true
	}
	return nil, nil, false
}

func requiredFields(messageType string) ([]string, bool) {
	required, _, ok := messageFields(messageType)
	return required, ok
}

// neededText is the field that may not be empty, where that is documented
// (provider-api.md, section 7); others, such as a command's data, may be.
func neededText(messageType string) string {
	switch messageType {
	case "RC:TxtMsg":
		return "content"
	case "RC:InfoNtf":
		return "message"
	case "RC:CmdMsg":
		return "name"
	}
	return ""
}

func builtInTypes() []string {
	return []string{"RC:TxtMsg", "RC:InfoNtf", "RC:CmdMsg", "RC:ImgMsg", "RC:ImgTextMsg", "RC:FileMsg"}
}

// internalTypes belong to the provider's SDKs: recalls, receipts, typing.
func internalTypes() []string {
	return []string{"RC:RcNtf", "RC:RcCmd", "RC:ReadNtf", "RC:RRReqMsg", "RC:RRRspMsg", "RC:SRSMsg", "RC:TypSts"}
}

func (c *compiler) messageType(t text) {
	if !t.set || t.Value == "" {
		return
	}
	switch {
	case slices.Contains(builtInTypes(), t.Value):
	case slices.Contains(internalTypes(), t.Value):
		c.errorf(t.at, "cannot send %s: it belongs to the provider's SDK", t.Value)
	case strings.HasPrefix(strings.ToUpper(t.Value), "RC:"):
		c.hintf(t.at, suggest(t.Value, builtInTypes()), "cannot use %q as a message type: names that start with RC: are the provider's", t.Value)
	case len([]rune(t.Value)) > maxTypeName:
		c.errorf(t.at, "cannot use %q as a message type: it has %d characters, the limit is %d", t.Value, len([]rune(t.Value)), maxTypeName)
	case strings.ContainsFunc(t.Value, func(r rune) bool { return r <= ' ' || r > '~' }):
		c.errorf(t.at, "cannot use %q as a message type: want letters, digits and signs without spaces", t.Value)
	case nearest(t.Value, builtInTypes()) != "":
		c.warnf(t.at, suggest(t.Value, builtInTypes()), "%q is a type of your own, that clients must have registered", t.Value)
	}
}

// contentFields checks the fields of built-in types.
func (c *compiler) contentFields(m messageDoc) {
	required, optional, builtIn := messageFields(m.Type.Value)
	if !builtIn || !m.Content.set {
		return
	}
	n := m.Content.node
	if n.kind != mapNode {
		if text := strings.TrimSpace(n.scalar.text); strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "{{") {
			if err := checkContent(m.Type.Value, n.scalar.text); err != nil && !strings.Contains(text, "{{") {
				c.errorf(n.at, "cannot use this content: %v", err)
			}
			if strings.Contains(text, "{{") { // a JSON document of its own, checked when it is rendered
				c.warnf(n.at, "write a map with "+oneOf(required)+": its texts are cut so that it stays JSON",
					"content of %s that is written as one text is no JSON any more where it has to be cut, or where a text has a quote or a line break in it, and then its digest is not sent", m.Type.Value)
			}
			return
		}
		c.errorf(n.at, "cannot use %s as the content of %s: want a map with %s", n.kind, m.Type.Value, oneOf(required))
		return
	}
	for _, f := range required {
		if !n.has(f) {
			c.errorf(n.at, "cannot use content without %s: %s needs it", f, m.Type.Value)
		}
	}
	for _, f := range n.fields {
		if known := slices.Concat(required, optional); !slices.Contains(known, f.key.text) {
			c.hintf(f.key.at, suggest(f.key.text, known), "unknown field %q in the content of %s", f.key.text, m.Type.Value)
		}
		c.contentField(f)
		if f.key.text == neededText(m.Type.Value) && f.value.kind == scalarNode && f.value.scalar.text == "" {
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
