package contract

import (
	"maps"
	"reflect"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/control"
)

func enums() map[string][]string {
	return map[string][]string{
		"BroadcastState": {string(bridge.Sending), string(bridge.Sent), string(bridge.Rejected), string(bridge.InDoubt)},
		"Role":           {string(bridge.RoleStandby), string(bridge.RoleClaiming), string(bridge.RoleOwner), string(bridge.RoleDraining)},
		"Verb": {string(control.Resolve), string(control.PauseIt), string(control.Resume), string(control.Mute),
			string(control.Unmute), string(control.Trust), string(control.Spend), string(control.Unspend)},
	}
}

func ref(path string) object { return object{"$ref": "#/" + path} }

// document is the AsyncAPI 3.0.0 document of all subjects: "send" is what
// Belfry does, "receive" what it takes.
func (s *schemas) document() object {
	messages := object{}
	results := object{}
	for _, state := range bridge.ResultStates() {
		schema := s.result(state)
		delete(schema, "$schema")
		messages[state.Type()] = object{
			"name": state.Type(), "summary": meanings()[state], "contentType": "application/cloudevents+json",
			"headers": resultHeaders(),
			"payload": schema,
		}
		results[state.Type()] = ref("components/messages/" + state.Type())
	}
	maps.Copy(messages, s.otherMessages())
	return object{
		"asyncapi": "3.0.0",
		"info": object{
			"title": "Belfry", "version": "1.0.0", "license": object{"name": "MIT"},
			"description": "What Belfry reads, publishes and answers on NATS. docs/results.md tells how to use it.",
		},
		"defaultContentType": "application/json",
		"channels":           channels(results),
		"operations":         operations(),
		"components":         object{"messages": messages},
	}
}

func channels(results object) object {
	parameter := func(text string) object { return object{"description": text} }
	message := func(name string) object { return object{name: ref("components/messages/" + name)} }
	states := []string{}
	for _, state := range bridge.ResultStates() {
		states = append(states, string(state))
	}
	return object{
		"intake": object{
			"address": "{subject}", "messages": message("event"),
			"description": "The subjects that the rules name under on:, in streams with limits retention.",
			"parameters":  object{"subject": parameter("a subject of the rules")},
		},
		"results": object{
			"address": "belfry.result.{app}.{audience}.{state}", "messages": results,
			"description": "What became of broadcasts, items, apps and sources; in the stream BELFRY_RESULTS, at least once, with the same id.",
			"parameters": object{
				"app":      parameter("app of the rules; with ~dry behind it in a dry run"),
				"audience": parameter("audience of the rules; _ for what is about a whole app"),
				"state":    object{"description": "what the result reports", "enum": states},
			},
		},
		"deadLetters": object{
			"address": "belfry.deadletter.{reason}", "messages": message("deadLetter"),
			"description": "Events that could not be decoded or evaluated; in the stream BELFRY_RESULTS.",
			"parameters":  object{"reason": parameter("undecodable, batch, expression or oversized")},
		},
		"replays": object{
			"address": "belfry.deadletter.replayed", "messages": message("replayed"),
			"description": "Notes that an operator has replayed a dead letter.",
		},
		"status":      object{"address": "belfry.control.status", "messages": message("ask")},
		"orders":      object{"address": "belfry.control.order.{app}", "messages": message("order"), "parameters": object{"app": parameter("app of the rules")}},
		"answers":     object{"address": nil, "messages": message("answer"), "description": "The asker's inbox: the reply subject of the NATS message."},
		"statusInbox": object{"address": nil, "messages": message("overview"), "description": "The asker's inbox: the reply subject of the NATS message; every replica answers."},
	}
}

func operations() object {
	operation := func(action, channel, summary string) object {
		return object{"action": action, "channel": ref("channels/" + channel), "summary": summary}
	}
	ask := operation("receive", "status", "Every replica answers with its overview.")
	ask["reply"] = object{"channel": ref("channels/statusInbox")}
	order := operation("receive", "orders", "The app's owner carries it out, commits, and answers; an error comes in the header Nats-Service-Error.")
	order["reply"] = object{"channel": ref("channels/answers")}
	return object{
		"readEvents":         operation("receive", "intake", "Reads events, without acknowledging them."),
		"publishResults":     operation("send", "results", "Publishes results."),
		"publishDeadLetters": operation("send", "deadLetters", "Publishes dead letters."),
		"noteReplays":        operation("send", "replays", "belfry deadletter replay notes what it has done."),
		"answerStatus":       ask,
		"carryOutOrder":      order,
	}
}

func resultHeaders() object {
	text := func(description string) object { return object{"type": "string", "description": description} }
	return headers(object{
		"Nats-Msg-Id": text("the result's id"), "Content-Type": object{"const": "application/cloudevents+json"},
		"traceparent":       text("of the first event that had one (W3C Trace Context)"),
		bridge.CommitHeader: text("Belfry's own: the stored state that the result is from"),
	}, "Nats-Msg-Id", "Content-Type", bridge.CommitHeader)
}

func headers(properties object, required ...string) object {
	return object{"type": "object", "properties": properties, "required": required}
}

func (s *schemas) otherMessages() object {
	text := func(description string) object { return object{"type": "string", "description": description} }
	origin := object{
		"Nats-Msg-Id": text("the dead letter's id"), "Belfry-App": text("app"),
		"Belfry-Stream": text("stream of the event"), "Belfry-Sequence": text("its sequence there"),
		"Belfry-Subject": text("its subject"), "Belfry-Time": text("when it was stored, RFC 3339"),
		"Belfry-Error": text("why it could not be used"), "Belfry-Rule": text("the rule that failed on it; not there when no rule could see it"),
		"Belfry-Gone":             text("set when the event's bytes are not there, and says why: its stream no longer had them, or they are too many"),
		"Belfry-Headers-Left-Out": text("names of the event's headers that NATS's clients cannot write, quoted"),
		"Belfry-Replay-Of":        text("set when the event was itself a replay: the dead letter before"),
	}
	note := object{"Belfry-Replay-Of": text("the dead letter's id")}
	for _, name := range []string{"Belfry-App", "Belfry-Stream", "Belfry-Sequence", "Belfry-Subject", "Belfry-Time"} {
		note[name] = origin[name]
	}
	ours := func(t reflect.Type, summary string) object {
		return object{"summary": summary, "contentType": "application/json", "payload": s.of(t)}
	}
	return object{
		"event": object{"summary": "CloudEvents 1.0, structured or binary, or plain JSON; traceparent is carried to the result."},
		"deadLetter": object{
			"summary": "The event's own bytes, with its own headers and these.",
			"headers": headers(origin, "Nats-Msg-Id", "Belfry-App", "Belfry-Stream", "Belfry-Sequence", "Belfry-Subject", "Belfry-Time", "Belfry-Error"),
		},
		"replayed": object{"summary": "Headers only.", "headers": headers(note, "Belfry-Replay-Of", "Belfry-Stream", "Belfry-Sequence", "Belfry-Time")},
		"ask":      object{"summary": "Empty."},
		"overview": ours(reflect.TypeFor[bridge.Overview](), "One replica: itself, its troubles, its apps."),
		"order":    ours(reflect.TypeFor[control.Order](), "A change of an app's state."),
		"answer":   ours(reflect.TypeFor[control.Answer](), "What came of an order."),
	}
}
