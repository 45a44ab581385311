package nexconn_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/nexconn"
	"github.com/belfry-bridge/belfry/internal/sandbox"
)

// Between the request and its answer any Date is right.
func TestTheClocksDifferByWhatLiesOutsideTheTry(t *testing.T) {
	asked := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, header string
		known        bool
		skew         time.Duration
	}{
		{"before the request", "Date: Sun, 01 Mar 2026 11:59:57 GMT", true, -3 * time.Second},
		{"between", "Date: Sun, 01 Mar 2026 12:00:04 GMT", true, 0},
		{"after the answer", "Date: Sun, 01 Mar 2026 12:00:12 GMT", true, 2 * time.Second},
		{"without a Date", "X: y", false, 0},
		{"with one that is none", "Date: noon", false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var arrived atomic.Bool
			base := listen(t, func(conn net.Conn) {
				readRequest(conn)
				arrived.Store(true)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+c.header+"\r\nContent-Length: 10\r\n\r\n{\"code\":0}")
			})
			s := lesson("b-1")
			s.Deadline = asked.Add(time.Minute)
			o := send(t, newClient(t, nexconn.Config{BaseURLs: []string{base}, Clock: func() time.Time {
				if arrived.Load() {
					return asked.Add(10 * time.Second)
				}
				return asked
			}}), s)
			if o.Kind != bridge.Accepted || o.SkewKnown != c.known || o.Skew != c.skew {
				t.Errorf("%s, skew %s, known %t; want %s, %t", o.Kind, o.Skew, o.SkewKnown, c.skew, c.known)
			}
		})
	}
}

func TestAnOutcomeQuotesTheProviderAndStaysShort(t *testing.T) {
	s, urls := sandboxHosts(t, sandbox.Config{})
	s.Script(sandbox.Step{Code: 1002, Message: "no such " + strings.Repeat("é", 5000)})
	o := send(t, newClient(t, nexconn.Config{BaseURLs: urls}), lesson("b-1"))
	if o.HTTPStatus != 400 || o.Code == nil || *o.Code != 1002 {
		t.Fatalf("outcome %+v, want HTTP 400 and code 1002", o)
	}
	if !strings.Contains(o.Message, ": no such é") || strings.Count(o.Message, "é") > 500 || !strings.HasSuffix(o.Message, "…") {
		t.Errorf("a message of %d bytes: %.200s", len(o.Message), o.Message)
	}
}

// It covers neither the body nor the path, so that it would sign any other broadcast.
func TestAnOutcomeDoesNotQuoteTheSignature(t *testing.T) {
	for _, answer := range []string{"HTTP/1.1 %s\r\n\r\n", "HTTP/1.1 400 X\r\n\r\n{\"code\":1002,\"errorMessage\":\"%s\"}"} {
		signed := make(chan string, 1)
		base := listen(t, func(conn net.Conn) {
			r, err := http.ReadRequest(bufio.NewReader(conn))
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			signed <- r.Header.Get("Signature")
			_, _ = fmt.Fprintf(conn, answer, r.Header.Get("Signature"))
		})
		o := send(t, newClient(t, nexconn.Config{BaseURLs: []string{base}}), lesson("b-1"))
		if text := fmt.Sprintf("%+v", o); strings.Contains(text, <-signed) || !strings.Contains(text, "[signature]") {
			t.Errorf("the outcome quotes the signature: %s", text)
		}
	}
}

func TestAProxyWithoutAPortHasItsSchemes(t *testing.T) {
	for proxy, want := range map[string]string{"http://127.0.0.1": "127.0.0.1:80", "https://127.0.0.1": "127.0.0.1:443", "http://127.0.0.1:3128": "127.0.0.1:3128"} {
		var dialled atomic.Value
		o := send(t, newClient(t, nexconn.Config{
			BaseURLs: []string{"https://api.example.com"},
			Proxy:    func(*http.Request) (*url.URL, error) { return url.Parse(proxy) },
			Dialer: &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
				dialled.Store(address)
				return errors.New("not today")
			}},
		}), lesson("b-1"))
		if dialled.Load() != want || o.Kind != bridge.NotSent {
			t.Errorf("%s: %s, dialled %v, want %s", proxy, o.Kind, dialled.Load(), want)
		}
	}
}
