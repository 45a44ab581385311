package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

const (
	statusSubject = "belfry.control.status"
	orderSubject  = "belfry.control.order."
	orderTimeout  = 10 * time.Second
)

// Daemon is what the service speaks for.
type Daemon interface {
	Overview() bridge.Overview
	// Do changes the state of an app and returns when that is committed;
	// bridge.ErrNotOwner where another replica owns it.
	Do(ctx context.Context, app string, do func(*bridge.State, *mapping.App, time.Time) error) error
}

// Service answers until it is closed.
type Service struct {
	service micro.Service
	nc      *nats.Conn
	daemon  Daemon
	log     *slog.Logger
}

// Serve begins to answer.
func Serve(nc *nats.Conn, d Daemon, log *slog.Logger) (*Service, error) {
	s, err := micro.AddService(nc, micro.Config{
		Name: "belfry", Version: "1.0.0", Description: "status of and orders to Belfry",
		Metadata: map[string]string{"replica": d.Overview().Replica}, QueueGroupDisabled: true,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot offer the control service: %w", err)
	}
	service := &Service{service: s, nc: nc, daemon: d, log: log}
	err = errors.Join(
		s.AddEndpoint("status", micro.HandlerFunc(service.status), micro.WithEndpointSubject(statusSubject)),
		s.AddEndpoint("order", micro.HandlerFunc(service.order), micro.WithEndpointSubject(orderSubject+"*")),
	)
	if err != nil {
		service.Close()
		return nil, fmt.Errorf("cannot offer the control service: %w", err)
	}
	return service, nil
}

// Close stops answering.
func (s *Service) Close() {
	if err := s.service.Stop(); err != nil {
		s.log.Debug("cannot stop the control service", "err", err)
	}
}

func (s *Service) status(r micro.Request) {
	data, err := fitting(s.daemon.Overview(), int(s.nc.MaxPayload()))
	if err == nil {
		err = r.Respond(data)
	}
	if err != nil {
		s.log.Warn("cannot answer a status request", "err", err)
	}
}

// order carries out what the owner can; the others keep silent.
func (s *Service) order(r micro.Request) {
	app := strings.TrimPrefix(r.Subject(), orderSubject)
	o, unread := readOrder(r.Data())
	ctx, cancel := context.WithTimeout(context.Background(), orderTimeout)
	defer cancel()
	var answer Answer
	err := s.daemon.Do(ctx, app, func(st *bridge.State, a *mapping.App, now time.Time) error {
		if unread != nil { // for the owner alone to say: its build may know what ours does not
			return unread
		}
		var err error
		answer, err = o.carryOut(st, a, now)
		return err
	})
	if errors.Is(err, bridge.ErrNotOwner) {
		return
	}
	if err != nil {
		s.refuse(r, err)
		return
	}
	s.log.Info("carried out an order", "app", app, "verb", o.Verb, "by", o.By, "why", o.Why, "what", answer.Text)
	if err := r.RespondJSON(answer); err != nil {
		s.log.Warn("cannot answer an order", "err", err)
	}
}

// readOrder refuses a field that it does not know: without it, the order would
// be another one, such as a mute of more than was meant.
func readOrder(data []byte) (o Order, err error) {
	if err := json.Unmarshal(data, &o); err != nil {
		return Order{}, fmt.Errorf("cannot decode the order: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		what := strings.TrimPrefix(err.Error(), "json: unknown ")
		return Order{}, fmt.Errorf("cannot carry out the order: the build that owns the app does not know its %s, and nothing was changed", what)
	}
	return o, nil
}

func (s *Service) refuse(r micro.Request, err error) {
	if e := r.Error("400", err.Error(), nil); e != nil {
		s.log.Warn("cannot answer an order", "err", e)
	}
}
