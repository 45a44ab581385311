package mapping

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/internal/rawjson"
)

var (
	errBatch   = errors.New("cannot take a batch of CloudEvents apart: publish each event as a message of its own")
	errNotJSON = errors.New("cannot read the content as JSON")
	errNoData  = errors.New("the event has no data")
)

// envelope is a message with its attributes found but not yet decoded. It
// refers to the message's memory.
type envelope struct {
	msg     *Message
	body    []rawjson.Member // of a structured CloudEvent
	binary  bool             // attributes are ce- headers
	data    []byte           // raw JSON; nil without
	dataErr error            // why data is nil
	members []rawjson.Member // of data, when it is an object
}

// open finds out what kind of event a message is. The error, if any, says why
// nothing of the message can be used beyond its NATS side.
func (e *envelope) open(m *Message) error {
	*e = envelope{msg: m, body: e.body[:0], members: e.members[:0]}
	contentType := e.header("Content-Type")
	if contentType != "" {
		if t, _, err := mime.ParseMediaType(contentType); err == nil {
			contentType = t
		}
	}
	switch {
	case strings.HasPrefix(contentType, "application/cloudevents-batch"):
		return errBatch
	case strings.HasPrefix(contentType, "application/cloudevents"):
		return e.openStructured(true)
	case e.header("ce-specversion") != "":
		e.binary = true
		return e.openBinary(contentType)
	}
	return e.openStructured(false)
}

func (e *envelope) openBinary(contentType string) error {
	for _, name := range []string{"ce-id", "ce-source", "ce-type"} {
		if e.header(name) == "" {
			return fmt.Errorf("cannot use a CloudEvent without the header %s", name)
		}
	}
	e.setData(e.msg.Data, contentType)
	return nil
}

// openStructured reads a JSON body, which is a CloudEvent if it says so, or
// if it must be one.
func (e *envelope) openStructured(must bool) error {
	var ok bool
	e.body, ok = rawjson.Object(e.msg.Data, e.body)
	if !ok {
		if first := bytes.TrimLeft(e.msg.Data, " \t\r\n"); must || len(first) == 0 || first[0] == '{' {
			e.dataErr = notJSON(e.msg.Data)
			e.body = e.body[:0]
			return e.dataErr
		}
		return e.openPlain()
	}
	if !must && !e.looksLikeCloudEvent() {
		e.members, e.body = e.body, e.members[:0]
		e.data = bytes.TrimSpace(e.msg.Data)
		return nil
	}
	for _, name := range []string{"specversion", "id", "source", "type"} {
		if e.attribute(name) == "" {
			return fmt.Errorf("cannot use a CloudEvent without the attribute %s", name)
		}
	}
	e.setStructuredData()
	return nil
}

func (e *envelope) looksLikeCloudEvent() bool {
	for _, name := range []string{"specversion", "id", "source", "type"} {
		if v, ok := rawjson.Lookup(e.body, name); !ok || v[0] != '"' {
			return false
		}
	}
	return true
}

// openPlain is for JSON that is not an object.
func (e *envelope) openPlain() error {
	if !rawjson.Valid(e.msg.Data) {
		e.dataErr = notJSON(e.msg.Data)
		return e.dataErr
	}
	var first []byte
	rawjson.Array(e.msg.Data, func(element []byte) {
		if first == nil {
			first = element
		}
	})
	members, _ := rawjson.Object(first, nil)
	if _, ce := rawjson.Lookup(members, "specversion"); ce {
		return errBatch
	}
	e.data = bytes.TrimSpace(e.msg.Data)
	return nil
}

// notJSON says why data can't be read. Some of it nobody would see who looks at the text.
func notJSON(data []byte) error {
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return fmt.Errorf("%w: it is empty", errNotJSON)
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return fmt.Errorf("%w: it begins with a byte order mark, which JSON has not", errNotJSON)
	case bytes.HasPrefix(data, []byte("\x1f\x8b")):
		return fmt.Errorf("%w: it is compressed with gzip", errNotJSON)
	}
	var v json.RawMessage
	if err := json.Unmarshal(data, &v); err != nil {
		return fmt.Errorf("%w: %w", errNotJSON, err)
	}
	if rawjson.Valid(data) {
		return fmt.Errorf("%w object, which a CloudEvent is", errNotJSON)
	}
	return fmt.Errorf("%w: it is nested more than %d levels deep", errNotJSON, rawjson.MaxDepth)
}

// garbled reports whether there are data that nobody can read.
func (e *envelope) garbled() bool { return e.dataErr != nil && !errors.Is(e.dataErr, errNoData) }

func (e *envelope) setStructuredData() {
	if raw, ok := rawjson.Lookup(e.body, "data"); ok {
		e.setJSON(raw)
		return
	}
	raw, ok := rawjson.Lookup(e.body, "data_base64")
	if !ok {
		e.dataErr = errNoData
		return
	}
	data, err := base64.StdEncoding.DecodeString(stringOf(raw))
	if err != nil {
		e.dataErr = fmt.Errorf("cannot decode data_base64: %w", err)
		return
	}
	e.setData(data, e.attribute("datacontenttype"))
}

func (e *envelope) setData(data []byte, contentType string) {
	switch {
	case len(data) == 0:
		e.dataErr = errNoData
	case contentType != "" && !strings.Contains(strings.ToLower(contentType), "json"):
		e.dataErr = fmt.Errorf("the event's data is %s, not JSON", contentType)
	case !rawjson.Valid(data):
		e.dataErr = notJSON(data)
	default:
		e.setJSON(bytes.TrimSpace(data))
	}
}

func (e *envelope) setJSON(raw []byte) {
	e.data = raw
	if len(raw) > 0 && raw[0] == '{' {
		e.members, _ = rawjson.Object(raw, e.members[:0])
	}
}

// header finds a header whatever its case: producers disagree about it. Of
// several, the same one is always taken.
func (e *envelope) header(name string) string {
	if len(e.msg.Header) == 0 {
		return ""
	}
	if v := e.msg.Header[name]; len(v) > 0 {
		return v[0]
	}
	found := ""
	for k, v := range e.msg.Header {
		if len(k) == len(name) && strings.EqualFold(k, name) && len(v) > 0 && (found == "" || k < found) {
			found = k
		}
	}
	if found == "" {
		return ""
	}
	return e.msg.Header[found][0]
}

// attribute returns a CloudEvents attribute as text; empty when there is none, as
// of every event that is plain JSON.
func (e *envelope) attribute(name string) string {
	if e.binary {
		v := e.header("ce-" + name)
		if name == "datacontenttype" {
			v = e.header("Content-Type")
		}
		if plain, err := url.PathUnescape(v); err == nil {
			return plain
		}
		return v
	}
	raw, ok := rawjson.Lookup(e.body, name)
	if !ok {
		return ""
	}
	return stringOf(raw)
}

// stringOf is a JSON value as text: strings without quotes, the rest as it stands.
func stringOf(raw []byte) string {
	if len(raw) >= 2 && raw[0] == '"' {
		return rawjson.Text(raw)
	}
	if string(raw) == "null" {
		return ""
	}
	return string(raw)
}

// event decodes the envelope.
func (e *envelope) event() Event {
	return Event{ID: e.id(), Type: e.eventType(), Source: e.source(), Subject: e.attribute("subject"), Time: e.time()}
}

func (e *envelope) id() string {
	if id := e.attribute("id"); id != "" {
		return id
	}
	if id := e.header("Nats-Msg-Id"); id != "" {
		return id
	}
	return e.msg.Stream + ":" + strconv.FormatUint(e.msg.Sequence, 10)
}

func (e *envelope) eventType() string { return cmp.Or(e.attribute("type"), e.msg.Subject) }

func (e *envelope) source() string { return cmp.Or(e.attribute("source"), e.msg.Stream) }

func (e *envelope) time() time.Time {
	if at := e.attribute("time"); at != "" {
		if t, err := time.Parse(time.RFC3339Nano, at); err == nil && encodable(t) {
			return t
		}
	}
	return e.msg.Time
}

// encodable reports whether a time can be written again, here and in UTC: what
// Parse takes, such as an offset of 24 hours, the encoders may refuse, and a
// state that has it could never be stored.
func encodable(t time.Time) bool {
	_, here := t.MarshalText()
	_, inUTC := t.UTC().MarshalText()
	return here == nil && inUTC == nil
}
