package contract_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/contract"
)

var update = flag.Bool("update", false, "write the files of docs/contract anew")

const folder = "../../docs/contract"

// current is what the files must be: the contract's, and the examples.
func current(t *testing.T) map[string][]byte {
	t.Helper()
	comments, err := contract.Comments("../../bridge", "../../mapping", "../quota", "../control")
	if err != nil {
		t.Fatal(err)
	}
	files, err := contract.Files(comments)
	if err != nil {
		t.Fatal(err)
	}
	for state, r := range examples() {
		p, err := r.Publication(exampleID(&r))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := json.Indent(&b, p.Data, "", "  "); err != nil {
			t.Fatal(err)
		}
		files["examples/"+string(state)+".json"] = append(b.Bytes(), '\n')
	}
	return files
}

func TestTheContractIsUpToDate(t *testing.T) {
	files := current(t)
	for name, want := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(string(got), string(want)); diff != "" {
			t.Errorf("%s is out of date; run go test ./internal/contract -update:\n%s", name, diff)
		}
	}
	for _, pattern := range []string{"*.json", "examples/*.json"} {
		found, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			name, err := filepath.Rel(folder, path)
			if err != nil {
				t.Fatal(err)
			}
			if files[filepath.ToSlash(name)] == nil {
				t.Errorf("%s is of no type of result any more", name)
			}
		}
	}
}

// load reads JSON as the validator wants it.
func load(t *testing.T, path string) any {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("cannot decode %s: %v", path, err)
	}
	return v
}

func compiled(t *testing.T, path string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("contract.json", load(t, path)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("contract.json")
	if err != nil {
		t.Fatalf("cannot compile %s: %v", path, err)
	}
	return s
}

func TestEveryStateHasASchemaAndAnExampleThatHoldsToItAndToNoOther(t *testing.T) {
	for _, state := range bridge.ResultStates() {
		t.Run(string(state), func(t *testing.T) {
			example := filepath.Join(folder, "examples", string(state)+".json")
			v := load(t, example)
			for _, other := range bridge.ResultStates() {
				err := compiled(t, filepath.Join(folder, other.Type()+".schema.json")).Validate(v)
				if (err == nil) != (other == state) {
					t.Errorf("against the schema of %s: %v", other, err)
				}
			}
			strictly(t, example)
		})
	}
}

// strictly finds properties in an example that the Go type does not have.
func strictly(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var event struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(b, &event); err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(event.Data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&bridge.Result{}); err != nil && err != io.EOF {
		t.Errorf("%s: %v", path, err)
	}
}

func TestSchemasRefuseWhatIsNoResult(t *testing.T) {
	s := compiled(t, filepath.Join(folder, bridge.ResultSent.Type()+".schema.json"))
	tests := []struct {
		name   string
		change func(event, data map[string]any)
	}{
		{"without an id", func(e, _ map[string]any) { delete(e, "id") }},
		{"of an unknown version", func(e, _ map[string]any) { e["specversion"] = "0.3" }},
		{"without a broadcast", func(_, d map[string]any) { delete(d, "broadcast") }},
		{"with text for a count", func(_, d map[string]any) { d["events"] = "many" }},
		{"with a day that does not exist", func(e, _ map[string]any) { e["time"] = "2026-02-31T00:00:00Z" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			event := load(t, filepath.Join(folder, "examples/sent.json")).(map[string]any)
			tt.change(event, event["data"].(map[string]any))
			if err := s.Validate(event); err == nil {
				t.Error("it is accepted")
			}
		})
	}
}

func TestTheAsyncAPIDocumentHoldsToTheOfficialSchema(t *testing.T) {
	official := compiled(t, "testdata/asyncapi-3.0.0.json")
	document := load(t, filepath.Join(folder, "asyncapi.json"))
	if err := official.Validate(document); err != nil {
		t.Errorf("%#v", err)
	}
	document.(map[string]any)["channels"].(map[string]any)["results"].(map[string]any)["place"] = "nowhere"
	if err := official.Validate(document); err == nil {
		t.Error("the official schema accepts a channel with an unknown key; is it read at all?")
	}
}

func TestTheAsyncAPIDocumentNamesEveryHeaderOfAResult(t *testing.T) {
	document := load(t, filepath.Join(folder, "asyncapi.json")).(map[string]any)
	messages := document["components"].(map[string]any)["messages"].(map[string]any)
	for state, r := range examples() {
		p, err := r.Publication(exampleID(&r))
		if err != nil {
			t.Fatal(err)
		}
		said := messages[state.Type()].(map[string]any)["headers"].(map[string]any)["properties"].(map[string]any)
		for _, name := range append(slices.Sorted(maps.Keys(p.Header)), "Nats-Msg-Id", bridge.CommitHeader) {
			if said[name] == nil {
				t.Errorf("%s has the header %s, of which it says nothing", state, name)
			}
		}
	}
}

// Whatever a channel has is published there: what comes back goes to an inbox,
// which is not in a header of the message.
func TestTheAsyncAPIDocumentAsksAndAnswersOnChannelsOfTheirOwn(t *testing.T) {
	document := load(t, filepath.Join(folder, "asyncapi.json")).(map[string]any)
	status := document["channels"].(map[string]any)["status"].(map[string]any)
	if got := slices.Collect(maps.Keys(status["messages"].(map[string]any))); !slices.Equal(got, []string{"ask"}) {
		t.Errorf("on %s there are %q", status["address"], got)
	}
	for name, o := range document["operations"].(map[string]any) {
		if reply, ok := o.(map[string]any)["reply"].(map[string]any); ok && reply["address"] != nil {
			t.Errorf("%s: NATS has the address of the reply in no header: %v", name, reply["address"])
		}
	}
}

// The official schema does not follow references within the document.
func TestEveryReferenceOfTheAsyncAPIDocumentLeadsSomewhere(t *testing.T) {
	document := load(t, filepath.Join(folder, "asyncapi.json"))
	n := 0
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if to, ok := v["$ref"].(string); ok {
				n++
				at := document
				for part := range strings.SplitSeq(strings.TrimPrefix(to, "#/"), "/") {
					m, _ := at.(map[string]any)
					if at = m[part]; at == nil {
						t.Errorf("%s leads nowhere", to)
						break
					}
				}
			}
			for _, key := range slices.Sorted(maps.Keys(v)) {
				walk(v[key])
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(document)
	if n < len(bridge.ResultStates()) {
		t.Errorf("only %d references", n)
	}
}

// Generators name models by titles, and without one by where they stand, which
// is elsewhere after the next change. Of two with the same title they keep one.
func TestEveryObjectOfTheAsyncAPIDocumentHasATitleThatStandsForOneShape(t *testing.T) {
	shapes := map[string]any{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if v["properties"] != nil && !strings.HasSuffix(path, "/headers") {
				title, _ := v["title"].(string)
				if title == "" {
					t.Errorf("%s has no title", path)
				}
				if diff := cmp.Diff(shapes[title], any(v)); shapes[title] != nil && diff != "" {
					t.Errorf("%s is not the other %s:\n%s", path, title, diff)
				}
				shapes[title] = v
			}
			for _, key := range slices.Sorted(maps.Keys(v)) {
				walk(path+"/"+key, v[key])
			}
		case []any:
			for _, e := range v {
				walk(path, e)
			}
		}
	}
	walk("", load(t, filepath.Join(folder, "asyncapi.json")))
}

// In an editor, and in a model that is generated, a property stands alone.
func TestEveryPropertyOfAResultSaysWhatItIs(t *testing.T) {
	var walk func(path string, v any)
	walk = func(path string, v any) {
		schema, _ := v.(map[string]any)
		properties, _ := schema["properties"].(map[string]any)
		for name, p := range properties {
			if p := p.(map[string]any); p["description"] == nil && p["const"] == nil && path+name != "data" {
				t.Errorf("%s%s has no description", path, name)
			}
			walk(path+name+".", p)
		}
		if schema["items"] != nil {
			walk(path, schema["items"])
		}
	}
	walk("", load(t, filepath.Join(folder, bridge.ResultSent.Type()+".schema.json")))
}
