package mapping_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-bridge/belfry/mapping"
)

func problems() mapping.Problems {
	return mapping.Problems{
		{File: "a,b.yaml", Line: 3, Col: 4, Severity: mapping.SeverityError, Message: "cannot use 100%", Hint: "did you mean 50?", Source: "\té: 100%"},
		{File: "a,b.yaml", Line: 12, Col: 1, Severity: mapping.SeverityWarning, Message: "no rule uses it", Source: "x:"},
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
	var back mapping.Problems
	if err := json.Unmarshal(problems().JSON(), &back); err != nil || !cmp.Equal(back, problems()) {
		t.Errorf("came back as %+v (%v)", back, err)
	}
	if got := string(mapping.Problems(nil).JSON()); got != "[]\n" {
		t.Errorf("without problems: %q", got)
	}
}

func TestASecretShowsNowhere(t *testing.T) {
	for _, line := range []string{
		"app_secret: hunter2x", `app_secret: "hunter2x`, "app_secret: |\n      hunter2x", "app_secret: [hunter2x]", "app_secret: {hunter2x: 1}", "app_secret: hunter2x: y",
	} {
		src := strings.Replace(school{}.source(), "app_secret: ${CAMPUS_APP_SECRET}", line, 1)
		set, ps := mapping.Compile("rules.yaml", []byte(src), mapping.Options{LookupEnv: campusEnv()})
		if len(ps) == 0 {
			t.Errorf("%q: nothing was said", line)
		}
		all := ps.Text() + ps.GitHub() + string(ps.JSON())
		if set != nil {
			raw, err := json.Marshal(set)
			if err != nil {
				t.Fatal(err)
			}
			all += string(raw) + fmt.Sprintf("%v %+v %#v", set.Apps["campus"].Secret, *set.Apps["campus"], set.Apps["campus"].Secret)
			if !strings.HasPrefix(set.Apps["campus"].Secret.Reveal(), "hunter2x") {
				t.Errorf("%q: the secret is lost", line)
			}
		}
		if strings.Contains(all, "hunter2x") {
			t.Errorf("%q shows the secret:\n%s", line, all)
		}
	}
}
