package nexconn

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/internal/rawjson"
)

// answer is what the provider said, as far as it could be read.
type answer struct {
	status     int
	code       *int // the business code; nil: no readable one
	message    string
	id         string
	messageID  string
	retryAfter string
	date       time.Time // zero: no usable Date header
	trouble    error     // why the body could not be read
}

// maxInterim bounds the 1xx answers before the real one.
const maxInterim = 5

// readAnswer reads one answer. An error means that not even its status is
// known; trouble with the body is noted in the answer.
func readAnswer(conn io.Reader, req *http.Request, maxBody int64) (answer, error) {
	r := bufio.NewReader(io.LimitReader(conn, maxHead+maxBody))
	for range maxInterim {
		resp, err := http.ReadResponse(r, req) //nolint:bodyclose // readBody closes it, and an interim answer has none
		if err != nil {
			return answer{}, err
		}
		if resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		a := answer{status: resp.StatusCode, retryAfter: resp.Header.Get("Retry-After")}
		if d, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			a.date = d
		}
		a.readBody(resp, maxBody)
		return a, nil
	}
	return answer{}, fmt.Errorf("%d interim answers and no final one", maxInterim)
}

func (a *answer) readBody(resp *http.Response, limit int64) {
	defer func() { _ = resp.Body.Close() }()
	var body io.Reader = resp.Body
	switch encoding := strings.ToLower(resp.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip":
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			a.trouble = fmt.Errorf("cannot unpack the answer: %w", err)
			return
		}
		body = unpacked
	default:
		a.trouble = fmt.Errorf("cannot read the answer: encoding %.20q was not asked for", encoding)
		return
	}
	text, err := io.ReadAll(io.LimitReader(body, limit+1))
	switch {
	case err != nil:
		a.trouble = fmt.Errorf("cannot read the answer: %w", err)
	case int64(len(text)) > limit:
		a.trouble = fmt.Errorf("cannot read the answer: it is over %d bytes", limit)
	default:
		a.decode(text)
	}
}

// decode takes the business code and the message from the body. Nothing else
// of an error body may be relied on (section 4.2).
func (a *answer) decode(body []byte) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		a.trouble = errors.New("cannot read the answer: it is empty")
		return
	}
	fields, ok := rawjson.Object(body, nil)
	codes := 0
	for _, f := range fields {
		if f.Name() == "code" {
			codes++
			ok = ok && json.Unmarshal(f.Value, &a.code) == nil
		}
	}
	switch {
	case !ok:
		a.code, a.trouble = nil, errors.New("cannot read the answer: it is not the documented JSON")
		return
	case codes > 1: // they may contradict each other, which proves nothing
		a.code, a.trouble = nil, errors.New("cannot read the answer: it has several codes")
		return
	case a.code == nil:
		a.trouble = errors.New("cannot read the answer: it has no code")
	}
	// Both are optional (section 4.1), and neither changes the outcome.
	message, _ := rawjson.Lookup(fields, "errorMessage")
	_ = json.Unmarshal(message, &a.message)
	var result struct {
		ID        string `json:"id"`
		MessageID string `json:"messageId"`
	}
	ids, _ := rawjson.Lookup(fields, "result")
	if json.Unmarshal(ids, &result) == nil {
		a.id, a.messageID = result.ID, result.MessageID
	}
}
