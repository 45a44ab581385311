package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/internal/rawjson"
	"github.com/belfry-bridge/belfry/internal/strictyaml"
)

// part is a value whose strings are templates: message content or the
// settings of a platform. It has a program, a value, or parts.
type part struct {
	program *program
	value   json.RawMessage // a number, true, false, null
	names   []string        // of a map, in the order of the file
	parts   []*part         // of a map or a list
	isMap   bool
	number  bool // what the program makes is a number
}

// newPart compiles the templates of a value.
func (c *compiler) newPart(n *strictyaml.Node) *part {
	return c.parts(n, "", func(n *strictyaml.Node, _ string) *part {
		if raw, ok := constant(n); ok {
			return &part{value: raw}
		}
		return &part{program: c.template(n.Scalar, digestShape)}
	})
}

// newSettings compiles a platform's settings, of which almost all are text,
// however they are written (provider-api.md, section 3.5).
func (c *compiler) newSettings(n *strictyaml.Node, platform string) *part {
	return c.parts(n, platform, func(n *strictyaml.Node, key string) *part {
		if number, err := whole(n.Scalar.Text); key == "badge" && (err != nil || number > maxBadge) && !strings.Contains(n.Scalar.Text, "{{") { // the others are a choice of a few
			c.Errorf(n.At, "cannot use %q as badge: want a whole number, at most %d", n.Scalar.Text, maxBadge)
		}
		return &part{program: c.template(n.Scalar, digestShape), number: slices.Contains([]string{"badge", "contentAvailable", "notify_level"}, key)}
	})
}

// parts goes through a value; scalar makes what stands under a key.
func (c *compiler) parts(n *strictyaml.Node, key string, scalar func(n *strictyaml.Node, key string) *part) *part {
	p := &part{isMap: n.Kind == strictyaml.Map}
	switch n.Kind {
	case strictyaml.Single:
		return scalar(n, key)
	case strictyaml.Map:
		for _, f := range n.Fields {
			name := c.fixed(f.Key)
			p.names = append(p.names, name)
			if key == "extras" { // these names are the app's own, and their values are text
				name = ""
			}
			p.parts = append(p.parts, c.parts(f.Value, name, scalar))
		}
	case strictyaml.List:
		for _, item := range n.Items {
			p.parts = append(p.parts, c.parts(item, "", scalar))
		}
	default:
		p.value = json.RawMessage("null")
	}
	return p
}

// fixed refuses a key that is a template.
func (c *compiler) fixed(key strictyaml.Scalar) string {
	if strings.Contains(key.Text, "{{") {
		c.Errorf(key.At, "cannot use a template as a key: only values are rendered")
	}
	return key.Text
}

const maxBadge = 9999 // provider-api.md, section 3.5; other numbers are smaller

// whole reads a whole number; one that is too large for an int is the largest.
func whole(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, errors.New("want a whole number")
	}
	return n, nil
}

// constant is a number or a truth value of the file as JSON.
func constant(n *strictyaml.Node) (json.RawMessage, bool) {
	raw := []byte(n.Scalar.Text)
	if n.Plain == "" || !rawjson.Valid(raw) {
		return nil, false
	}
	return raw, true
}

// leaf is a rendered value: parts with their text.
type leaf struct {
	*part
	text   string
	leaves []*leaf
}

// render gives nil for a number that comes out empty: a map leaves it out.
func (p *part) render(dot any, zone *time.Location) (*leaf, error) {
	l := &leaf{part: p}
	if p.program != nil {
		text, err := p.program.run(dot, zone)
		if err != nil || !p.number {
			l.text = text
			return l, err
		}
		if strings.TrimSpace(text) == "" {
			return nil, nil
		}
		n, err := whole(text)
		if err != nil {
			return nil, fmt.Errorf("cannot use %q: %w", cutBytes(text, 40), err)
		}
		l.part = &part{value: strconv.AppendInt(nil, int64(min(n, maxBadge)), 10)} // what an event brings is no reason not to send
		return l, nil
	}
	var names []string
	for i, sub := range p.parts {
		s, err := sub.render(dot, zone)
		if err != nil {
			if p.isMap {
				return nil, fmt.Errorf("%s: %w", p.names[i], err)
			}
			return nil, err
		}
		if s == nil {
			continue
		}
		if l.leaves = append(l.leaves, s); p.isMap {
			names = append(names, p.names[i])
		}
	}
	if len(names) < len(p.names) {
		l.part = &part{isMap: true, names: names}
	}
	return l, nil
}

// appendJSON encodes a rendered value, a map in the order of the file.
func (l *leaf) appendJSON(out []byte) []byte {
	switch {
	case l.program != nil:
		return appendJSONString(out, l.text)
	case l.value != nil:
		return append(out, l.value...)
	}
	open, end := byte('['), byte(']')
	if l.isMap {
		open, end = '{', '}'
	}
	out = append(out, open)
	for i, sub := range l.leaves {
		if i > 0 {
			out = append(out, ',')
		}
		if l.isMap {
			out = append(appendJSONString(out, l.names[i]), ':')
		}
		out = sub.appendJSON(out)
	}
	return append(out, end)
}

// appendJSONString encodes without the escapes that only HTML needs.
func appendJSONString(out []byte, s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string can always be encoded
	return append(out, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

// native is the rendered value for encoding/json.
func (l *leaf) native() any {
	switch {
	case l.program != nil:
		return l.text
	case l.value != nil:
		return l.value
	case l.isMap:
		m := make(map[string]any, len(l.leaves))
		for i, sub := range l.leaves {
			m[l.names[i]] = sub.native()
		}
		return m
	}
	list := make([]any, len(l.leaves))
	for i, sub := range l.leaves {
		list[i] = sub.native()
	}
	return list
}

// eachText visits all strings with the names that lead to them.
func (l *leaf) eachText(path string, visit func(path string, l *leaf)) {
	if l.program != nil {
		visit(path, l)
	}
	for i, sub := range l.leaves {
		name := path
		if l.isMap {
			name += "." + l.names[i]
		}
		sub.eachText(name, visit)
	}
}

// longest is the string that is cut first when a document is too long.
func (l *leaf) longest() *leaf {
	if l.program != nil {
		return l
	}
	var best *leaf
	for _, sub := range l.leaves {
		if s := sub.longest(); s != nil && (best == nil || len(s.text) > len(best.text)) {
			best = s
		}
	}
	return best
}

// content is the message content within limit bytes. A document stays valid:
// its strings are cut, the longest first.
func (l *leaf) content(limit int) string {
	if l.program != nil {
		return cutBytes(l.text, limit)
	}
	for {
		doc := l.appendJSON(nil)
		excess := len(doc) - limit
		s := l.longest()
		if excess <= 0 || s == nil || s.text == "" {
			return string(doc)
		}
		s.shorten(excess)
	}
}

// shorten makes the encoded string shorter by at least one byte and by
// excess if it can. Escapes are longer than what they stand for, so it may
// take several rounds.
func (l *leaf) shorten(excess int) {
	encoded := len(appendJSONString(nil, l.text))
	excess = min(excess, max(1, encoded/2)) // then another may be the longest: none is emptied while there are others
	keep := len(l.text) - max(1, excess*len(l.text)/max(1, encoded))
	l.text = cutBytes(l.text, min(keep, len(l.text)-1))
}

func (l *leaf) clone() *leaf {
	c := *l
	c.leaves = make([]*leaf, len(l.leaves))
	for i, sub := range l.leaves {
		c.leaves[i] = sub.clone()
	}
	return &c
}
