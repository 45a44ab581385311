package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/belfry-bridge/belfry/internal/sandbox"
)

// exposed is everything that anybody gets to see of a run, by where it was seen.
type exposed map[string][]byte

// places lists where the secret shows, plain or in an encoding.
func (e exposed) places(secret string) (found []string) {
	quoted, _ := json.Marshal(secret) // a string always can
	forms := [][]byte{
		[]byte(secret), bytes.Trim(quoted, `"`), []byte(hex.EncodeToString([]byte(secret))),
		[]byte(base64.StdEncoding.EncodeToString([]byte(secret))), []byte(base64.RawURLEncoding.EncodeToString([]byte(secret))),
	}
	for where, what := range e {
		for _, form := range forms {
			if bytes.Contains(what, form) {
				found = append(found, where)
			}
		}
	}
	return found
}

// streams adds every message of every stream, states decompressed.
func (e exposed) streams(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	for _, name := range []string{"BELFRY", "BELFRY_RESULTS"} {
		s, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		state := s.CachedInfo().State
		for sequence := state.FirstSeq; sequence <= state.LastSeq; sequence++ {
			m, err := s.GetMsg(t.Context(), sequence)
			if err != nil {
				continue // replaced by a newer one
			}
			var whole bytes.Buffer
			for header, values := range m.Header {
				whole.WriteString(header + ": " + strings.Join(values, ", ") + "\n")
			}
			whole.Write(plain(t, m.Data))
			e[name+" "+m.Subject] = append(e[name+" "+m.Subject], whole.Bytes()...)
		}
	}
}

// plain undoes the compression of a state.
func plain(t *testing.T, data []byte) []byte {
	t.Helper()
	body, ok := bytes.CutPrefix(data, []byte("belfry1\n"))
	if !ok {
		return data
	}
	zip, err := zstd.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer zip.Close()
	b, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheSecretShowsNowhereWhateverBecomesOfABroadcast(t *testing.T) {
	t.Parallel()
	provider := startSandbox(t, sandbox.Config{Quota: sandbox.Quota{PerHour: 100, PerDay: 100}})
	provider.Script(
		sandbox.Step{},
		sandbox.Step{Code: 1005},
		sandbox.Step{Status: http.StatusGatewayTimeout, Code: 1050, Accept: new(true)},
		sandbox.Step{Code: 1007},
	)
	natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
	_, js := connect(t, natsURL)
	createSchool(t, js)
	rules := strings.Replace(e2eRules, "quota: {policy: asap}", "quota: {policy: asap, per_hour: 100, per_day: 4}", 1)
	daemon, page := startBelfry(t, provider, natsURL, writeFile(t, "rules.yaml", rules))
	next := func(id int, what string, holds func() bool) {
		t.Helper()
		lesson(t, js, id, "Maths", 30)
		eventually(t, what, holds)
	}
	next(1, "one is sent", func() bool { return overviewOf(t, page).Counts.Sent == 1 })
	next(2, "one is rejected", func() bool { return overviewOf(t, page).Counts.Rejected == 1 })
	next(3, "one is in doubt", func() bool { return len(overviewOf(t, page).InDoubt) == 1 })
	publish(t, js, "school.lesson.cancelled", "{nonsense")
	next(4, "the app is blocked", func() bool { s := overviewOf(t, page); return s.Paused != nil && s.Outbox == 0 })

	seen := exposed{}
	for _, path := range []string{"/", "/status", "/metrics", "/readyz", "/nothing"} {
		status, body := get(page + path)
		if status == 0 {
			t.Fatalf("%s does not answer: %s", path, body)
		}
		seen["page "+path] = []byte(body)
	}
	for _, verb := range []string{"status", "digests", "reconcile", "deadletter list", "resolve nothing-1 --sent", "resume --app other"} {
		for _, form := range []string{"", " --json"} {
			_, out, errs := cli(t, append(strings.Fields(verb+form), "--nats", natsURL)...)
			seen["belfry "+verb+form] = []byte(out + errs)
		}
	}
	seen.streams(t, js)
	states := conform(t, js)
	for _, state := range []string{"sent", "rejected", "in_doubt", "not_sent", "blocked", "quota_low"} {
		if !states[state] {
			t.Errorf("the run had no result that is %s: %v", state, states)
		}
	}
	daemon.kill()
	seen["the daemon's log"] = []byte(daemon.log.String())

	if places := seen.places(testSecret); len(places) > 0 {
		t.Errorf("the secret shows in %v", places)
	}
	for _, place := range []string{"page /metrics", "belfry status", "the daemon's log", "BELFRY belfry.state.campus"} {
		if !bytes.Contains(seen[place], []byte("campus")) {
			t.Errorf("%s was not really looked at:\n%.300s", place, seen[place])
		}
	}
}

func TestTheSearchForTheSecretFindsIt(t *testing.T) {
	for name, text := range map[string]string{
		"plain": testSecret, "base64": base64.StdEncoding.EncodeToString([]byte(testSecret)), "hex": hex.EncodeToString([]byte(testSecret)),
	} {
		if len(exposed{"a log": []byte("key=" + text + ";")}.places(testSecret)) == 0 {
			t.Errorf("%s is not found", name)
		}
	}
}

// conform checks every result that was published against the schema of its
// type in docs/contract, and returns the states that there were.
func conform(t *testing.T, js jetstream.JetStream) map[string]bool {
	t.Helper()
	p, states := publications{stream: "BELFRY_RESULTS"}, map[string]bool{}
	err := p.each(t.Context(), js, "belfry.result.>", func(m jetstream.Msg) error {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(m.Data()))
		if err != nil {
			return err
		}
		event := v.(map[string]any)
		if err := schemaFor(t, event["type"].(string)).Validate(event); err != nil {
			t.Errorf("%s: %v\n%s", m.Subject(), err, m.Data())
		}
		if id := m.Headers().Get(jetstream.MsgIDHeader); id != event["id"] {
			t.Errorf("%s has Nats-Msg-Id %q and id %v", m.Subject(), id, event["id"])
		}
		states[m.Subject()[strings.LastIndex(m.Subject(), ".")+1:]] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return states
}

func schemaFor(t *testing.T, kind string) *jsonschema.Schema {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../docs/contract", kind+".schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("result.json", v); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("result.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}
