package nexconn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

// Path is the endpoint of "Broadcast by package name" (seed).
const Path = "/v4/system-channel/app-package-users/send"

const userAgent = "belfry"

// try is one attempt at one host and how it ended.
type try struct {
	host   host
	at     time.Time
	ending ending
	err    error     // why there is no answer
	closed bool      // with unanswered: the other side ended it
	answer answer    // with answered
	asked  time.Time // right before the first byte
	heard  time.Time

	signature string // of the request: whoever reads it may send with it, for as long as its time is accepted
}

var (
	errDeadline = errors.New("the send's deadline has passed")
	errEnded    = errors.New("it was called off before the first byte")
)

// try makes one attempt: a connection, the request, the answer.
func (c *Client) try(ctx context.Context, h host, s bridge.Send) try {
	t := try{host: h, at: c.cfg.Clock()}
	permit := func() error { return c.mayBegin(ctx, s) }
	if t.err = permit(); t.err != nil {
		t.ending = forbidden
		return t
	}
	conn, w, err := c.connect(ctx, h, s.Deadline.Sub(t.at))
	if err != nil {
		t.err = err
		return t
	}
	defer func() { _ = conn.Close() }()

	// Signed only now: the time should be the time of the first byte.
	req, wireForm, err := c.request(h, s)
	if err != nil {
		t.ending, t.err = forbidden, err
		return t
	}
	t.signature = req.Header.Get("Signature")
	w.arm(permit)
	t.asked = c.cfg.Clock()
	_ = conn.SetDeadline(time.Now().Add(c.cfg.AnswerTimeout))
	_, err = conn.Write(wireForm)
	switch {
	case w.refused != nil:
		t.ending, t.err = forbidden, w.refused
		return t
	case err != nil && w.sent == 0:
		t.err = fmt.Errorf("cannot write the request: %w", err)
		return t
	}
	c.listen(&t, conn, req, err)
	return t
}

// listen reads the answer. A host may answer and close before it has read the
// whole request, so that an error while writing does not end the try.
func (c *Client) listen(t *try, conn io.Reader, req *http.Request, writeErr error) {
	a, err := readAnswer(conn, req, c.cfg.MaxResponse)
	t.heard = c.cfg.Clock()
	t.closed = err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case err == nil:
		t.ending, t.answer = answered, a
	case writeErr != nil:
		t.ending, t.err = unanswered, fmt.Errorf("cannot write the whole request: %w", writeErr)
	case errors.Is(err, os.ErrDeadlineExceeded):
		t.ending, t.err = unanswered, fmt.Errorf("cannot wait longer than %s for an answer", c.cfg.AnswerTimeout)
	default:
		t.ending, t.err = unanswered, fmt.Errorf("cannot read an answer: %w", err)
	}
}

// mayBegin is asked right before the first byte.
func (c *Client) mayBegin(ctx context.Context, s bridge.Send) error {
	if ctx.Err() != nil {
		return errEnded
	}
	if !c.cfg.Clock().Before(s.Deadline) {
		return errDeadline
	}
	if s.Permit != nil {
		return s.Permit()
	}
	return nil
}

// request signs the body afresh and returns it as it goes over the wire.
func (c *Client) request(h host, s bridge.Send) (*http.Request, []byte, error) {
	req, err := http.NewRequest(http.MethodPost, h.base+Path, bytes.NewReader(s.Body)) //nolint:noctx // the connection has its own deadline
	if err != nil {
		return nil, nil, fmt.Errorf("cannot build the request: %w", err)
	}
	nonce := c.cfg.Nonce()
	timestamp := strconv.FormatInt(c.cfg.Clock().UnixMilli(), 10)
	req.Close = true
	req.Header = http.Header{
		"App-Key":         {c.cfg.AppKey},
		"Nonce":           {nonce},
		"Timestamp":       {timestamp},
		"Signature":       {Sign(c.cfg.Secret.Reveal(), nonce, timestamp)},
		"X-Request-ID":    {s.ID}, //nolint:canonicalheader // the documented spelling
		"Content-Type":    {"application/json"},
		"Accept-Encoding": {"gzip"},
		"User-Agent":      {userAgent},
	}
	var b bytes.Buffer
	if err := req.Write(&b); err != nil {
		return nil, nil, fmt.Errorf("cannot build the request: %w", err)
	}
	return req, b.Bytes(), nil
}

// String tells people how the try ended.
func (t try) String() string {
	if t.ending != answered {
		return t.err.Error()
	}
	text := fmt.Sprintf("HTTP %d", t.answer.status)
	if t.answer.code != nil {
		text += fmt.Sprintf(" code %d", *t.answer.code)
	}
	if t.answer.trouble != nil {
		text += ": " + t.answer.trouble.Error()
	}
	return text
}
