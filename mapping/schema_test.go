package mapping_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	yaml "github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/belfry-bridge/belfry/mapping"
)

const schemaFile = "../docs/rules.schema.json"

func TestTheCommittedSchemaIsUpToDate(t *testing.T) {
	if *update {
		if err := os.WriteFile(schemaFile, mapping.Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(mapping.Schema())); diff != "" {
		t.Errorf("run go test ./mapping -run Schema -update:\n%s", diff)
	}
}

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(mapping.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("rules.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("rules.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(s *jsonschema.Schema, src []byte) error {
	raw, err := yaml.YAMLToJSON(src)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

func TestTheExampleIsValidUnderTheSchema(t *testing.T) {
	src, err := os.ReadFile("../rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(compiledSchema(t), src); err != nil {
		t.Error(err)
	}
}

// An editor refuses what has to do with keys and values. References, expressions
// and templates are beyond a schema, so it must not refuse those files.
func TestTheSchemaRefusesWrongKeysAndValues(t *testing.T) {
	s := compiledSchema(t)
	refused := []string{
		"android-bad-importance", "android-setting-without-vendor", "audience-misspelt-package", "bad-quiet-hours", "bad-slot", "camel-case-key",
		"cancels-without-key", "control-character", "duration-without-unit", "empty-file", "empty-value", "empty-values", "future-version", "is-to-all",
		"keep-too-many", "list-instead-of-map", "many-mistakes", "message-without-content", "missing-version",
		"misspelt-rule-key", "no-rules", "not-a-map", "only-comments", "reserve-unknown-priority", "rule-without-audience",
		"sender-with-space", "settings-and-content", "source-bad-start", "subject-empty-token", "subject-with-space", "template-calls", "too-many-tags", "unknown-ios-setting", "unknown-platform", "unknown-priority",
		"unknown-region", "unknown-top-level-key", "users-as-a-list", "wrong-case-key",
	}
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := yaml.YAMLToJSON(src); err != nil {
			continue // not YAML at all: the editor says so itself
		}
		if validate(s, src) != nil {
			got = append(got, strings.TrimSuffix(filepath.Base(file), ".yaml"))
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(refused, got); diff != "" {
		t.Error(diff)
	}
}

// What the parser takes, an editor must not underline.
func TestTheSchemaTakesWhatTheParserTakes(t *testing.T) {
	s := compiledSchema(t)
	for old, list := range map[string][]string{
		"version: 1": {`version: "1"`, "version: ${V:-1}"},
		"    packages: [com.example.student]": {
			`    packages: [com.example.student]
    quota: {per_hour: "2", per_day: 3, worth: {low: "1.5", high: "${W:-10}"}, urgent_at_once: "true", count_rejected: false}`,
		},
		"- name: one":   {"- name: 5"},
		"{alert: news}": {`{alert: news, force_show: "false"}`},
	} {
		for _, text := range list {
			src := school{}.with(old, text).src
			if src == (school{}).source() {
				t.Fatalf("the rules have no %q", old)
			}
			if _, problems := compileText(src); problems.HasErrors() {
				t.Errorf("the parser refuses %s: %s", text, problems.Text())
			}
			if err := validate(s, []byte(src)); err != nil {
				t.Errorf("the schema refuses %s: %v", text, err)
			}
		}
	}
	for _, span := range []string{"+5m", "-5m", "1d-23h"} {
		if _, err := mapping.ParseSpan(span); err == nil {
			t.Errorf("%s is taken as a length of time", span)
		}
	}
}
