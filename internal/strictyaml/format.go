package strictyaml

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Text writes problems for people: position and message, the line, and a
// caret below the place.
//
//	rules.yaml:12:5: unknown key "templat" in rules[0]; did you mean "template"?
//	   12 |     templat: …
//	      |     ^
func (ps Problems) Text() string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(p.String())
		b.WriteByte('\n')
		if strings.TrimSpace(p.Source) == "" {
			continue
		}
		fmt.Fprintf(&b, "%5d | %s\n      | %s^\n", p.Line, p.Source, under(p.Source, p.Col))
	}
	return b.String()
}

// under is white space as wide as what stands left of a column: tabs stay tabs.
func under(line string, col int) string {
	var b strings.Builder
	for _, r := range line {
		if col--; col < 1 {
			break
		}
		if r == '\t' {
			b.WriteRune(r)
		} else {
			b.WriteByte(' ')
		}
	}
	b.WriteString(strings.Repeat(" ", max(0, col-1)))
	return b.String()
}

// JSON writes problems for editors: an array of objects, empty when all is well.
func (ps Problems) JSON() []byte {
	if ps == nil {
		ps = Problems{}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(ps) // strings and numbers can always be encoded
	return b.Bytes()
}

// GitHub writes problems as workflow commands, which GitHub shows beside the
// lines of a change.
func (ps Problems) GitHub() string {
	var b strings.Builder
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for _, p := range ps {
		fmt.Fprintf(&b, "::%s file=%s,line=%d,col=%d::%s\n", p.Severity, property.Replace(p.File), p.Line, p.Col, data.Replace(p.told()))
	}
	return b.String()
}
