package strictyaml

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
			if s.Text != want {
				t.Fatalf("%s: read %q from %q", style, s.Text, src)
			}
			for i, r := range s.Text {
				at := s.Place(i)
				found, _ := utf8.DecodeRuneInString(fromColumn(s.src.line(at.Line), at.Col))
				escaped := style == "double" && found == '\\' || r == '\n'
				if found != r && !escaped {
					t.Fatalf("%s: character %d of %q is %q, but %d:%d of %q is %q", style, i, s.Text, r, at.Line, at.Col, src, found)
				}
			}
		}
	})
}

func onlyScalar(t *rapid.T, src string) Scalar {
	r := &Report{src: newSource("f.yaml", []byte(src), "")}
	root := parseTree(r.src, []byte(src), r)
	if root == nil || len(r.Found) > 0 {
		t.Fatalf("cannot read %q: %s", src, r.Found.Text())
	}
	v := root.Fields[1].Value
	if v.Kind == List {
		v = v.Items[1]
	}
	return v.Scalar
}

func TestASecretIsNeverShownHoweverItsKeyIsWritten(t *testing.T) {
	for _, line := range []string{
		"    app_secret: hush", "    app_secrt: hush", "    appsecret: hush", "    App-Secret: 'hush'", "    app_sercet: \"hush\"", "    secret: hush",
		"    app_scret: hush # $HOME", "  campus: {app_key: k, app_secrte: hush, sender: office}", `    "app_secret": hush`, "    ap_secret: {x: hush}", "    password: hush",
		"    app_sekret: |\n      hush",
		"    app_secret hush", "    app_secret=hush", "    app_secret: $hush", "    app_secret: ${hush", "    app_secret: ${HUSH}hush", "    app_secrt: ${HUSH:-hush}",
		"    {app_secret: ${HUSH}, password: hush}", "    pwd: hush", "    token: hush", "    app_secret:\n      hush", "    appsecrets: >-\n      hush",
		"    app_secret：hush", "    app_secret = hush: 1", "    app_secret hush: 1", `    "app_secret" "hush"`, "    app_secret é-hush",
	} {
		src := newSource("f.yaml", []byte("apps:\n"+line), "app_secret")
		for n := range src.lines {
			if got := src.shown(n + 1); strings.Contains(got, "hush") {
				t.Errorf("%q is shown as %q", line, got)
			}
		}
	}
	for _, line := range []string{"    app_secret: ${HUSH}", `    app_secrt: "${HUSH}" # as in ops`, `    "app_secret" : ${HUSH}`, "    {app_secret: ${HUSH}, app_key: hush}", "    when: event.data.tokens.size() > 2", "    app_secret_file: /run/hush", "    app_secret_file: ${CAMPUS_SECRET_FILE:-/run/hush}", "    app_key: hush", "    sender: hush", "  - {name: hush, on: a.b}", "    package: com.example.hush"} {
		if got := newSource("f.yaml", []byte(line), "app_secret").shown(1); got != line {
			t.Errorf("%q is shown as %q", line, got)
		}
	}
}

// shopDoc is a file with some secrets.
type shopDoc struct {
	Mark
	Version Integer         `yaml:"version"`
	Apps    Named[shopsApp] `yaml:"apps"`
}

type shopsApp struct {
	Mark
	Key    Text `yaml:"app_key"`
	Secret Text `yaml:"app_secret"`
	Sender Text `yaml:"sender"`
}

func readShop(src string) Problems {
	r, _ := Read("f.yaml", []byte(src), &shopDoc{}, Options{Secret: "app_secret"})
	return r.All()
}

func TestPlacesAreRightInAFileFromWindows(t *testing.T) {
	src := "# rules\nversion: 1 # the first\n\napps:\n  campus:\n    sender: [a] # office\n    # hidden\n    credential: hush\n"
	for _, ends := range []string{"\n", "\r\n"} {
		shown := readShop(strings.ReplaceAll(src, "\n", ends)).Text()
		for _, want := range []string{"f.yaml:6:13: cannot use a list as sender", `f.yaml:8:5: unknown key "credential"`} {
			if !strings.Contains(shown, want) {
				t.Errorf("with %q there is no %q in\n%s", ends, want, shown)
			}
		}
		if strings.Contains(shown, "hush") {
			t.Errorf("with %q the value of an unknown key is shown:\n%s", ends, shown)
		}
	}
}

func TestTheValueOfAnUnknownKeyIsNotShown(t *testing.T) {
	for _, line := range []string{
		"foo: hush", `"foo": hush`, "foo : [hush]", "foo: {bar: hush}", "foo:\n      *hush", "app_secret: *hush", "app_secret: [*hush]",
		"app_key: hush-hush\n    sender: ${NOWHERE}\n    'signature': hush",
		// What a message would repeat of a secret that means something to YAML or to us.
		"app_secret: !hush", "app_secret: |hush", "app_secret: >-hush", "app_secret: &a !hush", "app_secret: ${hush!}",
		"app_secret：hush: 1", "app_secret:hush: 1", "app_secret=hush: 1", "app_secret hush: 1",
		// Not indented as a block's text must be.
		"app_secret: |\n    hush", "app_secret: |\n\n    hush", "app_secret: |\n\t  hush", "app_secret:\n  hush",
	} {
		src := "version: 1\napps:\n  campus:\n    " + line + "\n"
		problems := readShop(src)
		if shown := problems.Text() + string(problems.JSON()) + problems.GitHub(); !problems.HasErrors() || strings.Contains(strings.ReplaceAll(shown, "hush-hush", ""), "hush") {
			t.Errorf("%q is shown in\n%s", line, shown)
		}
	}
	// What follows the line of a secret is told as ever.
	if shown := readShop("version: 1\napps:\n  b:\n    app_secret:\n    sendr: office\n").Text(); !strings.Contains(shown, "    5 |     sendr: …\n") {
		t.Errorf("the line is missing in\n%s", shown)
	}
	// Another problem of the same line, found before the key is known to be unknown.
	problems := readShop("version: 1\napps:\n  campus: {app_key: [], foo: hush}\n")
	if shown := problems.Text(); len(problems) < 2 || strings.Contains(shown, "hush") {
		t.Errorf("shown in\n%s", shown)
	}
}

func TestASecretThatAnotherValueSwallowsIsNotRepeated(t *testing.T) {
	for _, lines := range []string{
		"sender: \"office\n    app_secret: hush\"", "sender: 'office\n    app_secret: hush'", "sender: |\n      office\n      app_secret: hush",
		"sender: >-\n      office\n      app_secrt: \"hush\"", "sender: office\n      app_secret=hush", "sender: office\n      app_secret：hush",
		"sender: 'office\n    \"app_secret\" : hush'",
	} {
		doc := &shopDoc{}
		r, _ := Read("f.yaml", []byte("version: 1\napps:\n  campus:\n    "+lines+"\n"), doc, Options{Secret: "app_secret"})
		sender := doc.Apps[0].Value.Sender
		r.Hintf(sender.At, "instead of "+sender.Value, "cannot use %q as sender", sender.Value)
		if shown := r.All().Text(); !strings.Contains(shown, `cannot use "office`) || strings.Contains(shown, "hush") {
			t.Errorf("%q is shown in\n%s", lines, shown)
		}
	}
	for _, message := range []string{"cannot read app_secret_file: open /run/secrets/app_secret: no such file or directory", `cannot compare event.data.token == "x": it is a number`, "cannot use both app_secret and app_secret_file"} {
		if got := newSource("f.yaml", nil, "app_secret").withoutSecret(message); got != message {
			t.Errorf("%q became %q", message, got)
		}
	}
	r := &Report{src: newSource("f.yaml", nil, "app_secret"), count: map[Severity]int{}}
	r.Errorf(Pos{}, "cannot use %s as %s: want a single value", List, "app_secret")
	if got := r.Found[0].Message; got != "cannot use a list as app_secret: want a single value" {
		t.Errorf("of the secret it is said: %q", got)
	}
}
