package mapping

import (
	"slices"
	"strings"

	"github.com/belfry-bridge/belfry/internal/spelling"
	"github.com/belfry-bridge/belfry/internal/strictyaml"
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

func (c *compiler) messageType(t strictyaml.Text) {
	if t.Value == "" {
		return
	}
	switch {
	case builtInOf(t.Value) != nil:
	case slices.Contains(internalTypes(), t.Value):
		c.Errorf(t.At, "cannot send %s: it belongs to the provider's SDK", t.Value)
	case strings.HasPrefix(strings.ToUpper(t.Value), "RC:"):
		c.Hintf(t.At, spelling.Suggest(t.Value, builtInTypes()), "cannot use %q as a message type: names that start with RC: are the provider's", t.Value)
	case len([]rune(t.Value)) > maxTypeName:
		c.Errorf(t.At, "cannot use %q as a message type: it has %d characters, the limit is %d", t.Value, len([]rune(t.Value)), maxTypeName)
	case strings.ContainsFunc(t.Value, func(r rune) bool { return r <= ' ' || r > '~' }):
		c.Errorf(t.At, "cannot use %q as a message type: want letters, digits and signs without spaces", t.Value)
	case spelling.Nearest(t.Value, builtInTypes()) != "":
		c.Warnf(t.At, spelling.Suggest(t.Value, builtInTypes()), "%q is a type of your own, that clients must have registered", t.Value)
	}
}

// contentFields checks the fields of built-in types.
func (c *compiler) contentFields(m messageDoc) {
	t := builtInOf(m.Type.Value)
	if t == nil || !m.Content.Set {
		return
	}
	n := m.Content.Node
	if n.Kind != strictyaml.Map {
		if text := strings.TrimSpace(n.Scalar.Text); strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "{{") {
			if err := checkContent(m.Type.Value, n.Scalar.Text); err != nil && !strings.Contains(text, "{{") {
				c.Errorf(n.At, "cannot use this content: %v", err)
			}
			if strings.Contains(text, "{{") { // a JSON document of its own, checked when it is rendered
				c.Warnf(n.At, "write a map with "+spelling.OneOf(t.required)+": its texts are cut so that it stays JSON",
					"content of %s that is written as one text is no JSON any more where it has to be cut, or where a text has a quote or a line break in it, and then its digest is not sent", m.Type.Value)
			}
			return
		}
		c.Errorf(n.At, "cannot use %s as the content of %s: want a map with %s", n.Kind, m.Type.Value, spelling.OneOf(t.required))
		return
	}
	for _, f := range t.required {
		if !n.Has(f) {
			c.Errorf(n.At, "cannot use content without %s: %s needs it", f, m.Type.Value)
		}
	}
	for _, f := range n.Fields {
		if known := slices.Concat(t.required, t.optional); !slices.Contains(known, f.Key.Text) {
			c.Hintf(f.Key.At, spelling.Suggest(f.Key.Text, known), "unknown field %q in the content of %s", f.Key.Text, m.Type.Value)
		}
		c.contentField(f)
		if f.Key.Text == t.needed && f.Value.Kind == strictyaml.Single && f.Value.Scalar.Text == "" {
			c.Errorf(f.Value.At, "cannot use an empty %s: %s needs it", f.Key.Text, m.Type.Value)
		}
	}
}

func (c *compiler) contentField(f strictyaml.Field) {
	if f.Key.Text == "user" || f.Key.Text == "mentionedInfo" {
		if f.Value.Kind != strictyaml.Map {
			c.Errorf(f.Value.At, "cannot use %s as %s: want a map", f.Value.Kind, f.Key.Text)
		}
		return
	}
	switch {
	case f.Value.Kind != strictyaml.Single:
		c.Errorf(f.Value.At, "cannot use %s as %q: want text", f.Value.Kind, f.Key.Text)
	case f.Value.Plain != "" && f.Key.Text != "size":
		c.Hintf(f.Value.At, "put it into quotes", "cannot use a bare %s as %q: want text", f.Value.Scalar.Text, f.Key.Text)
	}
}
