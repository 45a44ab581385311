package sandbox_test

import (
	"strings"
	"testing"

	"github.com/belfry-bridge/belfry/internal/sandbox"
)

func TestAFaultyFileIsExplainedInItsOwnWords(t *testing.T) {
	config := func(text string) error { _, err := sandbox.ReadConfig(strings.NewReader(text)); return err }
	script := func(text string) error { _, err := sandbox.ParseScript(strings.NewReader(text)); return err }
	for _, tt := range []struct {
		read       func(string) error
		text, want string
	}{
		{config, "{\n\"max_content\": \"5\"\n}", "line 2: max_content cannot be text: want a whole number"},
		{config, `{"quota": {"per_hour": 1.5}}`, "line 1: quota.per_hour cannot be this number: want a whole number"},
		{config, `{"recall_quota": {"shared": "yes"}}`, "line 1: recall_quota.shared cannot be text: want true or false"},
		{config, `{"quota": 5}`, "line 1: quota cannot be this number: want an object, in { }"},
		{config, "{\n\n\"apps\": [\"k\"]}", "line 3: apps cannot be a list: want an object, in { }"},
		{config, "{\n\"apps\": {\n\"k\": 5}}", "line 3: apps cannot be this number: want text, in quotes"},
		{config, `{"senders": {}}`, "line 1: senders cannot be an object: want a list, in [ ]"},
		{config, `{"latency": 5}`, `line 1: latency cannot be this number: want text such as "1.5s"`},
		{config, `{"latency": "5"}`, `cannot use "5" as a duration: want a number and its unit, such as 1.5s`},
		{config, `[]`, "line 1: the outermost value cannot be a list: want an object, in { }"},
		{config, `{"quota": {"nosuch": 1}}`, `unknown key "nosuch": docs/sandbox.md lists those that there are`},
		{config, "{\"apps\": {\"k\": \"s\"},\n}", "line 2: this is not JSON: invalid character '}' looking for beginning of object key string"},
		{config, `{"apps": {"k": "s"`, "it ends too early: a bracket, a brace or a quote is not closed"},
		{config, "", "it is empty"},
		{config, "{}\n{}", "line 2: more follows what is all of it"},
		{script, "[{\"code\": 1005},\n{\"times\": \"2\"}]", "line 2: times cannot be text: want a whole number"},
		{script, `[{"accept": 1}]`, "line 1: accept cannot be this number: want true or false"},
		{script, `{"delay": "5"}`, "line 1: the outermost value cannot be an object: want a list, in [ ]"},
	} {
		if err := tt.read(tt.text); err == nil || !strings.HasSuffix(err.Error(), ": "+tt.want) {
			t.Errorf("%s\n%v, want\n%s", tt.text, err, tt.want)
		}
	}
}

func TestNoFaultShowsASecret(t *testing.T) {
	for _, text := range []string{`{"apps": {"k": 81549300}}`, `{"apps": "topsecret"}`, `{"apps": {"k": topsecret}}`, `{"apps": {"k": "topsecret"}} "topsecret"`} {
		_, err := sandbox.ReadConfig(strings.NewReader(text))
		if err == nil || strings.Contains(err.Error(), "81549300") || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
