package contract

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/belfry-bridge/belfry/bridge"
)

const draft = "https://json-schema.org/draft/2020-12/schema"

// meanings says in a sentence what each state reports.
func meanings() map[bridge.ResultState]string {
	return map[bridge.ResultState]string{
		bridge.ResultSent:       "The provider accepted the broadcast, an operator said so, or the template assumes it. Final.",
		bridge.ResultRejected:   "The provider refused the broadcast, and would refuse it again. Final.",
		bridge.ResultInDoubt:    "The broadcast may have been sent; nobody knows. It is held; sent or not_sent follows.",
		bridge.ResultNotSent:    "The broadcast certainly was not sent; its items are back in their digest.",
		bridge.ResultThrottled:  "The provider counts more sends than are known; the items are back in their digest.",
		bridge.ResultDryRun:     "A dry run would have sent the broadcast. Final.",
		bridge.ResultExpired:    "Items left their digest because they were worth nothing any more. Final for them.",
		bridge.ResultMuted:      "Items expired while an operator had muted their digest. Final for them.",
		bridge.ResultCancelled:  "A later event cancelled items before they were sent. Final for them.",
		bridge.ResultOverflowed: "There was no room for another digest of a user audience. Final for the items.",
		bridge.ResultWillMiss:   "A digest is not expected to leave before its first item expires. A warning, once a digest.",
		bridge.ResultBlocked:    "The provider blocked the app: nothing is sent until an operator resumes it.",
		bridge.ResultGap:        "Events were lost before they were read.",
		bridge.ResultQuotaLow:   "One send is left in the day's window, or none. A warning, once each until a send comes back.",
	}
}

// needed lists what is always there in the data, beside what every result has.
func needed(state bridge.ResultState) []string {
	switch state {
	case bridge.ResultBlocked, bridge.ResultQuotaLow:
		return []string{"message"}
	case bridge.ResultGap:
		return []string{"gap", "message"}
	case bridge.ResultExpired, bridge.ResultMuted, bridge.ResultCancelled, bridge.ResultOverflowed:
		return []string{"audience", "template", "digest", "quota"}
	case bridge.ResultWillMiss:
		return []string{"audience", "template", "digest", "rules", "reason", "quota"}
	}
	return []string{"audience", "template", "digest", "broadcast", "request_hash", "rules", "reason", "quota"}
}

func (s *schemas) result(state bridge.ResultState) object {
	data := s.of(reflect.TypeFor[bridge.Result]())
	properties := data["properties"].(object)
	properties["state"] = object{"const": string(state), "description": "what the result reports; also the last token of the subject"}
	data["title"] = state.Type() + ".data" // no two states need the same
	data["required"] = append(data["required"].([]string), needed(state)...)
	text := func(description string) object { return object{"type": "string", "description": description} }
	return object{
		"$schema": draft, "title": state.Type(), "description": meanings()[state], "type": "object",
		"required": []string{"specversion", "id", "source", "type", "time", "datacontenttype", "data"},
		"properties": object{
			"specversion":     object{"const": "1.0"},
			"id":              text("the same whenever the result is published again; also the header Nats-Msg-Id"),
			"source":          object{"type": "string", "pattern": "^/belfry/", "description": "/belfry/ and the app"},
			"type":            object{"const": state.Type()},
			"subject":         text("the broadcast, or the digest"),
			"time":            object{"type": "string", "format": "date-time", "description": "when this was known"},
			"datacontenttype": object{"const": "application/json"},
			"traceparent":     text("of the first event that had one (W3C Trace Context); also a header"),
			"data":            data,
		},
	}
}

// Files are the contract's files, by name: a schema for every type of
// result, and asyncapi.json.
func Files(comments map[string]string) (map[string][]byte, error) {
	s := &schemas{comments: comments, enums: enums()}
	files := map[string]any{"asyncapi.json": s.document()}
	for _, state := range bridge.ResultStates() {
		files[state.Type()+".schema.json"] = s.result(state)
	}
	out := map[string][]byte{}
	for name, file := range files {
		b, err := json.MarshalIndent(file, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("cannot encode %s: %w", name, err)
		}
		out[name] = append(b, '\n')
	}
	return out, nil
}
