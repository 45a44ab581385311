package nexconn_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/nexconn"
)

// readRequest reads one whole request.
func readRequest(conn net.Conn) {
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err == nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
}

// reset makes Close send RST instead of FIN.
func reset(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }

func httpsOf(base string) string { return "https" + strings.TrimPrefix(base, "http") }

// untilClosed holds a connection until the other side closes it.
func untilClosed(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func throughProxy(base string) func(*http.Request) (*url.URL, error) {
	return func(*http.Request) (*url.URL, error) {
		u, err := url.Parse(base)
		if err == nil {
			u.User = url.UserPassword("belfry", proxyPassword)
		}
		return u, err
	}
}

func answerOnce(text string) func(net.Conn) {
	return func(conn net.Conn) {
		readRequest(conn)
		_, _ = io.WriteString(conn, text)
	}
}

// Each row is a real connection on loopback.
func TestTroubleWithTheConnectionHasItsOutcome(t *testing.T) {
	for _, c := range []struct {
		name    string
		config  func(t *testing.T) nexconn.Config
		body    []byte
		want    bridge.OutcomeKind
		written bool
		says    string
	}{
		{name: "the name cannot be resolved", want: bridge.NotSent, says: "lookup", config: func(*testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{"https://provider.invalid"}, Dialer: &net.Dialer{Resolver: &net.Resolver{
				PreferGo: true,
				Dial:     func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no name server") },
			}}}
		}},
		{name: "the connection is refused", want: bridge.NotSent, says: "connection refused", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{closedPort(t)}}
		}},
		{name: "the connection is not answered in time", want: bridge.NotSent, says: "timeout", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{fullBacklog(t)}, ConnectTimeout: 200 * time.Millisecond}
		}},
		{name: "the certificate is not trusted", want: bridge.NotSent, says: "certificate", config: func(t *testing.T) nexconn.Config {
			s := httptest.NewUnstartedServer(nil)
			s.Config.ErrorLog = quiet()
			s.StartTLS()
			t.Cleanup(s.Close)
			return nexconn.Config{BaseURLs: []string{s.URL}}
		}},
		{name: "the server only knows TLS 1.1", want: bridge.NotSent, says: "version", config: func(t *testing.T) nexconn.Config {
			s := httptest.NewUnstartedServer(nil)
			s.Config.ErrorLog = quiet()
			s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11} //nolint:gosec // what is tested
			s.StartTLS()
			t.Cleanup(s.Close)
			return nexconn.Config{BaseURLs: []string{s.URL}, RootCAs: rootsOf(s)}
		}},
		{name: "the TLS handshake is not answered in time", want: bridge.NotSent, says: "deadline exceeded", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{httpsOf(listen(t, untilClosed))}, ConnectTimeout: 200 * time.Millisecond}
		}},
		{name: "the TLS handshake is reset", want: bridge.NotSent, says: "TLS", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{httpsOf(listen(t, func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)); reset(conn) }))}}
		}},
		{name: "the server does not speak TLS", want: bridge.NotSent, says: "TLS", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{httpsOf(listen(t, func(conn net.Conn) { _, _ = io.WriteString(conn, "220 mail\r\n") }))}}
		}},
		{name: "the proxy refuses", want: bridge.NotSent, says: "HTTP 407", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{"https://provider.test"}, Proxy: throughProxy(listen(t, answerOnce("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")))}
		}},
		{name: "the proxy is not there", want: bridge.NotSent, says: "connection refused", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{"https://provider.test"}, Proxy: throughProxy(closedPort(t))}
		}},
		{name: "the proxy is not answering in time", want: bridge.NotSent, says: "deadline exceeded", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{"https://provider.test"}, Proxy: throughProxy(listen(t, untilClosed)), ConnectTimeout: 200 * time.Millisecond}
		}},
		{name: "the proxy is none", want: bridge.NotSent, says: "malformed", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{"https://provider.test"}, Proxy: throughProxy(listen(t, answerOnce("220 mail\r\n\r\n")))}
		}},
		{name: "the proxy says more than it was asked", want: bridge.NotSent, says: "it spoke before the tunnel was used", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{"https://provider.test"}, Proxy: throughProxy(listen(t, answerOnce("HTTP/1.1 200 OK\r\n\r\nwelcome")))}
		}},
		{name: "the proxy cannot reach the provider", want: bridge.NotSent, says: "HTTP 502", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{"https://provider.test"}, Proxy: throughProxy(listen(t, answerOnce("HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")))}
		}},
		{
			name: "writing breaks off", want: bridge.Doubtful, written: true, says: "cannot write the whole request",
			body: bytes.Repeat([]byte("x"), 12<<20), // more than the system buffers
			config: func(t *testing.T) nexconn.Config {
				return nexconn.Config{BaseURLs: []string{listen(t, func(conn net.Conn) {
					_, _ = conn.Read(make([]byte, 1))
					reset(conn)
				})}}
			},
		},
		{
			name: "writing stalls", want: bridge.Doubtful, written: true, says: "cannot write the whole request",
			body: bytes.Repeat([]byte("x"), 12<<20),
			config: func(t *testing.T) nexconn.Config {
				stop := make(chan struct{})
				base := listen(t, func(net.Conn) { <-stop })
				t.Cleanup(func() { close(stop) })
				return nexconn.Config{BaseURLs: []string{base}, AnswerTimeout: 50 * time.Millisecond}
			},
		},
		{name: "the connection is reset after the request", want: bridge.Doubtful, written: true, says: "reset", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{listen(t, func(conn net.Conn) { readRequest(conn); reset(conn) })}}
		}},
		{name: "the connection ends after the request", want: bridge.Doubtful, written: true, says: "EOF", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{listen(t, readRequest)}}
		}},
		{name: "the connection ends after the request, over TLS", want: bridge.Doubtful, written: true, says: "EOF", config: func(t *testing.T) nexconn.Config {
			s := secureHost(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
			return nexconn.Config{BaseURLs: []string{s.URL}, RootCAs: rootsOf(s)}
		}},
		{name: "no answer comes in time, over TLS", want: bridge.Doubtful, written: true, says: "cannot wait longer than 50ms", config: func(t *testing.T) nexconn.Config {
			s := secureHost(t, func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				<-r.Context().Done() // the caller leaves
			})
			return nexconn.Config{BaseURLs: []string{s.URL}, RootCAs: rootsOf(s), AnswerTimeout: 50 * time.Millisecond}
		}},
		{name: "the connection ends within the answer's head", want: bridge.Doubtful, written: true, says: "cannot read an answer", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{listen(t, answerOnce("HTTP/1.1 200 OK\r\nContent-"))}}
		}},
		{name: "the answer is not HTTP", want: bridge.Doubtful, written: true, says: "malformed", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{listen(t, answerOnce("220 mail\r\n\r\n"))}}
		}},
		{name: "the answer's head never ends", want: bridge.Doubtful, written: true, says: "cannot read an answer", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{listen(t, answerOnce("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20)))}}
		}},
		{name: "only interim answers come", want: bridge.Doubtful, written: true, says: "interim", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{listen(t, answerOnce(strings.Repeat("HTTP/1.1 102 Wait\r\n\r\n", 9)))}}
		}},
		{name: "no answer comes in time", want: bridge.Doubtful, written: true, says: "cannot wait longer than 50ms", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{listen(t, untilClosed)}, AnswerTimeout: 50 * time.Millisecond}
		}},
		{name: "the answer's body stops half way", want: bridge.Doubtful, written: true, says: "HTTP 200: cannot read the answer", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{listen(t, func(conn net.Conn) {
				answerOnce("HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{\"code\":0")(conn)
				untilClosed(conn)
			})}, AnswerTimeout: 50 * time.Millisecond}
		}},
		{name: "the answer's body is reset half way", want: bridge.Doubtful, written: true, says: "HTTP 200: cannot read the answer", config: func(t *testing.T) nexconn.Config {
			return nexconn.Config{BaseURLs: []string{listen(t, answerOnce("HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{\"code\":0"))}}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := lesson("b-1")
			if c.body != nil {
				s.Body = c.body
			}
			o := send(t, newClient(t, c.config(t)), s)
			t.Logf("%s: %s", o.Kind, o.Message)
			if o.Kind != c.want || len(o.Attempts) != 1 || o.Attempts[0].Written != c.written {
				t.Errorf("kind %s, attempts %+v; want %s, written %t", o.Kind, o.Attempts, c.want, c.written)
			}
			if !strings.Contains(o.Message, c.says) || !strings.Contains(o.Attempts[0].Result, c.says) {
				t.Errorf("message %q, attempt %q; want both to say %q", o.Message, o.Attempts[0].Result, c.says)
			}
		})
	}
}

func TestAnOutcomeTellsWhetherTheOtherSideEndedTheExchange(t *testing.T) {
	for name, c := range map[string]struct {
		host   func(net.Conn)
		closed bool
	}{
		"it was reset":           {func(conn net.Conn) { readRequest(conn); reset(conn) }, true},
		"it was closed":          {readRequest, true},
		"it was silent":          {untilClosed, false},
		"an answer needs no end": {answerOnce("HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n"), false},
	} {
		o := send(t, newClient(t, nexconn.Config{BaseURLs: []string{listen(t, c.host)}, AnswerTimeout: 200 * time.Millisecond}), lesson("b-1"))
		if o.Kind != bridge.Doubtful || o.Closed != c.closed {
			t.Errorf("%s: %s, closed %t", name, o.Message, o.Closed)
		}
	}
}

// fullBacklog is a port whose queue of connections is full, so that the
// system lets further ones wait.
func fullBacklog(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}
	conn, err := net.Dial("tcp", addr.String()) // takes the only place
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return "http://" + addr.String()
}
