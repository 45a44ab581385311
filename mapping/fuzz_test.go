package mapping_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/belfry-bridge/belfry/mapping"
)

func addFiles(f *testing.F, pattern string) {
	f.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("found no seeds at %s: %v", pattern, err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src))
	}
}

func FuzzCompile(f *testing.F) {
	addFiles(f, "testdata/bad/*.yaml")
	addFiles(f, "../rules.yaml")
	f.Fuzz(func(t *testing.T, src string) {
		set, problems := mapping.Compile("f.yaml", []byte(src), mapping.Options{LookupEnv: campusEnv(), ReadFile: noFiles})
		if problems.HasErrors() != (set == nil) {
			t.Fatalf("rule set = %v, problems = %v", set, problems)
		}
		lines := strings.Split(src, "\n")
		for _, p := range problems {
			if p.Line < 1 || p.Line > len(lines) || p.Col < 1 || p.Message == "" {
				t.Fatalf("cannot show %+v", p)
			}
		}
		problems.Text()
		problems.GitHub()
		problems.JSON()
	})
}

func FuzzParseTests(f *testing.F) {
	f.Add("rules: rules.yaml\ntests:\n  - name: a\n    start: 2026-11-02T09:00:00+08:00\n    events: [{at: 0s, subject: a.b, data: {x: 1}}]\n    expect: {broadcasts: [{at: 30s}], digests: []}\n")
	f.Fuzz(func(t *testing.T, src string) {
		file, problems := mapping.ParseTests("t.yaml", []byte(src))
		if problems.HasErrors() != (file == nil) {
			t.Fatalf("file = %v, problems = %v", file, problems)
		}
	})
}

// oneRule compiles a file with one rule; nil when it has errors.
func oneRule(t testing.TB, when, item, title string) *mapping.App {
	t.Helper()
	quote := func(s string) string {
		return "'" + strings.ReplaceAll(strings.ReplaceAll(s, "'", "''"), "\n", "\n\n      ") + "'"
	}
	src := `version: 1
apps:
  a: {app_key: k, app_secret: "${S:-s}", region: singapore, sender: s, packages: [p]}
audiences:
  all: {app: a, package: p}
templates:
  t:
    message: {type: RC:TxtMsg, content: {content: '{{ range .Items }}{{ .Text }}{{ end }}'}}
    notification:
      title: ` + quote(title) + `
      alert: x
rules:
  - name: r
    on: a.*
    when: ` + quote(when) + `
    audience: all
    template: t
    item: ` + quote(item) + "\n"
	set, problems := mapping.Compile("f.yaml", []byte(src), mapping.Options{})
	if problems.HasErrors() {
		return nil
	}
	return set.Apps["a"]
}

func at(subject, data string) *mapping.Message {
	return &mapping.Message{Subject: subject, Stream: "S", Sequence: 1, Time: time.Unix(1.8e9, 0).UTC(), Data: []byte(data)}
}

func FuzzExpressions(f *testing.F) {
	for _, s := range []string{
		`event.data.a < 120 && event.data.b == "x"`, `event.data.l.all(x, x > 1)`, `size(event.data) > 1`, `event.data == event.data`,
		`nats.tokens[1] == "b"`, `event.time > timestamp("2020-01-01T00:00:00Z")`, `"a" in event.data`, `event.data.l.map(x, x + x).size() > 3`,
		`has(event.data.a) ? event.data.a == 1 : true`, `event == event`, `event.id.matches("^[a-z]+$")`, `nats.headers["x"] == "y"`, `true`,
		`event.data.l.exists(x, event.data.l.exists(y, event.data.l.exists(z, x == y && y == z)))`, `type(event) == type(nats)`, `dyn(event).foo`,
	} {
		f.Add(s, `{"a":1,"b":"x","l":[1,2,3],"o":{"p":null}}`)
	}
	f.Fuzz(func(t *testing.T, when, data string) {
		app := oneRule(t, when, "x", "x")
		if app == nil {
			return
		}
		m := at("a.b", data)
		first, again := app.Map(m), app.Map(m)
		if len(first.Matches) != len(again.Matches) || len(first.Failures) != len(again.Failures) {
			t.Fatalf("decided %+v, then %+v", first, again)
		}
		if x := app.Explain(m); len(x.Rules) != 1 || x.Rules[0].Matched != (len(first.Matches) == 1) {
			t.Fatalf("explained %+v, decided %+v", x, first)
		}
	})
}

func FuzzTemplates(f *testing.F) {
	for _, s := range []string{
		`{{ .data.a }}`, `{{ range .data.l }}{{ . }}{{ end }}`, `{{ range 100000000 }}{{ end }}`, `{{ printf "%9999d" 1 }}`, `{{ json . }}`,
		`{{ range $i, $x := .data.l }}{{ range $.data.l }}{{ $x }}{{ end }}{{ end }}`, `{{ date "15:04" .time }}`, `{{ .data.a | default 3 | truncate 2 }}`,
		`{{ $s := "xxxxxxxx" }}{{ range 1000 }}{{ $s = print $s $s }}{{ end }}`, `{{ plural 2 "a" "b" }}`, `{{ index .data "a" }}`, `{{ slice "abc" 1 2 }}`,
		`{{ if eq .data.a 1 1.5 "x" }}y{{ end }}`, `{{ lt .data.a 2.5 }}`, `{{ join ", " .data.l }}`, `{{ get .data "zz" "none" }}`, `{{ with .data }}{{ .a }}{{ end }}`,
	} {
		f.Add(s, `{"a":1,"l":[1,"b",null]}`)
	}
	f.Fuzz(func(t *testing.T, item, data string) {
		app := oneRule(t, "true", item, item)
		if app == nil {
			return
		}
		d := app.Map(at("a.b", data))
		if len(d.Matches) == 0 {
			return
		}
		it := d.Matches[0].Item
		if !utf8.ValidString(it.Text) || len(it.Text) > 4096 {
			t.Fatalf("text of %d bytes, valid = %v", len(it.Text), utf8.ValidString(it.Text))
		}
		out, err := app.Render(mapping.View{ID: "d", Audience: "all", Template: "t", Count: 1, Items: []mapping.Item{it}, First: it, Last: it})
		if err != nil {
			return
		}
		if title, ok := out.Request.Notification["title"].(string); !ok || utf8.RuneCountInString(title) > mapping.MaxTitle {
			t.Fatalf("title = %q", title)
		}
	})
}

func FuzzEvents(f *testing.F) {
	app := oneRule(f, `event.data.a == 1 || event.type == "t" || event.ext == "x"`, "{{ .id }} {{ json .data }} {{ json . }}", "x")
	if app == nil {
		f.Fatal("the rules of this test are wrong")
	}
	f.Add(`{"a":1}`, "", "")
	f.Add(`{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"a":1}}`, "application/cloudevents+json", "")
	f.Add(`{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"e30="}`, "", "")
	f.Add(`[{"specversion":"1.0"}]`, "application/cloudevents-batch+json", "")
	f.Add(`a=1`, "text/plain", "1.0")
	f.Add(`{"a":1}`, "application/json; charset=utf-8", "1.0")
	f.Fuzz(func(t *testing.T, data, contentType, specversion string) {
		m := at("a.b", data)
		m.Header = map[string][]string{"Content-Type": {contentType}, "ce-specversion": {specversion}, "ce-id": {"1"}, "ce-source": {"s"}, "ce-type": {"t"}, "ce-ext": {"x%20y"}}
		d := app.Map(m)
		if len(d.Matches)+len(d.Failures) > 1 || len(d.Dead) > 1 {
			t.Fatalf("decided %+v for one rule", d)
		}
		if len(d.Matches) == 1 && d.Matches[0].Item.Key == "" && d.Event.ID != "" {
			t.Fatal("an item without a key")
		}
	})
}
