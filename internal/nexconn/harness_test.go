package nexconn_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/nexconn"
	"github.com/belfry-bridge/belfry/internal/sandbox"
	"github.com/belfry-bridge/belfry/mapping"
)

const (
	testKey       = "test-app"
	testSecret    = "hush-never-show-this"
	proxyPassword = "proxy-pass-hush"
)

// sandboxHosts are a simulated provider's two entrances on loopback.
func sandboxHosts(t *testing.T, cfg sandbox.Config) (*sandbox.Server, []string) {
	t.Helper()
	cfg.Apps = map[string]string{testKey: testSecret}
	s, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	primary, backup := httptest.NewServer(s.Handler()), httptest.NewServer(s.BackupHandler())
	t.Cleanup(func() {
		_ = s.Close()
		primary.Close()
		backup.Close()
	})
	return s, []string{primary.URL, backup.URL}
}

// newClient is a client whose log is searched for secrets at the end.
func newClient(t *testing.T, cfg nexconn.Config) *nexconn.Client {
	t.Helper()
	log := &syncBuffer{}
	cfg.AppKey, cfg.Secret = testKey, testSecret
	cfg.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if cfg.RetryPause == 0 {
		cfg.RetryPause = time.Hour // one round only, unless a test says otherwise
	}
	c, err := nexconn.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustKeepSecrets(t, "the log", log.String()) })
	return c
}

// send also searches the outcome for secrets.
func send(t *testing.T, c *nexconn.Client, s bridge.Send) bridge.Outcome {
	t.Helper()
	o := c.Send(t.Context(), s)
	mustKeepOutcomeClean(t, o)
	return o
}

func mustKeepOutcomeClean(t *testing.T, o bridge.Outcome) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	mustKeepSecrets(t, "the outcome", string(text))
}

func mustKeepSecrets(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range []string{testSecret, proxyPassword} {
		if strings.Contains(text, secret) {
			t.Errorf("%s shows a secret: %s", where, text)
		}
	}
}

// lesson is a broadcast that every check of the sandbox likes.
func lesson(id string) bridge.Send {
	body, err := mapping.Request{
		Platform: []string{"ios", "android"}, FromUserID: "ops",
		Audience:     mapping.RequestAudience{PackageName: "com.example.student"},
		Message:      mapping.RequestMessage{MessageType: "RC:TxtMsg", Content: `{"content":"Classes start at nine"}`},
		Notification: map[string]any{"title": "Timetable", "alert": "Classes start at nine"},
	}.Body()
	if err != nil {
		panic(err)
	}
	return bridge.Send{ID: id, Body: body, Deadline: time.Now().Add(time.Minute)}
}

// listen gives every connection to serve, in order, and returns the base URL.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}

// closedPort is a base URL at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return "http://" + l.Addr().String()
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
