package mapping_test

import (
	"strings"
	"testing"
)

// Whether a template can be rendered is said only where it is certain.
func TestFieldsThatARuleDoesNotGive(t *testing.T) {
	const certain, unread = "cannot render items of the rule", "no rule gives"
	both := `with: {room: event.data.room, gate: event.data.gate}`
	for _, tt := range []struct{ template, with, want string }{
		{`{{ .Last.Data.room }}`, both, ""},
		{`{{ .Last.Data.rooms }}`, "item: all of the event's data", ""},
		{`{{ .Last.Data.rooms }}`, `with: event.data.place`, ""},
		{`{{ .Last.Data.rooms }}`, `with: "{event.data.name: 1}"`, ""},
		{`{{ .Last.Data.rooms }}`, `with: "{'room': 1}"`, certain},
		{`{{ .First.Data.rooms.number }}`, both, certain},
		{`{{ range .Items }}{{ .Data.rooms }}{{ end }}`, both, certain},
		{`{{ $last := .Last }}{{ $last.Data.rooms }}`, both, certain},
		{`{{ index .Last.Data "rooms" }}`, both, certain},
		{`{{ index .Last.Data "room" }}`, both, ""},
		{`{{ get .Last.Data "room" }}`, both, ""},
		{`{{ get .Last.Data "rooms" }}`, both, unread},
		{`{{ if .Last.Data.rooms }}a{{ end }}`, both, certain},
		{`{{ if gt .Count 1 }}{{ .Last.Data.rooms }}{{ end }}`, both, unread},
		{`{{ if gt .Count 1 }}a{{ else }}{{ .Last.Data.rooms }}{{ end }}`, both, unread},
		{`{{ if gt .Count 1 }}a{{ end }}{{ .Last.Data.rooms }}`, both, certain},
		{`{{ with .Group }}{{ $.Last.Data.rooms }}{{ end }}`, both, unread},
		{`{{ with .Last.Data }}{{ .rooms }}{{ end }}`, both, unread},
		{`{{ with .Last.Data }}{{ .room }}{{ end }}`, both, ""},
		{`{{ if and .Group .Last.Data.rooms }}a{{ end }}`, both, unread},
		{`{{ if or (and .Last.Data.rooms) .Group }}a{{ end }}`, both, certain},
		{`{{ range .Items }}a{{ else }}{{ .Last.Data.rooms }}{{ end }}`, both, unread},
		{`{{ range .Items }}a{{ end }}{{ .Last.Data.rooms }}`, both, certain},
		{`{{ range .Last.Data.room }}{{ $.Last.Data.rooms }}{{ end }}`, both, unread},
		{`{{ range .Items }}{{ if eq .Rule "two" }}{{ continue }}{{ end }}{{ .Data.rooms }}{{ end }}`, both, unread},
	} {
		with := tt.with
		if !strings.HasPrefix(with, "with") {
			with = ""
		}
		src := school{template: "gather: {idle: 1m, at_most: 9m}", rule: with}.source()
		src = strings.Replace(src, "{alert: news}", "{alert: '"+tt.template+" news'}", 1)
		_, problems := compileText(src)
		got := problems.Text()
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) || problems.HasErrors() != (tt.want == certain) {
			t.Errorf("%s under %q: want %q, got %q", tt.template, tt.with, tt.want, got)
		}
	}
}

// What keeps a digest from being rendered is known before it waits in vain.
func TestDigestsThatCannotBeRenderedAreWarnedAbout(t *testing.T) {
	more := "  - {name: two, on: a.b, audience: students, template: changes, item: text}\n" // one mistake is told of once
	for alert, want := range map[string]string{
		`{{ .Audience.Name }}`:                                                                 "with one item of the rule",
		`{{ (index .Items 1).Text }}`:                                                          "with one item of the rule",
		`{{ if gt .Count "1" }}more{{ end }}`:                                                  "with one item of the rule",
		`{{ .Last.Data.any.Name }}`:                                                            "",
		`{{ (index .Items 0).Data.room }}`:                                                     "",
		`{{ with index .Items 0 }}{{ .Data.room }}{{ end }}`:                                   "",
		`{{ $i := .First }}{{ range .Items }}{{ $i = . }}{{ end }}{{ $i.Data.room }}`:          "",
		`{{ date "15:04" .Group }}{{ slice .Last.Key 0 36 }}{{ date "15:04" .Last.Text }}news`: "",
		`{{ if gt .Count 1 }}{{ (index .Items 1).Text }}{{ end }}{{ slice .Last.Text 0 12 }}`:  "",
	} {
		src := strings.Replace(school{rule: "item: '{{ .id }}'", more: more}.source(), "{alert: news}", "{alert: '"+alert+"'}", 1)
		set, problems := compileText(src)
		if text := problems.Text(); set == nil || !strings.Contains(text, want) || want == "" && text != "" || strings.Count(text, "warning") > 1 {
			t.Errorf("%s: want %q, got %q", alert, want, text)
		}
	}
}

// Items without text and an alert of nothing but text are told of once.
func TestAnAlertWithoutTextIsToldOnce(t *testing.T) {
	src := strings.Replace(school{}.source(), "{alert: news}", "{alert: '{{ .Last.Text }}'}", 1)
	if _, problems := compileText(src); len(problems) != 1 {
		t.Errorf("want one warning, got %s", problems.Text())
	}
}

// Settings of a platform that an audience does not have are never rendered, and
// items of another rule may have what one lacks.
func TestFieldsThatOnlySomeItemsHave(t *testing.T) {
	two := "  - {name: two, on: a.b, audience: students, template: changes, with: {gate: event.data.gate}}\n"
	s := school{rule: "with: {room: event.data.room}", more: two}
	for notification, refused := range map[string]bool{
		`{alert: news, harmonyos: {alert: "{{ .Last.Data.gates }}"}}`:                  false,
		`{alert: '{{ get .Last.Data "room" "" }}{{ get .Last.Data "gate" "" }} news'}`: false,
		`{alert: '{{ if eq .Last.Rule "two" }}{{ .Last.Data.gate }}{{ end }} news'}`:   false,
		`{alert: '{{ .Last.Data.gate }} news'}`:                                        true,
		`{alert: news, title: '{{ range .Items }}{{ .Data.room }}{{ end }}'}`:          true,
	} {
		src := strings.Replace(s.source(), "{alert: news}", notification, 1)
		_, problems := compileText(src)
		if problems.HasErrors() != refused || strings.Count(problems.Text(), "cannot render") > 1 {
			t.Errorf("%s: want refused = %v, got %q", notification, refused, problems.Text())
		}
	}
}

// One mistake is told of once, and what another app's rules give is given.
func TestFieldsOfTemplatesThatManyRulesShare(t *testing.T) {
	const (
		room  = "with: {room: event.data.room}"
		other = "  - {name: two, on: a.b, audience: staff, template: changes, with: {gate: event.data.gate, room: event.data.room}}\n"
	)
	for _, tt := range []struct{ alert, with, want string }{
		{`{{ if eq .Last.Rule "two" }}{{ .Last.Data.gate }}{{ end }} news`, room, ""},
		{`{{ .Last.Data.rom }}`, room, `items of the rule "one", and of 1 more: their .Data has no "rom"; did you mean "room"?`},
		{`{{ .Last.Data.gat }}`, room, `items of the rule "one", and of 1 more: their .Data has no "gat"; name it`},
		{`{{ .Last.Data.gate }}`, room, `items of the rule "one": their .Data has no "gate"; name it`},
		{`{{ .Last.Data.gate }}`, `with: {room: event.data.room, gate: "event.data."}`, "cannot read this as an expression"},
	} {
		src := strings.NewReplacer("{alert: news}", "{alert: '"+tt.alert+"'}", "audiences:\n", `  other: {app_key: k, app_secret: "${CAMPUS_APP_SECRET}", region: saudi-arabia, sender: s, packages: [p]}
audiences:
  staff: {app: other, package: p}
`).Replace(school{rule: tt.with, more: other}.source())
		_, problems := compileText(src)
		if got := problems.Text(); !strings.Contains(got, tt.want) || len(problems) > 1 || len(problems) == 1 && tt.want == "" {
			t.Errorf("%s: want %q, got %q", tt.alert, tt.want, got)
		}
	}
}
