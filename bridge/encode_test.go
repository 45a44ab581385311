package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-bridge/belfry/mapping"
)

var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

func item(key string, p mapping.Priority, arrived time.Time) mapping.Item {
	return mapping.Item{
		Key: key, Text: "text of " + key, Data: json.RawMessage(`{"k":"` + key + `"}`), Rule: "a-rule", EventID: "e-" + key,
		Type: "t", Time: arrived, Arrived: arrived, ReadyBy: arrived.Add(15 * time.Minute), Expires: arrived.Add(6 * time.Hour), Priority: p,
	}
}

// sampleState has every kind of thing in it.
func sampleState(t testing.TB) *State {
	t.Helper()
	s := NewState("campus", "born01")
	s.Epoch, s.Commit, s.Owner = 3, 42, "replica-1"
	s.advance("SCHOOL", Checkpoint{Created: noon.Add(-time.Hour), Sequence: 99})
	for i := range 30 {
		d := s.digest(digestKey{audience: "students", template: "lessons", group: fmt.Sprint(i % 3)})
		s.change(d, func() {
			it := item(fmt.Sprint("k", i), mapping.Priority(i%4), noon.Add(time.Duration(i)*time.Second))
			d.put(it, 5)
			d.Rules[it.Rule]++
			d.gather(&it, mapping.Gather{Idle: time.Minute})
		})
	}
	held := s.Digests[2]
	s.Digests = s.Digests[:2]
	s.Held = []*Broadcast{{ID: "born01-7", State: InDoubt, Digest: held, Outcome: &Outcome{Kind: Doubtful, Message: "timeout"}}}
	s.Ledger.Charge("born01-7", noon)
	s.Mutes = []Mute{{ID: "m", Audience: "students", Until: noon.Add(time.Hour), Why: "exam"}}
	s.reportGap(Gap{Stream: "SCHOOL", From: 3, To: 9, Why: "truncated", At: noon}, noon)
	return s
}

// A daemon that is upgraded reads what the one before has committed, and
// refuses fields that it does not know: so no field may be renamed or dropped
// within a version. The file is a state of November 2026 on its first day.
func TestAStateOfAnEarlierBuildIsRead(t *testing.T) {
	data, err := os.ReadFile("testdata/state-version-1.bin")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Decode("campus", data)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Digests) != 2 || len(s.Held) != 1 || s.Sending == nil || len(s.Ledger.Spends) != 1 || len(s.Mutes) != 1 ||
		s.Forecast.Today == nil || !s.Forecast.Today.Partial || s.Sources["SCHOOL"].Sequence != 99 {
		t.Errorf("something is missing in %+v", s)
	}
}

func TestStateSurvivesEncoding(t *testing.T) {
	s := sampleState(t)
	codec, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	data, err := codec.Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode("campus", data)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.MarshalIndent(s, "", " ")
	b, _ := json.MarshalIndent(back, "", " ")
	if diff := cmp.Diff(string(a), string(b)); diff != "" {
		t.Errorf("decoded state differs (-stored +read):\n%s", diff)
	}
}

func TestWhatCouldNotBeDecodedIsNotEncoded(t *testing.T) {
	s := sampleState(t)
	s.Paused = &Pause{Why: strings.Repeat("x", maxDecodedSize)} // packs to little
	codec, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := codec.Encode(s); !errors.Is(err, ErrUnstorable) {
		t.Errorf("error %v; want ErrUnstorable", err)
	}
}

func TestACorruptStateIsRefusedAndNamed(t *testing.T) {
	codec, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	good, err := codec.Encode(sampleState(t))
	if err != nil {
		t.Fatal(err)
	}
	broken := func(change func(s *State)) []byte {
		s := sampleState(t)
		change(s)
		data, err := codec.Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	packed := func(json string) []byte { return codec.zip.EncodeAll([]byte(json), slices.Clone(magic)) }
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"of a later version", packed(`{"version":2,"app":"campus"}`), "a newer build has stored it, with version 2,"},
		{"of a later version, with another kind of field", packed(`{"version":2,"app":7}`), "a newer build has stored it, with version 2,"},
		{"of a newer build", packed(`{"version":1,"app":"campus","later":1}`), `a newer build has stored it, with the field "later",`},
		{"without a version", packed(`{"app":"campus"}`), "corrupt: it has version 0"},
		{"empty", nil, "does not begin"},
		{"foreign", []byte("{}"), "does not begin"},
		{"cut in half", good[:len(good)/2], "corrupt"},
		{"flipped bit", append(append([]byte{}, good[:60]...), append([]byte{good[60] ^ 1}, good[61:]...)...), "corrupt"},
		{"another app's", broken(func(s *State) { s.App = "other" }), `belongs to the app "other"`},
		{"no checkpoints", broken(func(s *State) { s.Sources = nil }), "no checkpoints"},
		{"no birth", broken(func(s *State) { s.Born = "" }), "no birth"},
		{"digests twice", broken(func(s *State) { s.Digests = append(s.Digests, s.Digests[1]) }), "out of order"},
		{"an empty digest", broken(func(s *State) { s.Digests[0].Events = 0 }), "is empty"},
		{"a broadcast without digest", broken(func(s *State) { s.Sending = &Broadcast{ID: "x"} }), "has no digest"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode("campus", tt.data)
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("error %v; want ErrCorrupt with %q", err, tt.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	codec, err := NewCodec()
	if err != nil {
		f.Fatal(err)
	}
	data, err := codec.Encode(sampleState(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(magic)
	f.Add([]byte("belfry1\n{}"))
	plain, err := json.Marshal(envelope{stateVersion, sampleState(f)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 0 && data[0] == '{' { // the compression would hide what is inside from the fuzzer
			data = codec.zip.EncodeAll(data, slices.Clone(magic))
		}
		s, err := Decode("campus", data)
		if err != nil {
			if s != nil {
				t.Error("a state came with an error")
			}
			return
		}
		if _, err := codec.Encode(s); err != nil {
			t.Errorf("what was decoded cannot be encoded: %v", err)
		}
		s.Expire(noon) // must not panic on anything that was accepted
	})
}
