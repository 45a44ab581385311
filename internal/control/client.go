package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/belfry-bridge/belfry/bridge"
)

// stall is how long the last of several replicas may take longer than the one before.
const stall = 300 * time.Millisecond

// ErrNobody is returned when no daemon answers.
var ErrNobody = errors.New("no Belfry answers on this NATS")

// Overviews asks every replica, and returns them by name.
func Overviews(ctx context.Context, nc *nats.Conn) ([]bridge.Overview, error) {
	inbox := nc.NewRespInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("cannot ask for the status: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := nc.PublishRequest(statusSubject, inbox, nil); err != nil {
		return nil, fmt.Errorf("cannot ask for the status: %w", err)
	}
	var out []bridge.Overview
	for {
		msg, err := next(ctx, sub, len(out) > 0)
		if errors.Is(err, nats.ErrNoResponders) || msg != nil && len(msg.Data) == 0 && msg.Header.Get("Status") == "503" {
			return nil, ErrNobody
		}
		if err != nil && len(out) > 0 {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("cannot get the status: %w", errors.Join(ErrNobody, err))
		}
		var o bridge.Overview
		if err := json.Unmarshal(msg.Data, &o); err != nil {
			return nil, fmt.Errorf("cannot decode a status: %w", err)
		}
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b bridge.Overview) int { return strings.Compare(a.Name+a.Replica, b.Name+b.Replica) })
	return out, nil
}

func next(ctx context.Context, sub *nats.Subscription, more bool) (*nats.Msg, error) {
	if more {
		return sub.NextMsg(stall)
	}
	return sub.NextMsgWithContext(ctx)
}

// Give gives an order to the owner of an app and returns its answer.
func Give(ctx context.Context, nc *nats.Conn, app string, o Order) (Answer, error) {
	data, err := json.Marshal(o)
	if err != nil {
		return Answer{}, fmt.Errorf("cannot encode the order: %w", err)
	}
	msg, err := nc.RequestWithContext(ctx, orderSubject+app, data)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return Answer{}, ErrNobody
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled): // its owner may have it, and be slow
		return Answer{}, fmt.Errorf("cannot tell whether the owner of %s has carried out the order, or still will: %w (see belfry status before it is given again)", app, err)
	case err != nil:
		return Answer{}, fmt.Errorf("cannot give the order to the owner of %s: %w (does any replica own it? see belfry status)", app, err)
	case msg.Header.Get(micro.ErrorHeader) != "":
		return Answer{}, errors.New(msg.Header.Get(micro.ErrorHeader))
	}
	var a Answer
	if err := json.Unmarshal(msg.Data, &a); err != nil {
		return Answer{}, fmt.Errorf("cannot decode the answer: %w", err)
	}
	return a, nil
}
