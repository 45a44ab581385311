package web

import (
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

// The files and the memory that a process may have are there for its sends.
func TestConnectionsBeyondALimitAreClosedUntilOthersEnd(t *testing.T) {
	addr := serving(t)
	held := make([]net.Conn, maxConnections)
	for i := range held {
		held[i] = half(t, addr)
	}
	if got := answer(half(t, addr)); got != "" {
		t.Errorf("one connection more than %d is answered: %s", maxConnections, got)
	}
	for i, c := range held {
		if got := answer(c); !strings.HasPrefix(got, "HTTP/1.1 200 OK") {
			t.Fatalf("connection %d of %d is not answered: %q", i+1, maxConnections, got)
		}
	}
	// All have ended, as their readers have seen; the count follows at once, but not before.
	for deadline := time.Now().Add(5 * time.Second); answer(half(t, addr)) == ""; {
		if time.Now().After(deadline) {
			t.Fatal("nobody is answered after the others have ended")
		}
	}
}

func serving(t *testing.T) string {
	s, err := Start("127.0.0.1:0", func() bridge.Overview { return bridge.Overview{} }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s.addr
}

// half begins a request.
func half(t *testing.T, addr string) net.Conn {
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(4 * time.Second)) // the server waits for 5 s
	_, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\n")
	return c
}

// answer ends the request and reads until the server closes the connection;
// empty where it gives none.
func answer(c net.Conn) string {
	_, _ = io.WriteString(c, "Host: belfry\r\n\r\n")
	text, err := io.ReadAll(c)
	if err != nil {
		return ""
	}
	return string(text)
}
