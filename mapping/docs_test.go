package mapping_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-bridge/belfry/mapping"
)

// sample is a fenced block of the docs.
type sample struct {
	info, text string
	line       int
}

func samples(t *testing.T, file string) []sample {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []sample
	var open *sample
	for i, line := range strings.Split(string(src), "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &sample{info: info, line: i + 1}
		case fence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	return all
}

// Each sample of the operator's page does what the page says: "yaml rules" is
// a file without errors and warnings, "yaml bad" one whose messages follow in
// the next block, "yaml tests" a file of rule tests.
func TestTheSamplesOfTheDocsDoWhatTheySay(t *testing.T) {
	all := samples(t, "../docs/rules.md")
	ran := map[string]int{}
	for i, s := range all {
		ran[s.info]++
		switch s.info {
		case "yaml rules":
			if _, problems := compileText(s.text); len(problems) > 0 {
				t.Errorf("the sample in line %d:\n%s", s.line, problems.Text())
			}
		case "yaml bad":
			_, problems := compileText(s.text)
			if diff := cmp.Diff(all[i+1].text, problems.Text()); diff != "" {
				t.Errorf("the sample in line %d:\n%s", s.line, diff)
			}
		case "yaml tests":
			if _, problems := mapping.ParseTests("rules_test.yaml", []byte(s.text)); len(problems) > 0 {
				t.Errorf("the sample in line %d:\n%s", s.line, problems.Text())
			}
		case "yaml", "text":
		default:
			t.Errorf("the sample in line %d has the unknown mark %q", s.line, s.info)
		}
	}
	if ran["yaml rules"] < 5 || ran["yaml bad"] < 1 || ran["yaml tests"] < 1 {
		t.Errorf("ran %v", ran)
	}
}
