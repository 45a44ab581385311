package nexconn

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// connect opens a connection on which the next byte written is the request's
// first: name, TCP, proxy and TLS are done, within what is left until the
// send's deadline. Any error means that no byte of a request left.
func (c *Client) connect(ctx context.Context, h host, left time.Duration) (net.Conn, *wire, error) {
	ctx, cancel := context.WithTimeout(ctx, min(c.cfg.ConnectTimeout, left))
	defer cancel()
	raw, err := c.reach(ctx, h)
	if err != nil {
		return nil, nil, err
	}
	w := &wire{Conn: raw}
	if h.tls == nil {
		return w, w, nil
	}
	secure := tls.Client(w, h.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, nil, fmt.Errorf("cannot agree on TLS with %s: %w", h.addr, orEnd(ctx, err))
	}
	return secure, w, nil
}

// reach opens the way to the host itself, through its proxy if it has one.
func (c *Client) reach(ctx context.Context, h host) (net.Conn, error) {
	if h.proxy == nil {
		conn, err := c.cfg.Dialer.DialContext(ctx, "tcp", h.addr)
		if err != nil {
			return nil, fmt.Errorf("cannot connect to %s: %w", h.addr, err)
		}
		return conn, nil
	}
	addr := address(h.proxy)
	conn, err := c.cfg.Dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to the proxy %s: %w", addr, err)
	}
	tunnel, err := c.tunnel(ctx, conn, h)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("cannot pass the proxy %s: %w", addr, orEnd(ctx, err))
	}
	return tunnel, nil
}

// tunnel asks the proxy for a connection to the host.
func (c *Client) tunnel(ctx context.Context, conn net.Conn, h host) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if h.proxy.Scheme == "https" {
		secure := tls.Client(conn, &tls.Config{ServerName: h.proxy.Hostname(), RootCAs: c.cfg.RootCAs, MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = secure
	}
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: h.addr}, Host: h.addr, Header: http.Header{"User-Agent": {userAgent}}}
	if u := h.proxy.User; u != nil {
		password, _ := u.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	return conn, readTunnelAnswer(conn, req)
}

// maxHead bounds the head of any answer.
const maxHead = 64 << 10

func readTunnelAnswer(conn net.Conn, req *http.Request) error {
	r := bufio.NewReader(io.LimitReader(conn, maxHead))
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answered HTTP %d", resp.StatusCode)
	}
	if r.Buffered() > 0 {
		return errors.New("it spoke before the tunnel was used")
	}
	return nil
}

// orEnd prefers the reason for which ctx ended to the error that ending it caused.
func orEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
