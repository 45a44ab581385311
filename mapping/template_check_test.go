package mapping

import (
	"strings"
	"testing"
)

func TestUnknownFieldsAreFoundWhereTheyStand(t *testing.T) {
	for src, c := range map[string]struct {
		dot  shape
		want string
	}{
		"{{ .nats.subjct }}":                               {eventShape, ".subjct"},
		"{{ .nats.tokens }}{{ .nats.headers.Trace }}":      {eventShape, ""},
		"{{ with .nats }}{{ .token }}{{ end }}":            {eventShape, ".token"},
		"{{ .Data.reason.text }}":                          {eventShape, ".Data"},
		"{{ .Data }}":                                      {eventShape, ".Data"},
		"{{ .Last.text }}":                                 {digestShape, ".text"},
		"{{ range $i, $x := .Items }}{{ $x.text }}{{end}}": {digestShape, ".text"},
		"{{ range .Items }}{{ $.count }}{{ end }}":         {digestShape, ".count"},
		"{{ (.Last).text }}":                               {digestShape, ".text"},
	} {
		_, faults := parseTemplate(scalar{text: src}, c.dot)
		if c.want == "" {
			if len(faults) > 0 {
				t.Errorf("%s: %v", src, faults)
			}
			continue
		}
		if len(faults) != 1 || !strings.HasPrefix(faults[0].msg, "unknown field "+c.want) || faults[0].offset != strings.Index(src, c.want) {
			t.Errorf("%s: want %s at %d, got %v", src, c.want, strings.Index(src, c.want), faults)
		}
	}
}
