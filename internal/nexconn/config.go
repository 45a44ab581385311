package nexconn

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// Config says whom a Client speaks for and to. AppKey, Secret and BaseURLs
// are required; zero values elsewhere mean the default named at the field.
type Config struct {
	AppKey   string
	Secret   mapping.Secret
	BaseURLs []string // primary, then backup if there is one: "https://host", without a path

	ConnectTimeout time.Duration // for name, connection, proxy and TLS together; 5 s
	AnswerTimeout  time.Duration // from the first byte written to the last one read; 30 s
	MaxResponse    int64         // bytes of an answer's body, after gzip; 64 KiB
	RetryPause     time.Duration // before all hosts are tried again, growing to 5 s; 250 ms

	Clock   func() time.Time // time.Now
	Nonce   func() string    // at most 18 characters, never twice the same; random digits
	Logger  *slog.Logger     // nothing is logged without one
	RootCAs *x509.CertPool   // who may sign the provider's certificate; the system's list

	// Proxy chooses the proxy for a base URL, nil for none;
	// http.ProxyFromEnvironment (HTTPS_PROXY, NO_PROXY). Asked once, in New.
	Proxy func(*http.Request) (*url.URL, error)
	// Dialer opens TCP connections; one with the system's resolver.
	Dialer *net.Dialer
}

// The defaults of Config.
const (
	defaultConnectTimeout = 5 * time.Second
	defaultAnswerTimeout  = 30 * time.Second
	defaultMaxResponse    = 64 << 10
	defaultRetryPause     = 250 * time.Millisecond
	maxRetryPause         = 5 * time.Second
)

func (c *Config) setDefaults() {
	c.ConnectTimeout = cmp.Or(max(0, c.ConnectTimeout), defaultConnectTimeout)
	c.AnswerTimeout = cmp.Or(max(0, c.AnswerTimeout), defaultAnswerTimeout)
	c.MaxResponse = cmp.Or(max(0, c.MaxResponse), defaultMaxResponse)
	c.RetryPause = cmp.Or(max(0, c.RetryPause), defaultRetryPause)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	c.Dialer = cmp.Or(c.Dialer, &net.Dialer{})
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Nonce == nil {
		c.Nonce = randomNonce
	}
	if c.Proxy == nil {
		c.Proxy = http.ProxyFromEnvironment
	}
}

// New checks the configuration and returns a client for one App Key. It
// connects to nothing. The proxy of each host, if there is one, is logged.
func New(cfg Config) (*Client, error) {
	if cfg.AppKey == "" || cfg.Secret == "" {
		return nil, errors.New("cannot sign requests: the App Key or the App Secret is empty")
	}
	if len(cfg.BaseURLs) == 0 || len(cfg.BaseURLs) > 2 {
		return nil, fmt.Errorf("cannot use %d base URLs: want a primary and perhaps a backup", len(cfg.BaseURLs))
	}
	cfg.setDefaults()
	c := &Client{cfg: cfg}
	for _, base := range cfg.BaseURLs {
		h, err := newHost(base, cfg)
		if err != nil {
			return nil, err
		}
		c.hosts = append(c.hosts, h)
	}
	return c, nil
}

// host is one of the provider's two entrances.
type host struct {
	base  string // as configured, without a trailing slash
	name  string // host name without the port, for TLS
	addr  string // host:port
	tls   *tls.Config
	proxy *url.URL
}

func newHost(base string, cfg Config) (host, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return host{}, fmt.Errorf("cannot use base URL %s: want https://host", redactURL(base))
	}
	h := host{base: strings.TrimRight(base, "/"), name: u.Hostname(), addr: address(u)}
	switch {
	case u.Scheme == "https":
		h.tls = &tls.Config{
			ServerName: h.name, RootCAs: cfg.RootCAs,
			MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		}
	case u.Scheme == "http" && mapping.IsLocal(h.name):
		return h, nil // a simulator next door: no proxy
	default:
		return host{}, fmt.Errorf("cannot use base URL %s: only TLS protects a request, and plain http is for a local simulator", base)
	}
	return h, h.chooseProxy(cfg)
}

func (h *host) chooseProxy(cfg Config) error {
	proxy, err := cfg.Proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: h.addr}})
	if err == nil && proxy == nil {
		return nil
	}
	// A URL that cannot be parsed is tried again behind another http://, and may
	// then seem to have the host "http" and the rest as its path.
	if err != nil || proxy.Hostname() == "" || strings.HasSuffix(proxy.Host, ":") || strings.Trim(proxy.Path, "/") != "" {
		return fmt.Errorf("cannot use the proxy for %s: its URL is malformed", h.base)
	}
	if proxy.Scheme != "http" && proxy.Scheme != "https" {
		return fmt.Errorf("cannot use the proxy for %s: scheme %q is neither http nor https", h.base, proxy.Scheme)
	}
	h.proxy = proxy
	cfg.Logger.Info("provider is reached through a proxy", "host", h.base, "proxy", proxy.Scheme+"://"+proxy.Host)
	return nil
}

// address is where a URL says that a server listens: host:port.
func address(u *url.URL) string {
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme]))
}

// redactURL keeps a URL's host only: what a person wrote by mistake may hold a password.
func redactURL(s string) string {
	if u, err := url.Parse(s); err == nil {
		return fmt.Sprintf("%q", u.Host)
	}
	return "(unreadable)"
}
