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

// An editor refuses what has to do with keys and values. Names, expressions
// and templates are beyond a schema, so it must not refuse those files.
func TestTheSchemaRefusesWrongKeysAndValues(t *testing.T) {
	s := compiledSchema(t)
	refused := []string{
		"android-bad-importance", "android-setting-without-vendor", "camel-case-key", "control-character",
		"duration-without-unit", "empty-file", "empty-value", "empty-values", "future-version", "is-to-all", "list-instead-of-map", "many-mistakes",
		"message-without-content", "missing-version", "misspelt-rule-key", "no-rules", "not-a-map", "only-comments", "reserve-unknown-priority",
		"unknown-ios-setting", "unknown-platform", "unknown-priority", "unknown-region", "unknown-top-level-key", "wrong-case-key",
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
