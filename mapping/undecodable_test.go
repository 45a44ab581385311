package mapping_test

import (
	"strings"
	"testing"

	"github.com/belfry-bridge/belfry/mapping"
)

func TestADeadLetterSaysWhyItIsNotJSON(t *testing.T) {
	app := school{rule: `key: event.data.id`}.compile(t)
	structured := map[string][]string{"Content-Type": {"application/cloudevents+json"}}
	for _, c := range []struct {
		name, data string
		header     map[string][]string
		want       string
	}{
		{"nothing", "", nil, "it is empty"},
		{"blanks", " \n", nil, "it is empty"},
		{"with a byte order mark", "\ufeff{\"id\":1}", nil, "it begins with a byte order mark"},
		{"compressed", "\x1f\x8b\x08\x00", nil, "it is compressed with gzip"},
		{"cut in half", `{"id":`, nil, "unexpected end of JSON input"},
		{"two lines of it", "{\"id\":1}\n{\"id\":2}", nil, "after top-level value"},
		{"too deep", strings.Repeat("[", 200) + strings.Repeat("]", 200), nil, "nested more than 128 levels deep"},
		{"a list that says that it is a CloudEvent", `[1]`, structured, "JSON object, which a CloudEvent is"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := app.Map(&mapping.Message{Subject: "school.x", Stream: "S", Sequence: 1, Header: c.header, Data: []byte(c.data)})
			if len(d.Dead) != 1 || !strings.Contains(d.Dead[0].Err.Error(), c.want) {
				t.Errorf("dead letters: %+v, want one that says %q", d.Dead, c.want)
			}
		})
	}
}
