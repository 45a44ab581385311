package contract_test

import (
	"bytes"
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
