package mapping

import (
	"strings"

	"github.com/belfry-bridge/belfry/internal/rawjson"
)

// eventDot is what an item template sees: of the event only what it reads.
func eventDot(e *evaluation, use *eventUse) map[string]any {
	dot := map[string]any{}
	if use.all {
		e.env.extensions(dot)
	}
	for name, get := range eventParts() {
		if use.all || use.fields[name] {
			dot[name] = get(e)
		}
	}
	for name := range use.fields {
		if v, ok := e.extension(name); ok && dot[name] == nil {
			dot[name], _ = v.Value().(string)
			if raw, ok := rawjson.Lookup(e.env.body, name); ok {
				dot[name] = decodeForTemplate(raw)
			}
		}
	}
	delete(dot, "data")
	switch {
	case e.env.data == nil || !use.readsData():
	case use.all || use.allData || e.env.data[0] != '{':
		dot["data"] = decodeForTemplate(e.env.data)
	default:
		dot["data"] = someMembers(e.env.members, use.data)
	}
	return dot
}

func someMembers(members []rawjson.Member, names map[string]bool) map[string]any {
	m := make(map[string]any, len(names))
	for name := range names {
		if raw, ok := rawjson.Lookup(members, name); ok {
			m[name] = decodeForTemplate(raw)
		}
	}
	return m
}

// eventParts are the fields of an event besides its data and extensions.
func eventParts() map[string]func(*evaluation) any {
	return map[string]func(*evaluation) any{
		"id":      func(e *evaluation) any { return e.env.id() },
		"type":    func(e *evaluation) any { return e.env.eventType() },
		"source":  func(e *evaluation) any { return e.env.source() },
		"subject": func(e *evaluation) any { return e.env.attribute("subject") },
		"time":    func(e *evaluation) any { return moment{e.env.time()} },
		"nats":    natsPart,
	}
}

func natsPart(e *evaluation) any {
	msg := e.env.msg
	return map[string]any{
		"subject": msg.Subject, "tokens": strings.Split(msg.Subject, "."), "stream": msg.Stream,
		"sequence": msg.Sequence, "time": moment{msg.Time}, "headers": firstValues(msg.Header),
	}
}

// extensions adds a CloudEvent's further attributes.
func (e *envelope) extensions(dot map[string]any) {
	for _, m := range e.body {
		dot[m.Name()] = decodeForTemplate(m.Value)
	}
	if !e.binary {
		return
	}
	for k := range e.msg.Header {
		if name := strings.ToLower(k); strings.HasPrefix(name, "ce-") {
			dot[name[3:]] = e.attribute(name[3:])
		}
	}
}
