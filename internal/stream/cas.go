package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// casSubject is one subject of the state stream that keeps its last message
// only and is changed by compare-and-set on that message's sequence. State
// and lease are both one.
type casSubject struct {
	js      *JetStream
	subject string
}

func (j *JetStream) casSubject(subject string) casSubject { return casSubject{j, subject} }

// put is a single try. It has no message id: within the stream's duplicate
// window a deduplicated put would be acknowledged although it changed nothing.
//
// Dying before the answer leaves either the old or the new message; which one
// only a read from the leader can tell.
func (c casSubject) put(ctx context.Context, data []byte, header nats.Header, expect uint64) (uint64, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	ack, err := c.js.js.PublishMsg(ctx, &nats.Msg{Subject: c.subject, Header: header, Data: data},
		// Should our stream be gone and another one take the subject, refuse.
		jetstream.WithExpectStream(c.js.cfg.StateStream),
		jetstream.WithExpectLastSequencePerSubject(expect),
		jetstream.WithRetryAttempts(0))
	if err := c.js.cfg.Conditions.explain(c.subject, err); err != nil {
		return 0, fmt.Errorf("cannot store %s after sequence %d: %w", c.subject, expect, err)
	}
	c.js.cfg.Conditions.Clear(StreamMissing, c.js.cfg.StateStream)
	return ack.Sequence, nil
}

// get reads the last message from the stream's leader; nil: there is none.
func (c casSubject) get(ctx context.Context) (*jetstream.RawStreamMsg, error) {
	msg, err := c.js.readStored(ctx, c.js.cfg.StateStream, storedRequest{LastFor: c.subject})
	c.js.heard(err)
	switch {
	case apiCode(err) == codeNoMessage:
		return nil, nil
	case isMissing(err):
		// NATS was restarted empty, or someone deleted the stream. The owner
		// has the state still in memory and puts it into the new stream.
		c.js.recreate(ctx, stateStream(c.js.cfg))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", c.subject, err)
	}
	return msg, nil
}

// storedRequest asks for one stored message. Source: nats.io, JetStream API,
// $JS.API.STREAM.MSG.GET.
type storedRequest struct {
	Sequence uint64 `json:"seq,omitempty"`
	LastFor  string `json:"last_by_subj,omitempty"`
}

// readStored asks the leader of the stream. The direct API, which a follower
// that lags behind may answer, is never used, whatever the stream allows.
func (j *JetStream) readStored(ctx context.Context, stream string, want storedRequest) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	request, err := json.Marshal(want)
	if err != nil {
		return nil, err
	}
	subject := "$JS.API.STREAM.MSG.GET." + stream
	answer, err := j.nc.RequestWithContext(ctx, subject, request)
	if err := j.cfg.Conditions.explain(subject, err); err != nil {
		return nil, err
	}
	return decodeStored(answer.Data)
}

func decodeStored(data []byte) (*jetstream.RawStreamMsg, error) {
	var resp struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject  string    `json:"subject"`
			Sequence uint64    `json:"seq"`
			Header   []byte    `json:"hdrs"`
			Data     []byte    `json:"data"`
			Time     time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(data, &resp); err != nil {
		return nil, fmt.Errorf("cannot decode the answer: %w", err)
	}
	if resp.Error != nil {
		return nil, resp.Error
	}
	m := resp.Message
	if m == nil {
		return nil, fmt.Errorf("cannot use the answer: it has neither a message nor an error")
	}
	msg := &jetstream.RawStreamMsg{Subject: m.Subject, Sequence: m.Sequence, Data: m.Data, Time: m.Time}
	// Headers that nobody can read are left out, as the client leaves them out of what
	// is delivered: anybody may publish such an event, and asking again gives the same.
	if header, err := nats.DecodeHeadersMsg(m.Header); len(m.Header) > 0 && err == nil {
		msg.Header = header
	}
	return msg, nil
}
