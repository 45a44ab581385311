package mapping

import (
	"slices"
	"strings"
	"testing"

	"github.com/belfry-bridge/belfry/internal/strictyaml"
)

func TestEveryFunctionOfTemplatesMayBeCalled(t *testing.T) {
	for name := range (&execution{}).functions() {
		if name != tickName && !slices.Contains(functionNames(), name) {
			t.Errorf("nobody may call %s", name)
		}
	}
}

// A layout of the wrong digits would be sent: 02.01.2026 says 24.12.24246 at Christmas.
func TestLayoutsOfTheWrongDigitsAreWarnedAbout(t *testing.T) {
	wrong := []string{"15:30", "02.01.2026", "01/02/2025", "2024-12-31", "14:05", "12:00", "Jan 2, 2005", "10:00 PM", "Mon 06:15h30", "15:04:05+07:00", "15:04 +0800", "15:04 GMT+10", "15:04 (UTC+02)", "15:04 GMT+1", "15:04 GMT-3", "15:04 (UTC-03)", "15:04 UTC+06"}
	right := []string{
		"02.01.2006 15:04", "2.1.06", "2.1.", "Mon 15:04", "3:04 PM", "03:04:05pm", "1504", "20060102T150405", "2006-01-02T15:04:05.000Z07:00",
		"15:04:05.00 MST", "15h04", "Monday, _2 January", "Jan 2 15:04:05 -0700 2006", "__2/2006", "002", "15:04 on 2/1", "-07:00", "",
		"15:04 (GMT+8)", "15:04 UTC+0", "15:04 UTC+08", "15:04 GMT+6", "15:04 GMT-8", "15:04 GMT-0700", "15:04 UTC-07:00", "2006-1-2", "2006-01-02T15:04:05.000Z", "05.00s", "05.000-0700",
	}
	for _, layout := range slices.Concat(wrong, right) {
		_, faults := parseTemplate(strictyaml.Scalar{Text: `{{ date "` + layout + `" .Now }}`}, digestShape)
		warned := len(faults) > 0 && strings.Contains(faults[0].msg, "of 8:09 on 24 December 2001")
		if warned != slices.Contains(wrong, layout) {
			t.Errorf("%s: %v", layout, faults)
		}
	}
}

func TestLiteralsInTheWrongPlaceAreFound(t *testing.T) {
	for call, ok := range map[string]bool{
		`date .Now "15:04"`: false, `date "15:04" "2026-11-09"`: true, `date "15:04" 5`: false, `date "15:04" .Now`: true,
		`join .Items ", "`: false, `join ", " .Items`: true, `truncate .Group 5`: false, `plural .Count "a" "b"`: true,
	} {
		p, faults := parseTemplate(strictyaml.Scalar{Text: "{{ " + call + " }}"}, digestShape)
		if (p != nil) != ok {
			t.Errorf("%s: %v", call, faults)
		}
	}
}

// What other languages write is told with what is written here, where it stands.
func TestTemplatesOfOtherLanguagesAreExplained(t *testing.T) {
	for src, c := range map[string]struct{ at, hint string }{
		`a {{ .data.items[0] }}`:                     {"[0", "write index .Items 0"},
		`{{ .data.gate-no }}`:                        {".gate-no", `index .data "gate-no"`},
		`{{ if .data.n == 1 }}x{{ end }}`:            {"== ", "write eq"},
		`{{ if .data.n = 1 }}x{{ end }}`:             {"= ", "write eq"},
		`{{ if .data.a && .data.b }}x{{ end }}`:      {"&&", "write and"},
		`{{ if .data.n > 1 }}x{{ end }}`:             {"> ", "write gt"},
		`{{ .data.n + 1 }}`:                          {"+ ", "to join text; a template does not calculate: an expression of with does, for .Data under message"},
		`{{ .data.n * 2 }}`:                          {"* ", "for .Data under message"},
		`{{ get .data “room” "x" }}`:                 {"“", "straight quotes"},
		`{{ .data.a | default("x == y") }}`:          {"(", "without parentheses"},
		`{{ sub .data.n 1 }}`:                        {"sub", "does not calculate"},
		`{{ now }}`:                                  {"now", ".time in an item"},
		`{{ event.data.room }}`:                      {"event", "write .data.room"},
		`{{ if .data.a }}x{{ elif .data.b }}{{end}}`: {"elif", "else if"},
	} {
		_, faults := parseTemplate(strictyaml.Scalar{Text: src}, eventShape)
		if len(faults) != 1 || faults[0].offset != strings.Index(src, c.at) || !strings.Contains(faults[0].hint, c.hint) {
			t.Errorf("%s: want %q at %d, got %v", src, c.hint, strings.Index(src, c.at), faults)
		}
	}
}

// What an item calls .data, a digest has of each of its items.
func TestAFieldOfTheEventInADigestIsToldWithWhereItIs(t *testing.T) {
	for src, hint := range map[string]string{
		`{{ data.room }}`: "write .Last.Data.room", `{{ event.data.room }}`: "write .Last.Data.room",
		`{{ .data.room }}`: "did you mean .Last.Data?", `{{ .Text }}`: "did you mean .Last.Text?", `{{ .Cuont }}`: "did you mean .Count?",
	} {
		if _, faults := parseTemplate(strictyaml.Scalar{Text: src}, digestShape); len(faults) != 1 || !strings.HasPrefix(faults[0].hint, hint) {
			t.Errorf("%s: want %q, got %v", src, hint, faults)
		}
	}
}
