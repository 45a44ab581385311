package strictyaml_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-bridge/belfry/internal/strictyaml"
)

type library struct {
	strictyaml.Mark
	Shelves strictyaml.Named[shelf] `yaml:"shelves" need:"true"`
}

type shelf struct {
	strictyaml.Mark
	Room   strictyaml.Text    `yaml:"room" need:"true"`
	Kind   strictyaml.Text    `yaml:"kind" enum:"books|maps"`
	Boards strictyaml.Integer `yaml:"boards"`
	Open   strictyaml.Flag    `yaml:"open"`
	Topics []strictyaml.Text  `yaml:"topics,one"`
	Order  strictyaml.Code    `yaml:"order"`
	Notes  strictyaml.Tree    `yaml:"notes"`
}

func Example() {
	var l library
	report, _ := strictyaml.Read("library.yaml", []byte("shelves:\n  north: {room: B 204, kind: book, bords: 5}\n"), &l, strictyaml.Options{})
	fmt.Print(report.All().Text())
	// Output:
	// library.yaml:2:30: cannot use "book" as kind; did you mean "books"?
	//     2 |   north: {room: B 204, kind: book, bords: …
	//       |                              ^
	// library.yaml:2:36: unknown key "bords" in shelves.north; did you mean "boards"?
	//     2 |   north: {room: B 204, kind: book, bords: …
	//       |                                    ^
}

func TestEveryMistakeIsToldAtItsPlaceWithItsRemedy(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"", "1:1: cannot find anything in this file"},
		{"shelves: []", "1:10: cannot use a list as shelves: want a map from names to values"},
		{"shelfes: {}", `1:1: unknown key "shelfes" in the file; did you mean "shelves"?`}, // and not that shelves are missing
		{"shelf: {}", `1:1: unknown key "shelf" in the file; want shelves | 1:1: cannot use the file without shelves`},
		{"shelves:\n  a: {kind: maps}", "2:6: cannot use shelves.a without room"},
		{"shelves:\n  a: {room: [x]}", "2:13: cannot use a list as room: want a single value; text that starts with [ must be put into quotes"},
		{"shelves:\n  a: {room: ''}", "2:13: cannot leave room empty; give it a value"},
		{"shelves:\n  a: {room: x, open: yes}", `2:22: cannot use "yes" as open; want true or false`},
		{"shelves:\n  a: {room: x, boards: -1}", `2:24: cannot use "-1" as boards: want a whole number, 0 or more`},
		{"shelves:\n  a: {room: x, topics: []}", "2:24: cannot leave topics empty; remove the key, or give it a value"},
		{"shelves:\n  a: {room: x, room: y}", `2:16: cannot use the key "room" twice: it stands in line 2 already`},
		{"shelves:\n  a: {room: '${ROOM}'}", "2:14: the environment variable ROOM is not set; set it, or write ${ROOM:-default}"},
		{"shelves:\n  a: {room: '${ROOM_SECRET}'}", "2:14: the environment variable ROOM_SECRET is not set; set it, or write ${ROOM_SECRET:-default}"},
		{"shelves:\n  a: *b", "2:6: unknown anchor; put text that starts with * into quotes"},
		{"shelves:\n  a: {room: *b, topics: *t}", "2:13: unknown anchor; put text that starts with * into quotes | 2:25: unknown anchor; put text that starts with * into quotes"},
		{"shelves:\n  a: !b {room: x}", "2:6: cannot use a YAML tag; put text that starts with ! into quotes"},
		{"shelves:\n  a:", "2:6: cannot leave shelves.a empty; the lines that belong to it must be indented"},
		{"shelves:\n\ta: {room: x}", "2:1: cannot use a tab to indent; use spaces"},
		{"shelves: {a: {room: x}}\n---\nb: 1", "3:1: cannot use a second document in the same file: put it into a file of its own"},
		{"shelves: {a: {room: \xff}}", "1:21: cannot read what is not UTF-8; save the file as UTF-8"},
		{"shelves: " + strings.Repeat("[", 6000), "1:5010: cannot read a file nested this deeply; close brackets that are open, also those in text and in comments"},
		{"shelves:\n" + strings.Repeat("  a:\n", 10_001), "10002:3: cannot read a map of more than 10000 keys"},
		{"shelves:\n  a:\n    room: x\n    notes:\n" + strings.Repeat("    - b: 1\n      c: 2\n", 10_001), ""},
		{"shelves: {a: {room: x, notes: " + strings.Repeat("[", 80) + strings.Repeat("]", 80) + "}}", "1:93: cannot read a file this large or nested this deeply"},
	} {
		report, _ := strictyaml.Read("f", []byte(c.src), &library{}, strictyaml.Options{})
		var got []string
		for _, p := range report.All() {
			got = append(got, strings.TrimPrefix(p.String(), "f:"))
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " | ")); diff != "" {
			t.Errorf("%.60q:\n%s", c.src, diff)
		}
	}
}

func TestAliasesAndMergedMapsAreRead(t *testing.T) {
	var l library
	report, ok := strictyaml.Read("f", []byte(`shelves:
  a: &a {room: '${ROOM}', boards: 5, topics: rivers, order: '${as it stands}'}
  b: {<<: *a, boards: 6}
  c: *a
`), &l, strictyaml.Options{Env: func(name string) (string, bool) { return "room of " + name, true }})
	if !ok || len(report.All()) > 0 {
		t.Fatal(report.All().Text())
	}
	for name, boards := range map[string]int{"a": 5, "b": 6, "c": 5} {
		s := l.Shelves.Find(name)
		if s.Room.Value != "room of ROOM" || !s.Room.FromEnv || s.Boards.N != boards || len(s.Topics) != 1 || s.Order.Text != "${as it stands}" {
			t.Errorf("%s is read as %+v", name, s)
		}
		if s.Open.Set || s.Kind.Given() != nil || *s.Order.Given() == "" {
			t.Errorf("%s does not know what stands in the file: %+v", name, s)
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, l.Shelves.Names()); diff != "" {
		t.Error(diff)
	}
}

func TestTheSchemaIsMadeOfTheSameTags(t *testing.T) {
	raw, err := json.Marshal(strictyaml.SchemaOf(reflect.TypeFor[library](), ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"required":["shelves"]`, `"required":["room"]`, `"enum":["books","maps"]`, `"additionalProperties":false`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("there is no %s in %s", want, raw)
		}
	}
}
