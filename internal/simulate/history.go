package simulate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// line is one event of a JSON Lines history.
type line struct {
	At      time.Time         `json:"at"`
	Subject string            `json:"subject"`
	ID      string            `json:"id"`
	Headers map[string]values `json:"headers"`
	Data    json.RawMessage   `json:"data"`
	Text    string            `json:"text"` // in place of data: what is no JSON
}

// values are of one header: a text, or a list of them.
type values []string

// UnmarshalJSON implements json.Unmarshaler.
func (v *values) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*v = values{one}
		return nil
	}
	var list []string
	if json.Unmarshal(b, &list) != nil {
		return errors.New("a header is a text, or a list of texts")
	}
	*v = list
	return nil
}

// maxLine is the longest event of a history, in bytes.
const maxLine = 8 << 20

// ReadLines reads a history in JSON Lines: an object a line with "at" (RFC
// 3339), "subject" and "data" (or "text"), and optionally "id" and "headers". Errors name
// the line. stream is what the rules see as the stream's name.
func ReadLines(r io.Reader, stream string) History {
	return func(yield func(mapping.Message, error) bool) {
		in := bufio.NewScanner(r)
		in.Buffer(make([]byte, 64<<10), maxLine)
		n, last, lastLine := uint64(1), time.Time{}, uint64(0)
		for ; in.Scan(); n++ {
			text := in.Bytes()
			if n == 1 {
				text = bytes.TrimPrefix(text, []byte("\uFEFF"))
			}
			if len(bytes.TrimSpace(text)) == 0 {
				continue
			}
			m, err := message(text, stream, n)
			if err == nil && m.Time.Before(last) {
				err = fmt.Errorf("cannot use line %d of the history: it is at %s, and line %d at %s already; events must be in order of time: sort them by \"at\"",
					n, m.Time.Format(time.RFC3339), lastLine, last.Format(time.RFC3339))
			}
			if !yield(m, err) || err != nil {
				return
			}
			last, lastLine = m.Time, n
		}
		switch err := in.Err(); {
		case errors.Is(err, bufio.ErrTooLong):
			yield(mapping.Message{}, fmt.Errorf("cannot read line %d of the history: it is longer than %d MiB", n, maxLine>>20))
		case err != nil:
			yield(mapping.Message{}, fmt.Errorf("cannot read the history: %w", err))
		}
	}
}

// zipped is how files begin that gzip has made.
var zipped = []byte{0x1f, 0x8b}

func message(b []byte, stream string, n uint64) (mapping.Message, error) {
	if n == 1 && bytes.HasPrefix(b, zipped) {
		return mapping.Message{}, errors.New("cannot read the history: it is compressed; gunzip -c FILE | belfry simulate --events -")
	}
	var l line
	err := json.Unmarshal(b, &l)
	if noTime, ok := errors.AsType[*time.ParseError](err); ok {
		err = fmt.Errorf("%s is not a time such as \"2026-11-02T15:04:05+08:00\", which \"at\" wants", noTime.Value)
	}
	if err != nil {
		return mapping.Message{}, fmt.Errorf("cannot read line %d of the history: %w", n, err)
	}
	if l.At.IsZero() || l.Subject == "" {
		return mapping.Message{}, fmt.Errorf("cannot use line %d of the history: it needs \"at\" and \"subject\"", n)
	}
	header := map[string][]string{}
	for name, v := range l.Headers {
		header[name] = v
	}
	if l.ID != "" {
		header["Nats-Msg-Id"] = []string{l.ID}
	}
	if l.Data == nil {
		l.Data = []byte(l.Text)
	}
	return mapping.Message{Subject: l.Subject, Stream: stream, Sequence: n, Time: l.At, Header: header, Data: l.Data}, nil
}
