package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/belfry-bridge/belfry/bridge"
)

const (
	headerTimeout = 5 * time.Second
	pageTimeout   = 30 * time.Second // of one request and its answer
	closeTimeout  = 2 * time.Second

	maxScrapes     = 4   // at the same time
	maxConnections = 256 // further ones are closed: they must not take files and memory from the sends
)

// Server serves until it is closed.
type Server struct {
	http *http.Server
	addr string
	done chan struct{}
}

// Start listens on addr and returns at once. An empty addr means no server:
// the returned one does nothing. overview must never wait.
func Start(addr string, overview func() bridge.Overview, log *slog.Logger) (*Server, error) {
	s := &Server{done: make(chan struct{})}
	if addr == "" {
		close(s.done)
		return s, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot serve pages: %w", err)
	}
	s.addr = listener.Addr().String()
	s.http = &http.Server{
		Handler: Handler(overview), ReadHeaderTimeout: headerTimeout, ReadTimeout: pageTimeout, WriteTimeout: pageTimeout,
		ConnState: atMost(maxConnections), ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	s.http.SetKeepAlivesEnabled(false) // a connection that nobody uses would take the place of another
	go func() {
		defer close(s.done)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the pages are no longer served", "err", err)
		}
	}()
	log.Info("serves pages", "url", s.URL())
	return s, nil
}

// URL is where the dashboard is; empty without a server.
func (s *Server) URL() string {
	if s.addr == "" {
		return ""
	}
	return "http://" + s.addr
}

// Close stops serving and waits for requests under way, for a moment.
func (s *Server) Close() {
	if s.http != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if s.http.Shutdown(ctx) != nil {
			_ = s.http.Close()
		}
	}
	<-s.done
}

// Handler serves all pages.
func Handler(overview func() bridge.Overview) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{overview}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", inTurn(promhttp.HandlerFor(registry, promhttp.HandlerOpts{})))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { ready(w, overview()) })
	mux.HandleFunc("GET /status", new(shared).handler(jsonHeader, func(w io.Writer) { status(w, overview()) }))
	mux.HandleFunc("GET /{$}", new(shared).handler(dashboardHeader, func(w io.Writer) { dashboard(w, overview()) }))
	return mux
}

// atMost closes connections beyond so many at once.
func atMost(n int64) func(net.Conn, http.ConnState) {
	var open atomic.Int64
	return func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			if open.Add(1) > n {
				_ = c.Close()
			}
		case http.StateClosed:
			open.Add(-1)
		default:
		}
	}
}

// inTurn lets requests wait for others while pages are made, never for whoever
// reads one slowly. Refused ones would look to Prometheus as if the replica were gone.
func inTurn(h http.Handler) http.HandlerFunc {
	turns := make(chan struct{}, maxScrapes)
	return func(w http.ResponseWriter, r *http.Request) {
		made := &unsent{ResponseWriter: w}
		select {
		case turns <- struct{}{}:
			func() {
				defer func() { <-turns }()
				h.ServeHTTP(made, r)
			}()
			_, _ = w.Write(made.page.Bytes()) // the reader has gone
		case <-r.Context().Done(): // nobody waits for it any more
		}
	}
}

// unsent keeps a page until it is made.
type unsent struct {
	http.ResponseWriter
	page bytes.Buffer
}

func (u *unsent) Write(p []byte) (int, error) { return u.page.Write(p) }

// ready tells an orchestrator whether this replica can do its work, which
// does not need it to own any app.
func ready(w http.ResponseWriter, o bridge.Overview) {
	if o.Ready {
		fmt.Fprintln(w, "ready")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(w, "not ready")
	for _, c := range o.Conditions {
		fmt.Fprintf(w, "%s %s: %s\n", c.Name, c.About, c.Message)
	}
}

func jsonHeader(h http.Header) { h.Set("Content-Type", "application/json") }

func status(w io.Writer, o bridge.Overview) {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(o) // into a buffer
}
