package nexconn_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/nexconn"
	"github.com/belfry-bridge/belfry/internal/sandbox"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func rootsOf(s *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

func TestABroadcastReachesTheSandboxOnce(t *testing.T) {
	s, urls := sandboxHosts(t, sandbox.Config{})
	o := send(t, newClient(t, nexconn.Config{BaseURLs: urls}), lesson("b-1"))
	if o.Kind != bridge.Accepted || o.ProviderID == "" || o.ProviderID != o.MessageID || o.HTTPStatus != 200 {
		t.Fatalf("outcome %+v, want accepted with an id", o)
	}
	sent := s.Broadcasts()
	if len(sent) != 1 || sent[0].ID != o.ProviderID || sent[0].RequestID != "b-1" || sent[0].Package != "com.example.student" {
		t.Errorf("the sandbox sent %+v", sent)
	}
	if o.Host != urls[0] || len(o.Attempts) != 1 || !o.Attempts[0].Written || o.Attempts[0].Result != "HTTP 200 code 0" {
		t.Errorf("attempts %+v, next host %s", o.Attempts, o.Host)
	}
	if !o.SkewKnown || o.Skew.Abs() > 2*time.Second {
		t.Errorf("skew %s (known: %t), want about none", o.Skew, o.SkewKnown)
	}
}

var update = flag.Bool("update", false, "rewrite the golden files")

// The golden file is also what the sandbox is tested with.
func TestTheRequestIsExactlyAsDocumented(t *testing.T) {
	var got bytes.Buffer
	base := listen(t, func(conn net.Conn) {
		readRequest(teeConn{conn, &got})
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"code\":0}")
	})
	at := time.UnixMilli(1_700_000_000_000)
	c := newClient(t, nexconn.Config{
		BaseURLs: []string{base},
		Clock:    func() time.Time { return at }, Nonce: func() string { return "123456789012345678" },
	})
	s := lesson("0197f0c2-7f5e-7c3a-9d0e-3b1f6f1c2a44")
	s.Deadline = at.Add(time.Second)
	if o := send(t, c, s); o.Kind != bridge.Accepted {
		t.Fatalf("outcome %+v", o)
	}
	text := strings.ReplaceAll(got.String(), strings.TrimPrefix(base, "http://"), "provider.test")
	golden := filepath.Join("testdata", "request.http")
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil { //nolint:gosec // a test's file
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("request:\n%s\nwant:\n%s", text, want)
	}
	if strings.Contains(strings.ToLower(text), "idempotency") {
		t.Error("an idempotency header would let a library send the request again")
	}
}

type teeConn struct {
	net.Conn
	to io.Writer
}

func (c teeConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	_, _ = c.to.Write(p[:n])
	return n, err
}

func TestNoncesAreEighteenDigitsAndDiffer(t *testing.T) {
	s, urls := sandboxHosts(t, sandbox.Config{RejectReplay: true, Quota: sandbox.Quota{PerHour: -1, PerDay: -1}})
	c := newClient(t, nexconn.Config{BaseURLs: urls})
	for i := range 20 {
		if o := send(t, c, lesson(fmt.Sprintf("b-%d", i))); o.Kind != bridge.Accepted {
			t.Fatalf("outcome %+v", o)
		}
	}
	for _, r := range s.Requests() {
		if len(r.Nonce) != 18 || strings.Trim(r.Nonce, "0123456789") != "" {
			t.Errorf("nonce %q, want 18 digits", r.Nonce)
		}
	}
}

// secureHost is a TLS provider that also offers HTTP/2.
func secureHost(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func accept(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"code":0}`) }

func TestEveryBroadcastHasAConnectionOfItsOwnWithHTTP11OverTLS(t *testing.T) {
	var connections, others atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Proto != "HTTP/1.1" || r.TLS == nil || !r.Close {
			others.Add(1)
		}
		accept(w, r)
	}))
	s.EnableHTTP2 = true
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	c := newClient(t, nexconn.Config{BaseURLs: []string{s.URL}, RootCAs: rootsOf(s)})
	for range 3 {
		if o := send(t, c, lesson("b-1")); o.Kind != bridge.Accepted {
			t.Fatalf("outcome %+v", o)
		}
	}
	if connections.Load() != 3 || others.Load() != 0 {
		t.Errorf("%d connections for 3 broadcasts, %d requests not as wanted", connections.Load(), others.Load())
	}
}

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

func TestScriptedAnswersOfTheSandboxHaveTheirOutcome(t *testing.T) {
	for _, c := range []struct {
		name string
		step sandbox.Step
		want bridge.OutcomeKind
		sent int
		says string
	}{
		{"accepted but 504", sandbox.Step{Status: 504, Code: 1050, Accept: new(true)}, bridge.Doubtful, 1, "code 1050"},
		{"504 and not accepted", sandbox.Step{Status: 504, Code: 1050}, bridge.Doubtful, 0, "code 1050"},
		{"dropped before reading", sandbox.Step{Drop: "before"}, bridge.Doubtful, 0, "cannot read an answer"},
		{"dropped after accepting", sandbox.Step{Drop: "after"}, bridge.Doubtful, 1, "cannot read an answer"},
		{"200 with HTML", sandbox.Step{Body: "html"}, bridge.Doubtful, 1, "not the documented JSON"},
		{"truncated JSON", sandbox.Step{Body: "truncated"}, bridge.Doubtful, 1, "not the documented JSON"},
		{"cut off", sandbox.Step{Body: "cut"}, bridge.Doubtful, 1, "HTTP 200: cannot read the answer: unexpected EOF"},
		{"empty", sandbox.Step{Body: "empty"}, bridge.Doubtful, 1, "empty"},
		{"too long", sandbox.Step{Body: "huge"}, bridge.Doubtful, 1, "over 65536 bytes"},
		{"a gzip bomb", sandbox.Step{Body: "gzip_bomb"}, bridge.Doubtful, 1, "over 65536 bytes"},
		{"a redirect", sandbox.Step{Redirect: "/elsewhere"}, bridge.Doubtful, 0, "HTTP 307"},
		{"200 with a code", sandbox.Step{Status: 200, Code: 1002}, bridge.OutcomeRejected, 0, "HTTP 200 code 1002"},
		{"throttled", sandbox.Step{Code: 1008, RetryAfter: "120"}, bridge.Throttled, 0, "HTTP 429 code 1008"},
		{"not enabled", sandbox.Step{Code: 1009}, bridge.Blocked, 0, "HTTP 430 code 1009"},
		{"a message that quotes the secret", sandbox.Step{Code: 1002, Message: "bad\x00 " + testSecret}, bridge.OutcomeRejected, 0, "bad  [secret]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, urls := sandboxHosts(t, sandbox.Config{})
			s.Script(c.step)
			o := send(t, newClient(t, nexconn.Config{BaseURLs: urls}), lesson("b-1"))
			if o.Kind != c.want || len(s.Broadcasts()) != c.sent || len(s.Requests()) != 1 {
				t.Errorf("outcome %+v, sent %d, %d requests; want %s, sent %d, 1 request", o, len(s.Broadcasts()), len(s.Requests()), c.want, c.sent)
			}
			if !strings.Contains(o.Message, c.says) {
				t.Errorf("message %q does not say %q", o.Message, c.says)
			}
		})
	}
}

func TestAPackedAnswerIsUnpacked(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := io.WriteString(z, `{"code":0}`); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	base := listen(t, answerOnce(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", packed.Len(), packed.String())))
	if o := send(t, newClient(t, nexconn.Config{BaseURLs: []string{base}}), lesson("b-1")); o.Kind != bridge.Accepted {
		t.Errorf("outcome %+v, want accepted", o)
	}
}

func TestRetryAfterIsReadAsSecondsOrAsADateOfTheProvidersClock(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, header string
		want         time.Duration // after now; 0: none
	}{
		{"seconds", "Retry-After: 90", 90 * time.Second},
		{"a date, when the provider's clock is an hour ahead", "Date: Sun, 01 Mar 2026 13:00:00 GMT\r\nRetry-After: Sun, 01 Mar 2026 13:10:00 GMT", 10 * time.Minute},
		{"a date without the provider's time", "Retry-After: Sun, 01 Mar 2026 12:05:00 GMT", 5 * time.Minute},
		{"far beyond a day", "Retry-After: 99999999", 25 * time.Hour},
		{"the past", "Retry-After: Sun, 01 Mar 2020 12:05:00 GMT", 0},
		{"a negative number", "Retry-After: -5", 0},
		{"nonsense", "Retry-After: soon", 0},
		{"none", "X: y", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			base := listen(t, answerOnce("HTTP/1.1 429 X\r\n"+c.header+"\r\nContent-Length: 13\r\n\r\n{\"code\":1008}"))
			s := lesson("b-1")
			s.Deadline = now.Add(time.Second)
			o := send(t, newClient(t, nexconn.Config{BaseURLs: []string{base}, Clock: func() time.Time { return now }}), s)
			want := time.Time{}
			if c.want > 0 {
				want = now.Add(c.want)
			}
			if o.Kind != bridge.Throttled || !o.RetryAfter.Equal(want) {
				t.Errorf("%s until %v, want throttled until %v", o.Kind, o.RetryAfter, want)
			}
		})
	}
}

func TestTheProvidersClockIsCompared(t *testing.T) {
	for _, c := range []struct {
		skew  time.Duration
		alarm bool
	}{{0, false}, {20 * time.Second, false}, {45 * time.Second, true}, {-45 * time.Second, true}} {
		s, urls := sandboxHosts(t, sandbox.Config{})
		s.Script(sandbox.Step{DateSkew: sandbox.Duration(c.skew)})
		var logged syncBuffer
		client, err := nexconn.New(nexconn.Config{
			AppKey: testKey, Secret: testSecret, BaseURLs: urls, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		o := send(t, client, lesson("b-1"))
		if off := o.Skew - c.skew; !o.SkewKnown || off.Abs() > 2*time.Second {
			t.Errorf("skew %s, want %s", o.Skew, c.skew)
		}
		if got := strings.Contains(logged.String(), "level=WARN"); got != c.alarm {
			t.Errorf("skew %s: warned %t, want %t:\n%s", c.skew, got, c.alarm, logged.String())
		}
	}
}

func TestABroadcastThatCannotBeARequestIsRejectedWithoutATry(t *testing.T) {
	s, urls := sandboxHosts(t, sandbox.Config{})
	c := newClient(t, nexconn.Config{BaseURLs: urls})
	empty, injected, long := lesson("b-1"), lesson("b-1\r\nX: y"), lesson(strings.Repeat("x", 37))
	empty.Body = nil
	for name, b := range map[string]bridge.Send{"no body": empty, "no id": lesson(""), "line break": injected, "long id": long} {
		if o := send(t, c, b); o.Kind != bridge.OutcomeRejected || o.Message == "" || len(s.Requests()) != 0 {
			t.Errorf("%s: outcome %+v, %d requests", name, o, len(s.Requests()))
		}
	}
}
