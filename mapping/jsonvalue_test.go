package mapping

import (
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/belfry-bridge/belfry/internal/rawjson"
)

// A loop may ask for the same member with each of its steps.
func TestAMemberThatIsAskedForOftenIsDecodedOnce(t *testing.T) {
	o := &jsonObject{raw: []byte(`{"list": ["a", "b"], "by": {"a": [1]}, "big": 123456789012345678901}`)}
	var last [2]ref.Val
	for i := range 200 {
		list, ok := o.Find(types.String("list"))
		if !ok || list.Equal(types.NewStringList(types.DefaultTypeAdapter, []string{"a", "b"})) != types.True {
			t.Fatalf("the %dth time the list is %v", i+1, list)
		}
		if _, ok := o.Find(types.String("none")); ok {
			t.Fatal("finds a member that is not there")
		}
		if big, ok := o.Find(types.String("big")); !ok || !types.IsError(big) {
			t.Fatalf("a number of more than 64 bits becomes %v", big)
		}
		last[i%2] = list
	}
	if last[0] != last[1] {
		t.Error("the list is decoded each time")
	}
}

func TestAFieldOfAnEventIsReadOnce(t *testing.T) {
	provider, err := newTypeProvider()
	if err != nil {
		t.Fatal(err)
	}
	reads := 0
	counted := stringField(func(*evaluation) string { reads++; return fmt.Sprint("read ", reads) })
	provider.fields[eventType]["counted"] = counted
	field, _ := provider.FindStructFieldType(eventType, "counted")
	e := newEvaluation()
	for message := range 3 {
		if err := e.open(&Message{Subject: "x", Stream: "S", Time: time.Unix(0, 0), Data: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if v, err := field.GetFrom(e.event); err != nil || v != types.String(fmt.Sprint("read ", message+1)) {
				t.Fatalf("message %d: got %v, %v", message+1, v, err)
			}
		}
	}
}

// A megabyte has half a million elements.
func TestALongArrayIsDecodedWithoutALongerListOfItsElements(t *testing.T) {
	raw := []byte("[" + strings.Repeat("1,", 200_000) + "1]")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	list, _ := celValue(raw).(traits.Lister)
	runtime.ReadMemStats(&after)
	if list.Size() != types.Int(200_001) {
		t.Errorf("it has %v elements", list.Size())
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 32<<20 {
		t.Errorf("it took %d MB", took>>20)
	}
}

func FuzzDecodedValuesAgreeWithEncodingJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":1,"b":{"c":[1,2.5,-3e7,"x"]},"a":null}`, ` { "a" : true } `, `[1,[2],{"x":[]}]`, `"\u00e9\ud83d\ude00\n"`, `-0`, `0.1e+5`, `{"\u0061":1}`,
		"\"\xff\"", "{\"a\xff\":1}", `"\ud800"`, `1e999`, `123456789012345678901234567890`, `18446744073709551615`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var want any
		if json.Unmarshal(data, &want) != nil || !rawjson.Valid(data) {
			return
		}
		trimmed := []byte(strings.Trim(string(data), " \t\r\n"))
		v := celValue(trimmed)
		out, err := appendJSON(nil, v)
		if err != nil && !strings.Contains(err.Error(), "publish ids as strings") {
			t.Fatalf("appendJSON(%q): %v", data, err)
		}
		var got any
		if err == nil && (json.Unmarshal(out, &got) != nil || !reflect.DeepEqual(got, want)) {
			t.Fatalf("%q came back as %q", data, out)
		}
		raw, err := json.Marshal(decodeForTemplate(trimmed))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q came to a template as %q (%v)", data, raw, err)
		}
	})
}
