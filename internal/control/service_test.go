package control

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// replica owns the app if it has a state.
type replica struct{ state *bridge.State }

func (r replica) Overview() bridge.Overview { return bridge.Overview{} }

func (r replica) Do(_ context.Context, _ string, do func(*bridge.State, *mapping.App, time.Time) error) error {
	if r.state == nil {
		return bridge.ErrNotOwner
	}
	return do(r.state, &mapping.App{}, time.Now())
}

func connect(t *testing.T, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func TestAnOrderWithWhatTheOwnerDoesNotKnowChangesNothing(t *testing.T) {
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	owner, nc := replica{bridge.NewState("campus", "r")}, connect(t, srv.ClientURL())
	serve := func(d Daemon) {
		s, err := Serve(nc, d, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
	}
	ask := func(order string) string {
		msg, err := nc.Request(orderSubject+"campus", []byte(order), 300*time.Millisecond)
		if err != nil {
			return err.Error()
		}
		return msg.Header.Get("Nats-Service-Error")
	}
	const wider = `{"verb": "mute", "by": "ops", "why": "exams", "seconds": 60, "group": "north"}`

	serve(replica{})
	for _, order := range []string{wider, `{"verb": `} { // another build's owner may well know it
		if got := ask(order); got != nats.ErrTimeout.Error() {
			t.Errorf("a standby answers %s with %q", order, got)
		}
	}
	serve(owner)
	for order, want := range map[string]string{
		wider:                                `does not know its field "group"`,
		`{"verb": "ring", "by": "ops"}`:      `knows no such verb`,
		`{"verb": `:                          `cannot decode the order`,
		`{"verb": "spend", "by": "o"} extra`: `cannot decode the order`,
	} {
		if got := ask(order); !strings.Contains(got, want) {
			t.Errorf("%s is answered with %q, want %q", order, got, want)
		}
	}
	if owner.state.Mutes != nil {
		t.Errorf("muted: %v", owner.state.Mutes)
	}
}
