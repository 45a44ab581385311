package mapping

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// Wherever a scalar stands and however it is written, place finds the very
// character in the file.
func TestEveryCharacterOfAScalarIsFoundInTheFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.TrimSpace(rapid.StringOfN(rapid.RuneFrom([]rune(`abc é漢'"\{}`)), 1, 30, -1).Draw(t, "text"))
		if text == "" {
			t.Skip()
		}
		second := strings.TrimSpace(rapid.StringOfN(rapid.RuneFrom([]rune("xyz é ")), 1, 10, -1).Draw(t, "second"))
		lead := "a: 1\n"
		for style, src := range map[string]string{
			"double":  lead + "é: \"" + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + "\"\n",
			"single":  lead + "é: '" + strings.ReplaceAll(text, "'", "''") + "'\n",
			"literal": lead + "é: |-\n    " + text + "\n    " + second + "\n",
			"flow":    lead + "é: [x, '" + strings.ReplaceAll(text, "'", "''") + "']\n",
		} {
			s := onlyScalar(t, src)
			want := text
			if style == "literal" && second != "" {
				want += "\n" + second
			}
			if s.text != want {
				t.Fatalf("%s: read %q from %q", style, s.text, src)
			}
			for i, r := range s.text {
				at := s.place(i)
				found, _ := utf8.DecodeRuneInString(fromColumn(s.src.line(at.line), at.col))
				escaped := style == "double" && found == '\\' || r == '\n'
				if found != r && !escaped {
					t.Fatalf("%s: character %d of %q is %q, but %d:%d of %q is %q", style, i, s.text, r, at.line, at.col, src, found)
				}
			}
		}
	})
}

func onlyScalar(t *rapid.T, src string) scalar {
	r := &report{src: newSource("f.yaml", []byte(src))}
	root := parseTree(r.src, []byte(src), r)
	if root == nil || len(r.problems) > 0 {
		t.Fatalf("cannot read %q: %s", src, r.problems.Text())
	}
	v := root.fields[1].value
	if v.kind == listNode {
		v = v.items[1]
	}
	return v.scalar
}
