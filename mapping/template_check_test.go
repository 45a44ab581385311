package mapping

import (
	"strings"
	"testing"

	"github.com/belfry-bridge/belfry/internal/strictyaml"
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
		_, faults := parseTemplate(strictyaml.Scalar{Text: src}, c.dot)
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

func TestWhatIsNoFunctionIsNotCalled(t *testing.T) {
	for src, at := range map[string]string{
		`{{ if .Last.Data.place eq "x" }}a{{ end }}`: "eq", `{{ .Count -1 }}`: "-1", `{{ .Now.Format "15:04" }}`: `"15:04"`,
		`{{ .Last.Text | .Group }}`: ".Group", `{{ range $i, $x := .Items }}{{ $x.Text upper }}{{ end }}`: "upper", `{{ (index .Items 0).Text 5 }}`: "5 ",
		`{{ .Last.Text | upper }}{{ (.Last.Text) }}{{ with $x := .Last }}{{ $x.Text }}{{ end }}`: "",
	} {
		_, faults := parseTemplate(strictyaml.Scalar{Text: src}, digestShape)
		if at == "" && len(faults) > 0 || at != "" && (len(faults) != 1 || faults[0].offset != strings.Index(src, at) || !strings.Contains(faults[0].msg, "it is no function")) {
			t.Errorf("%s: want it at %q, got %v", src, at, faults)
		}
	}
}
