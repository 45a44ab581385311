package nexconn_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/nexconn"
	"github.com/belfry-bridge/belfry/internal/sandbox"
	"github.com/belfry-bridge/belfry/mapping"
)

const (
	testKey    = "test-app"
	testSecret = "hush-never-show-this"
)

// provider is a sandbox with two entrances on loopback.
func provider(t *testing.T, cfg sandbox.Config) (*sandbox.Server, []string) {
	t.Helper()
	cfg.Apps = map[string]string{testKey: testSecret}
	s, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	primary, backup := httptest.NewServer(s.Handler()), httptest.NewServer(s.BackupHandler())
	t.Cleanup(primary.Close)
	t.Cleanup(backup.Close)
	return s, []string{primary.URL, backup.URL}
}

func client(t *testing.T, cfg nexconn.Config) *nexconn.Client {
	t.Helper()
	cfg.AppKey = testKey
	if cfg.Secret == "" {
		cfg.Secret = testSecret
	}
	c, err := nexconn.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

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
	return bridge.Send{ID: id, Body: body, Deadline: time.Now().Add(10 * time.Second)}
}

func TestABroadcastReachesTheSandboxOnce(t *testing.T) {
	s, urls := provider(t, sandbox.Config{})
	o := client(t, nexconn.Config{BaseURLs: urls}).Send(t.Context(), lesson("b-1"))
	if o.Kind != bridge.Accepted || o.ProviderID == "" || o.ProviderID != o.MessageID || o.HTTPStatus != 200 {
		t.Fatalf("outcome %+v, want accepted with an id", o)
	}
	sent := s.Broadcasts()
	if len(sent) != 1 || sent[0].ID != o.ProviderID || sent[0].RequestID != "b-1" || sent[0].Package != "com.example.student" {
		t.Errorf("the sandbox sent %+v", sent)
	}
	if o.Host != urls[0] || len(o.Attempts) != 1 || !o.Attempts[0].Written {
		t.Errorf("attempts %+v, next host %s", o.Attempts, o.Host)
	}
	if !o.SkewKnown || o.Skew.Abs() > 2*time.Second {
		t.Errorf("skew %s (known: %t), want about none", o.Skew, o.SkewKnown)
	}
}
