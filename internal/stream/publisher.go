package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
)

type publisher struct{ js *JetStream }

// publishTimeout leaves whoever publishes, and waits 3 s, the time to look why
// there is no answer.
const publishTimeout = 2 * time.Second

// Publish returns when the stream has the message. Dying after the stream has
// it and before the outbox is cleared publishes it again under the same id,
// which the stream drops within its duplicate window.
//
// A message that can never be stored, being too large or having headers that
// cannot be written, is ErrPermanent.
func (p *publisher) Publish(ctx context.Context, pub bridge.Publication) error {
	try, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	header := nats.Header(maps.Clone(pub.Header))
	_, err := p.js.js.PublishMsg(try, &nats.Msg{Subject: pub.Subject, Header: header, Data: pub.Data},
		jetstream.WithMsgID(pub.ID),
		jetstream.WithExpectStream(p.js.cfg.ResultStream),
		jetstream.WithRetryAttempts(0))
	return p.judge(ctx, pub.Subject, err)
}

// Latest reads the last of the app's results; without the stream there are none.
func (p *publisher) Latest(ctx context.Context, app string) (bridge.LatestResult, error) {
	msg, err := p.js.readStored(ctx, p.js.cfg.ResultStream, storedRequest{LastFor: ResultSubjects + app + ".>"})
	switch {
	case apiCode(err) == codeNoMessage, isMissing(err):
		return bridge.LatestResult{}, nil
	case err != nil:
		return bridge.LatestResult{}, fmt.Errorf("cannot read the latest result of %s: %w", app, err)
	}
	return bridge.LatestResult{At: msg.Time, Commit: msg.Header.Get(bridge.CommitHeader)}, nil
}

func (p *publisher) judge(ctx context.Context, subject string, err error) error {
	conditions := p.js.cfg.Conditions
	err = conditions.explain(subject, err)
	if err == nil {
		conditions.Clear(ResultsUnavailable, "")
		conditions.Clear(StreamMissing, p.js.cfg.ResultStream)
		return nil
	}
	err = fmt.Errorf("cannot publish %s: %w", subject, err)
	if errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrBadSubject) || errors.Is(err, nats.ErrBadHeaderMsg) ||
		apiCode(err) == codeMessageTooLarge || apiCode(err) == codeHeadersTooLarge {
		return fmt.Errorf("%w: %w", err, ErrPermanent)
	}
	conditions.Set(ResultsUnavailable, "", err.Error())
	// Where a subscriber listens, a stream that is gone is silence.
	if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, context.DeadlineExceeded) {
		p.js.recreate(ctx, resultStream(p.js.cfg))
	}
	return err
}
