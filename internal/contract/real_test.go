package contract_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

const everyKindOfAudience = `version: 1
apps:
  campus:
    {app_key: key, app_secret: secret-of-the-campus, region: singapore, sender: office, packages: [com.example.student], everyone: true}
audiences:
  package: {app: campus, package: com.example.student}
  tagged: {app: campus, package: com.example.student, tags: {any: [north]}}
  users: {app: campus, users: event.data.users}
  some: {app: campus, package: com.example.student, users: event.data.users}
  everyone: {app: campus, everyone: true}
templates:
  news:
    gather: {at_most: 1m}
    expires_after: 1h
    message: {type: RC:TxtMsg, content: {content: "{{ .Count }}"}}
    notification: {title: News, alert: "{{ .Last.Text }}"}
rules:
  - {name: told, on: school.>, audience: %s, template: news, item: news}
`

// What the bridge itself reports holds to its schema, whatever the audience
// and whatever becomes of the broadcast.
func TestTheResultsOfEveryKindOfAudienceHoldToTheirSchemas(t *testing.T) {
	schemas := map[bridge.ResultState]*jsonschema.Schema{}
	for _, state := range bridge.ResultStates() {
		schemas[state] = compiled(t, filepath.Join(folder, state.Type()+".schema.json"))
	}
	outcomes := []bridge.OutcomeKind{
		bridge.Accepted, bridge.OutcomeRejected, bridge.NotSent, bridge.Throttled, bridge.Blocked, bridge.DryRun, bridge.Doubtful,
	}
	begin := time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	for _, audience := range []string{"package", "tagged", "users", "some", "everyone"} {
		rules, problems := mapping.Compile("rules.yaml", fmt.Appendf(nil, everyKindOfAudience, audience), mapping.Options{})
		if rules == nil {
			t.Fatal(problems)
		}
		app, said := rules.Apps["campus"], 0
		for _, outcome := range outcomes {
			s := bridge.NewState("campus", "b0rn")
			s.Fold(app, &mapping.Message{Stream: "SCHOOL", Sequence: 1, Subject: "school.news", Time: begin, Data: []byte(`{"users":["ada","bob"]}`)})
			if len(s.Digests) != 1 {
				t.Fatalf("%s: %d digests", audience, len(s.Digests))
			}
			now := begin.Add(2 * time.Minute)
			if _, _, err := s.Begin(app, s.Digests[0], "a try", now); err != nil {
				t.Fatal(err)
			}
			s.Settle(app, bridge.Outcome{Kind: outcome, At: now, Message: "a try"}, now)
			for _, e := range s.Outbox {
				p, err := e.Result.Publication(e.ID)
				if err != nil {
					t.Fatal(err)
				}
				v, err := jsonschema.UnmarshalJSON(bytes.NewReader(p.Data))
				if err != nil {
					t.Fatal(err)
				}
				if err := schemas[e.Result.State].Validate(v); err != nil {
					t.Errorf("%s for the audience %s: %v\n%s", e.Result.State, audience, err, p.Data)
				}
				said++
			}
		}
		if said < len(outcomes) {
			t.Errorf("%s: %d results of %d outcomes", audience, said, len(outcomes))
		}
	}
}

// Subscribers may test code == 0.
func TestTheProvidersCodeIsPublishedWhereItGaveOne(t *testing.T) {
	rules, problems := mapping.Compile("rules.yaml", fmt.Appendf(nil, everyKindOfAudience, "package"), mapping.Options{})
	if rules == nil {
		t.Fatal(problems)
	}
	app, begin := rules.Apps["campus"], time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		outcome bridge.Outcome
		want    any
	}{
		"accepted":       {bridge.Outcome{Kind: bridge.Accepted, HTTPStatus: 200, Code: new(0)}, 0.0},
		"refused":        {bridge.Outcome{Kind: bridge.OutcomeRejected, HTTPStatus: 400, Code: new(1005)}, 1005.0},
		"no answer":      {bridge.Outcome{Kind: bridge.Doubtful}, nil},
		"a proxy's page": {bridge.Outcome{Kind: bridge.Doubtful, HTTPStatus: 502}, nil},
	} {
		s := bridge.NewState("campus", "b0rn")
		s.Fold(app, &mapping.Message{Stream: "SCHOOL", Sequence: 1, Subject: "school.news", Time: begin, Data: []byte(`{}`)})
		now := begin.Add(2 * time.Minute)
		if _, _, err := s.Begin(app, s.Digests[0], "a try", now); err != nil {
			t.Fatal(err)
		}
		s.Settle(app, c.outcome, now)
		s.Epoch = 1
		s.Seal(app, "replica", now)
		codec, err := bridge.NewCodec()
		if err != nil {
			t.Fatal(err)
		}
		stored, err := codec.Encode(s) // it waits there until it is published
		if err != nil {
			t.Fatal(err)
		}
		s, err = bridge.Decode("campus", stored)
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Outbox[0].Result.Publication("id")
		if err != nil {
			t.Fatal(err)
		}
		var published struct{ Data map[string]any }
		if err := json.Unmarshal(p.Data, &published); err != nil {
			t.Fatal(err)
		}
		if got := published.Data["code"]; got != c.want {
			t.Errorf("%s: code %v, want %v\n%s", name, got, c.want, p.Data)
		}
	}
}
