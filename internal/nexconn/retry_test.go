package nexconn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/nexconn"
	"github.com/belfry-bridge/belfry/internal/sandbox"
)

func TestTheBackupIsTriedInOneSendOnlyIfNothingWasWritten(t *testing.T) {
	backup, urls := sandboxHosts(t, sandbox.Config{})
	for _, c := range []struct {
		name    string
		primary string
		want    bridge.OutcomeKind
		sent    int
		tries   int
	}{
		{"refused connection", closedPort(t), bridge.Accepted, 1, 2},
		{"reset after the request", listen(t, func(conn net.Conn) { readRequest(conn); reset(conn) }), bridge.Doubtful, 0, 1},
		{"server error", listen(t, answerOnce("HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n")), bridge.Doubtful, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			backup.Reset()
			o := send(t, newClient(t, nexconn.Config{BaseURLs: []string{c.primary, urls[1]}}), lesson("b-1"))
			if o.Kind != c.want || len(o.Attempts) != c.tries || len(backup.Broadcasts()) != c.sent {
				t.Errorf("kind %s after %+v, the backup sent %d; want %s, %d tries, %d sent", o.Kind, o.Attempts, len(backup.Broadcasts()), c.want, c.tries, c.sent)
			}
			if o.Host != urls[1] {
				t.Errorf("the next send goes to %s, want the backup", o.Host)
			}
		})
	}
}

func TestASendBeginsAtTheHostItIsTold(t *testing.T) {
	s, urls := sandboxHosts(t, sandbox.Config{Quota: sandbox.Quota{PerHour: -1, PerDay: -1}})
	c := newClient(t, nexconn.Config{BaseURLs: urls})
	for _, x := range []struct{ first, port string }{
		{"", sandbox.Primary}, {urls[0], sandbox.Primary}, {urls[1], sandbox.Backup}, {"https://gone.example", sandbox.Primary},
	} {
		b := lesson("b-1")
		b.Host = x.first
		o := send(t, c, b)
		sent := s.Broadcasts()
		if got := sent[len(sent)-1].Port; got != x.port || o.Kind != bridge.Accepted {
			t.Errorf("told %q: went to %s, want %s", x.first, got, x.port)
		}
	}
}

func TestARefusedSignatureIsTriedOnceMoreAfresh(t *testing.T) {
	for _, c := range []struct {
		name  string
		times int
		want  bridge.OutcomeKind
		sent  int
	}{
		{"refused once", 1, bridge.Accepted, 1},
		{"refused again", 2, bridge.Blocked, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, urls := sandboxHosts(t, sandbox.Config{})
			s.Script(sandbox.Step{Times: c.times, Code: 1004})
			now := time.Now()
			client := newClient(t, nexconn.Config{BaseURLs: urls, Clock: func() time.Time { now = now.Add(time.Millisecond); return now }})
			o := send(t, client, lesson("b-1"))
			if o.Kind != c.want || len(o.Attempts) != 2 || len(s.Broadcasts()) != c.sent {
				t.Errorf("outcome %+v, sent %d; want %s in 2 tries, %d sent", o, len(s.Broadcasts()), c.want, c.sent)
			}
			r := s.Requests()
			if r[0].Nonce == r[1].Nonce || r[0].Timestamp == r[1].Timestamp || r[0].BodyHash != r[1].BodyHash || r[0].RequestID != r[1].RequestID {
				t.Errorf("requests %+v, want the same body and id with a fresh nonce and time", r)
			}
		})
	}
}

func TestARefusedSignatureIsNotTriedAgainWhereTheQuotaHasNoRoom(t *testing.T) {
	s, urls := sandboxHosts(t, sandbox.Config{})
	s.Script(sandbox.Step{Times: 2, Code: 1004})
	last := lesson("b-1")
	last.Again = func() error { return errors.New("the quota has no room for a second call") }
	if o := send(t, newClient(t, nexconn.Config{BaseURLs: urls}), last); o.Kind != bridge.Blocked || len(o.Attempts) != 1 || len(s.Requests()) != 1 {
		t.Errorf("outcome %+v after %d requests, want blocked after one", o, len(s.Requests()))
	}
}

// Belfry stops while it asks for a second call: that the first was refused is no reason to pause the app.
func TestASendThatIsCalledOffBeforeItsSecondCallIsNotRefused(t *testing.T) {
	s, urls := sandboxHosts(t, sandbox.Config{})
	s.Script(sandbox.Step{Times: 2, Code: 1004})
	ctx, stop := context.WithCancel(t.Context())
	b := lesson("b-1")
	b.Again = func() error { stop(); return ctx.Err() }
	o := newClient(t, nexconn.Config{BaseURLs: urls}).Send(ctx, b)
	if o.Kind != bridge.NotSent || len(s.Requests()) != 1 || !o.Attempts[0].Written || o.Attempts[1].Written {
		t.Errorf("outcome %+v after %d requests, want not sent after one", o, len(s.Requests()))
	}
}

// An outcome keeps the latest attempts only: the call that was refused must be among
// them, since the provider may have counted it.
func TestARefusedCallIsNotForgottenForWhatCouldNotBeReachedAfterIt(t *testing.T) {
	s, urls := sandboxHosts(t, sandbox.Config{})
	s.Script(sandbox.Step{Code: 1004})
	var dials atomic.Int32
	dialer := &net.Dialer{Control: func(string, string, syscall.RawConn) error {
		if dials.Add(1) > 1 {
			return syscall.ENETUNREACH
		}
		return nil
	}}
	b := lesson("b-1")
	b.Deadline = time.Now().Add(200 * time.Millisecond)
	o := send(t, newClient(t, nexconn.Config{BaseURLs: urls, Dialer: dialer, RetryPause: time.Millisecond, Clock: time.Now}), b)
	written := slices.ContainsFunc(o.Attempts, func(a bridge.Attempt) bool { return a.Written })
	if o.Kind != bridge.NotSent || len(s.Requests()) != 1 || !written {
		t.Errorf("%d requests arrived; outcome %+v, want not sent, with the attempt that was refused", len(s.Requests()), o)
	}
}

func TestHostsAreTriedInTurnUntilTheDeadline(t *testing.T) {
	var now atomic.Int64
	start := time.Now()
	clock := func() time.Time { return start.Add(time.Duration(now.Add(int64(100 * time.Millisecond)))) }
	one, two := closedPort(t), closedPort(t)
	c := newClient(t, nexconn.Config{BaseURLs: []string{one, two}, Clock: clock, RetryPause: time.Millisecond})
	s := lesson("b-1")
	s.Deadline = start.Add(6 * time.Second)
	o := send(t, c, s)
	if o.Kind != bridge.NotSent || len(o.Attempts) < 4 || len(o.Attempts) > 20 {
		t.Fatalf("kind %s after %d tries, want not sent after several rounds, of which at most 20 are kept", o.Kind, len(o.Attempts))
	}
	for i, a := range o.Attempts[1:] {
		if a.Host == o.Attempts[i].Host && a.Result != "the send's deadline has passed" {
			t.Errorf("two tries in a row at %s", a.Host)
		}
	}
}

// A host that refuses connections is not asked as fast as it can refuse them.
func TestHostsAreTriedAgainAfterAPauseByDefault(t *testing.T) {
	for _, pause := range []time.Duration{0, -1} {
		c, err := nexconn.New(nexconn.Config{AppKey: testKey, Secret: testSecret, BaseURLs: []string{closedPort(t)}, RetryPause: pause})
		if err != nil {
			t.Fatal(err)
		}
		s := lesson("b-1")
		s.Deadline = time.Now().Add(100 * time.Millisecond) // before the shortest pause is over
		if o := send(t, c, s); o.Kind != bridge.NotSent || len(o.Attempts) != 1 {
			t.Errorf("%s after %d tries", o.Kind, len(o.Attempts))
		}
	}
}

func TestASendThatCouldNotBeginSucceedsWhenTheWayIsFree(t *testing.T) {
	s, urls := sandboxHosts(t, sandbox.Config{})
	var dials atomic.Int32
	dialer := &net.Dialer{Control: func(string, string, syscall.RawConn) error {
		if dials.Add(1) <= 3 {
			return syscall.ENETUNREACH
		}
		return nil
	}}
	o := send(t, newClient(t, nexconn.Config{BaseURLs: urls, Dialer: dialer, RetryPause: time.Millisecond}), lesson("b-1"))
	if o.Kind != bridge.Accepted || len(o.Attempts) != 4 || len(s.Broadcasts()) != 1 {
		t.Errorf("outcome %+v, want accepted at the fourth try", o)
	}
}

// The nonce is drawn when the connection stands: the last moment before the write.
func TestNothingIsWrittenOnceTheDeadlinePassedOrTheCallerGaveUp(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, how := range []string{"deadline", "caller"} {
			t.Run(fmt.Sprintf("%s, TLS %t", how, secure), func(t *testing.T) {
				var arrived atomic.Int32
				handler := func(w http.ResponseWriter, r *http.Request) { arrived.Add(1); accept(w, r) }
				host := httptest.NewServer(http.HandlerFunc(handler))
				cfg := nexconn.Config{}
				if secure {
					host.Close()
					host = secureHost(t, handler)
					cfg.RootCAs = rootsOf(host)
				}
				defer host.Close()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				now := time.Now()
				cfg.BaseURLs = []string{host.URL, host.URL + "/"}
				cfg.Clock = func() time.Time { return now }
				cfg.Nonce = func() string {
					if how == "caller" {
						cancel()
					} else {
						now = now.Add(time.Hour)
					}
					return "1"
				}
				o := newClient(t, cfg).Send(ctx, lesson("b-1"))
				host.Close() // waits for requests under way
				if o.Kind != bridge.NotSent || len(o.Attempts) != 1 || o.Attempts[0].Written || arrived.Load() != 0 {
					t.Errorf("outcome %+v, %d requests arrived; want nothing written", o, arrived.Load())
				}
			})
		}
	}
}

func TestASendThatIsTooLateOrUnwantedDoesNotEvenConnect(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	late := lesson("b-1")
	late.Deadline = time.Now().Add(-time.Second)
	never := lesson("b-1")
	never.Deadline = time.Time{}
	for name, c := range map[string]struct {
		ctx  context.Context //nolint:containedctx // a test's row
		send bridge.Send
	}{"late": {t.Context(), late}, "without a deadline": {t.Context(), never}, "ended": {ended, lesson("b-1")}} {
		var connections atomic.Int32
		base := listen(t, func(net.Conn) { connections.Add(1) })
		o := newClient(t, nexconn.Config{BaseURLs: []string{base}}).Send(c.ctx, c.send)
		if o.Kind != bridge.NotSent || connections.Load() != 0 || o.Host != base {
			t.Errorf("%s: outcome %+v, %d connections", name, o, connections.Load())
		}
	}
}

func TestGivingUpAfterTheFirstByteDoesNotLoseTheAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	base := listen(t, func(conn net.Conn) {
		readRequest(conn)
		cancel()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"code\":0}")
	})
	if o := newClient(t, nexconn.Config{BaseURLs: []string{base}}).Send(ctx, lesson("b-1")); o.Kind != bridge.Accepted {
		t.Errorf("outcome %+v, want accepted", o)
	}
}

// The nonce is drawn when the connection stands; by its end the reset has arrived.
func TestAWriteThatTookNoByteIsNotASend(t *testing.T) {
	backup, urls := sandboxHosts(t, sandbox.Config{})
	connected, gone := make(chan struct{}), make(chan struct{})
	primary := listen(t, func(conn net.Conn) {
		<-connected
		reset(conn)
		_ = conn.Close()
		close(gone)
	})
	first := true
	c := newClient(t, nexconn.Config{BaseURLs: []string{primary, urls[1]}, Nonce: func() string {
		if first {
			first = false
			close(connected)
			<-gone
		}
		return "1"
	}})
	o := send(t, c, lesson("b-1"))
	if o.Kind != bridge.Accepted || len(o.Attempts) != 2 || o.Attempts[0].Written || len(backup.Broadcasts()) != 1 {
		t.Errorf("outcome %+v, want accepted by the backup after a write of nothing", o)
	}
	if !strings.Contains(o.Attempts[0].Result, "cannot write the request") {
		t.Errorf("attempt %q does not say what went wrong", o.Attempts[0].Result)
	}
}

func TestConnectingDoesNotOutlastTheDeadline(t *testing.T) {
	base := httpsOf(listen(t, untilClosed))
	s := lesson("b-1")
	s.Deadline = time.Now().Add(50 * time.Millisecond)
	o := send(t, newClient(t, nexconn.Config{BaseURLs: []string{base}, ConnectTimeout: time.Hour}), s)
	if o.Kind != bridge.NotSent || len(o.Attempts) != 1 || o.Attempts[0].Written {
		t.Errorf("outcome %+v, want not sent", o)
	}
}
