package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Server is one simulated provider: a primary and a backup entrance over one
// state. Its methods may be used by several goroutines.
type Server struct {
	cfg Config

	mu         sync.Mutex // guards everything below
	broadcasts []Broadcast
	requests   []Request // the latest maxRequests
	kept       int       // bytes of their bodies
	script     []Step
	sends      map[string]*limiter // by App Key
	recalls    map[string]*limiter
	nonces     map[string]time.Time
	started    time.Time
	lastID     int
	closed     bool

	ctx       context.Context //nolint:containedctx // the server's own life: ends at Close, stops delays and webhooks
	cancel    context.CancelFunc
	work      sync.WaitGroup // Serve loops, calls and webhooks
	listening []*http.Server
	urls      [2]string
}

// What arrived is kept within bounds, since anybody can send it; broadcasts are
// all kept, since they are the proof of what was sent.
const (
	maxRequests = 1000
	maxKept     = 4 << 20  // bytes of their bodies; older ones lose theirs
	maxHeader   = 32 << 10 // bytes; some of it is kept too
)

// The two entrances.
const (
	Primary = "primary"
	Backup  = "backup"
)

// New checks the configuration. The server answers through Handler at once;
// Start gives it ports of its own. Close it in either case.
func New(cfg Config) (*Server, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	cfg.Apps = maps.Clone(cfg.Apps)
	s := &Server{cfg: cfg}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.Reset()
	return s, nil
}

// Reset forgets broadcasts, requests, the script, the quota used and nonces.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broadcasts, s.requests, s.kept, s.script = nil, nil, 0, nil
	s.sends, s.recalls = map[string]*limiter{}, map[string]*limiter{}
	s.nonces = map[string]time.Time{}
	s.started = s.cfg.Clock()
}

// Handler is the primary entrance, with the control endpoints and the page.
func (s *Server) Handler() http.Handler { return s.handler(Primary) }

// BackupHandler is the backup entrance over the same state.
func (s *Server) BackupHandler() http.Handler { return s.handler(Backup) }

// The endpoints that are simulated.
const (
	SendPath   = "/v4/system-channel/app-package-users/send"
	RecallPath = "/v4/system-channel/message/broadcast/delete"
)

func (s *Server) handler(port string) http.Handler {
	controls := s.controls()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.enter() {
			panic(http.ErrAbortHandler) // closed: no answer
		}
		defer s.work.Done()
		w.Header().Set("X-Belfry-Sandbox", "simulator; this is not Nexconn")
		if err := new(http.CrossOriginProtection).Check(r); err != nil { // a web page that knows the port
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		post, get := r.Method == http.MethodPost, r.Method == http.MethodGet
		switch path := r.URL.Path; {
		case path == SendPath && post:
			s.serve(w, r, port, "send", s.send)
		case path == RecallPath && post:
			s.serve(w, r, port, "recall", s.recall)
		case path == "/" && get, strings.HasPrefix(path, "/_sandbox/"):
			controls.ServeHTTP(w, r)
		default:
			s.unknown(w, r, port)
		}
	})
}

// enter counts a call in, unless the server is closed.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.work.Add(1)
	}
	return !s.closed
}

// Start listens on both addresses ("host:port", port 0 for a free one; an
// empty backup address means no backup) until Close.
func (s *Server) Start(primaryAddr, backupAddr string) error {
	for i, e := range []struct {
		name, addr string
		handler    http.Handler
	}{{Primary, primaryAddr, s.Handler()}, {Backup, backupAddr, s.BackupHandler()}} {
		if e.addr == "" {
			continue
		}
		l, err := new(net.ListenConfig).Listen(s.ctx, "tcp", e.addr) // fails once closed
		if err != nil {
			return errors.Join(fmt.Errorf("cannot listen as the %s host: %w", e.name, err), s.Close())
		}
		s.serveOn(i, l, e.handler)
	}
	return nil
}

func (s *Server) serveOn(i int, l net.Listener, h http.Handler) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: maxHeader}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.urls[i] = "http://" + l.Addr().String()
	s.listening = append(s.listening, srv)
	s.work.Go(func() { _ = srv.Serve(l) })
}

// URLs returns the base URLs that Start listens on, primary first.
func (s *Server) URLs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.urls[:]), func(u string) bool { return u == "" })
}

// Close stops listening, drops what is under way and waits for all of it.
// Calls that still come through a Handler get no answer.
func (s *Server) Close() error {
	s.cancel()
	s.mu.Lock()
	servers := s.listening
	s.closed = true
	s.listening, s.urls = nil, [2]string{}
	s.mu.Unlock()
	var errs []error
	for _, srv := range servers {
		errs = append(errs, srv.Close())
	}
	s.work.Wait()
	return errors.Join(errs...)
}

// newID is fresh for the life of the process, and shows its origin.
func (s *Server) newID() string {
	s.lastID++
	stamp := strings.ToUpper(strconv.FormatInt(s.started.Unix(), 36))
	return fmt.Sprintf("SIMU-%s-%04d", stamp, s.lastID)
}
