package nexconn_test

import (
	"bytes"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
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
	if o.Kind != bridge.Accepted || o.ProviderID == "" || o.ProviderID != o.MessageID || o.HTTPStatus != 200 || o.Code == nil || *o.Code != 0 {
		t.Fatalf("outcome %+v, want accepted with an id and code 0", o)
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
