package strictyaml_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-bridge/belfry/internal/strictyaml"
)

func problems() strictyaml.Problems {
	return strictyaml.Problems{
		{File: "a,b.yaml", Line: 3, Col: 4, Severity: strictyaml.SeverityError, Message: "cannot use 100%", Hint: "did you mean 50?", Source: "\té: 100%"},
		{File: "a,b.yaml", Line: 12, Col: 1, Severity: strictyaml.SeverityWarning, Message: "no rule uses it", Source: "x:"},
	}
}

func TestProblemsShowTheLineAndACaret(t *testing.T) {
	want := "a,b.yaml:3:4: cannot use 100%; did you mean 50?\n    3 | \té: 100%\n      | \t  ^\n" +
		"a,b.yaml:12:1: warning: no rule uses it\n   12 | x:\n      | ^\n"
	if diff := cmp.Diff(want, problems().Text()); diff != "" {
		t.Error(diff)
	}
}

func TestProblemsForGitHubAreEscaped(t *testing.T) {
	want := "::error file=a%2Cb.yaml,line=3,col=4::cannot use 100%25; did you mean 50?\n" +
		"::warning file=a%2Cb.yaml,line=12,col=1::no rule uses it\n"
	if diff := cmp.Diff(want, problems().GitHub()); diff != "" {
		t.Error(diff)
	}
}

func TestProblemsForEditorsAreAnArray(t *testing.T) {
	var back strictyaml.Problems
	if err := json.Unmarshal(problems().JSON(), &back); err != nil || !cmp.Equal(back, problems()) {
		t.Errorf("came back as %+v (%v)", back, err)
	}
	if got := string(strictyaml.Problems(nil).JSON()); got != "[]\n" {
		t.Errorf("without problems: %q", got)
	}
}
