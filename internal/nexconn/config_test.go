package nexconn_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/nexconn"
)

func TestUnsafeSettingsAreRefused(t *testing.T) {
	noProxy := func(*http.Request) (*url.URL, error) { return nil, nil } //nolint:nilnil // http's convention
	for _, c := range []struct {
		name  string
		urls  []string
		wrong bool
	}{
		{"https", []string{"https://api.sg-light-api.com"}, false},
		{"https with a slash and a backup", []string{"https://api.sg-light-api.com/", "https://api-b.sg-light-api.com"}, false},
		{"plain http on loopback", []string{"http://127.0.0.1:8080"}, false},
		{"plain http to a neighbour in a container network", []string{"http://sandbox:8080"}, false},
		{"plain http elsewhere", []string{"http://api.sg-light-api.com"}, true},
		{"plain http to a public address", []string{"http://203.0.113.7"}, true},
		{"a path", []string{"https://api.sg-light-api.com/v4"}, true},
		{"a password", []string{"https://u:" + proxyPassword + "@api.sg-light-api.com"}, true},
		{"another scheme", []string{"ftp://api.sg-light-api.com"}, true},
		{"no host", []string{"https://"}, true},
		{"nothing", nil, true},
		{"three hosts", []string{"https://a.example", "https://b.example", "https://c.example"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := nexconn.New(nexconn.Config{AppKey: testKey, Secret: testSecret, BaseURLs: c.urls, Proxy: noProxy})
			if (err != nil) != c.wrong {
				t.Errorf("error %v, want one: %t", err, c.wrong)
			}
			if err != nil {
				mustKeepSecrets(t, "the error", err.Error())
			}
		})
	}
	for _, cfg := range []nexconn.Config{{Secret: testSecret}, {AppKey: testKey}} {
		cfg.BaseURLs = []string{"https://api.sg-light-api.com"}
		if _, err := nexconn.New(cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

func TestAProxyOfAnotherKindIsRefusedWithoutItsPassword(t *testing.T) {
	_, err := nexconn.New(nexconn.Config{
		AppKey: testKey, Secret: testSecret, BaseURLs: []string{"https://api.sg-light-api.com"},
		Proxy: throughProxy("socks5://127.0.0.1:1080"),
	})
	if err == nil || !strings.Contains(err.Error(), "socks5") {
		t.Fatalf("error %v, want one about socks5", err)
	}
	mustKeepSecrets(t, "the error", err.Error())
}

// What Go makes of HTTPS_PROXY=http://u:p@[bad is http://http://u:p@[bad.
func TestAMalformedProxyIsRefusedWithoutItsPassword(t *testing.T) {
	for _, proxy := range []*url.URL{
		{Scheme: "http", Host: "http:", Path: "//belfry:" + proxyPassword + "@[bad"},
		{Scheme: "http", Host: "proxy.example.com", Path: "/belfry:" + proxyPassword},
		{Scheme: "http", Host: ":3128"},
	} {
		_, err := nexconn.New(nexconn.Config{
			AppKey: testKey, Secret: testSecret, BaseURLs: []string{"https://api.sg-light-api.com"},
			Proxy: func(*http.Request) (*url.URL, error) { return proxy, nil },
		})
		if err == nil || !strings.Contains(err.Error(), "malformed") {
			t.Fatalf("%s: error %v, want one about a malformed URL", proxy.Host, err)
		}
		mustKeepSecrets(t, "the error", err.Error())
	}
}

// proxyTo is a proxy that tunnels to target and remembers what it was asked.
func proxyTo(target string, asked *http.Request) func(net.Conn) {
	return func(conn net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		*asked = *r
		up, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		defer func() { _ = up.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(up, conn) }()
		_, _ = io.Copy(conn, up)
	}
}

func TestTheProxyIsUsedAndLoggedWithoutItsPassword(t *testing.T) {
	host := secureHost(t, accept)
	target := strings.TrimPrefix(host.URL, "https://")
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			var asked http.Request
			serve := proxyTo(target, &asked)
			if scheme == "https" {
				plain := serve
				serve = func(conn net.Conn) { plain(tls.Server(conn, &tls.Config{Certificates: host.TLS.Certificates})) }
			}
			proxy := scheme + strings.TrimPrefix(listen(t, serve), "http")
			var logged syncBuffer
			c, err := nexconn.New(nexconn.Config{
				AppKey: testKey, Secret: testSecret, BaseURLs: []string{host.URL}, RootCAs: rootsOf(host),
				Proxy: throughProxy(proxy), Logger: slog.New(slog.NewTextHandler(&logged, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			if o := send(t, c, lesson("b-1")); o.Kind != bridge.Accepted {
				t.Fatalf("outcome %+v", o)
			}
			want := "Basic " + base64.StdEncoding.EncodeToString([]byte("belfry:"+proxyPassword))
			if asked.Method != http.MethodConnect || asked.RequestURI != target || asked.Header.Get("Proxy-Authorization") != want {
				t.Errorf("the proxy was asked %s %s", asked.Method, asked.RequestURI)
			}
			if !strings.Contains(logged.String(), proxy) {
				t.Errorf("the log does not name the proxy %s:\n%s", proxy, logged.String())
			}
			mustKeepSecrets(t, "the log", logged.String())
		})
	}
}

// The environment is read once per process, so this needs one of its own.
func TestTheProxyOfTheEnvironmentIsHonoured(t *testing.T) {
	if os.Getenv("NEXCONN_TEST_PROXY") != "" {
		_, err := nexconn.New(nexconn.Config{
			AppKey: testKey, Secret: testSecret, Logger: slog.New(slog.NewTextHandler(os.Stdout, nil)),
			BaseURLs: []string{"https://api.sg-light-api.com", "https://direct.example"},
		})
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTheProxyOfTheEnvironmentIsHonoured$") //nolint:gosec // this very test
	cmd.Env = append(os.Environ(), "NEXCONN_TEST_PROXY=1", "NO_PROXY=direct.example",
		"HTTPS_PROXY=http://belfry:"+proxyPassword+"@proxy.example:3128")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := strings.Count(string(out), "http://proxy.example:3128"); got != 1 || strings.Contains(string(out), "host=https://direct.example") {
		t.Errorf("the log names the proxy %d times, want once, for the first host:\n%s", got, out)
	}
	mustKeepSecrets(t, "the log", string(out))
}
