package stream

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// EmbeddedOptions are how to run a nats-server inside this process.
type EmbeddedOptions struct {
	Dir    string       // where its streams live; created when missing
	Port   int          // on 127.0.0.1; 0: any free one
	Logger *slog.Logger // nil: slog.Default()

	// PowerLoss makes every stored message survive a power loss: the server
	// syncs the disk before it acknowledges (sync_interval: always). Without
	// it a message survives the end of this process, by any signal, but up to
	// the last two minutes may be lost with the power, and then a broadcast
	// may be sent again.
	//
	// It holds for all streams of the server. On an ext4 disk a commit of
	// 100 KiB took 2 to 4 ms instead of 0.4, which nobody feels, but an event
	// that is published alone 1.7 ms instead of 0.04. So it is off by
	// default, and with it on, streams of events are best created with
	// persist_mode: async, which takes them out of it: 0.07 ms.
	PowerLoss bool

	lookEvery time.Duration // for what a full disk has left behind; 0: 5 s
	limit     int64         // bytes that the first server may store; 0: three quarters of the disk
}

// Embedded is a nats-server with JetStream inside this process. It is reached
// over loopback TCP, which drained faster than the in-process pipe.
type Embedded struct {
	options EmbeddedOptions
	unlock  func()
	stop    context.CancelFunc // ends watching for a full disk
	watched chan struct{}      // closed when that has ended
	full    atomic.Int64       // when the server last met a full disk, in ns since 1970
	limited atomic.Int64       // when it last met its own limit

	mu     sync.Mutex // guards what follows
	server *server.Server
	fatal  <-chan string // why the server cannot run; it says so only in its log
}

// StartEmbedded returns when the server accepts connections and JetStream is
// ready, or with an error when ctx ends before. A folder that another
// process uses is an error, since two servers would destroy each other's streams.
func StartEmbedded(ctx context.Context, o EmbeddedOptions) (*Embedded, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot keep streams in %s: %w", o.Dir, err)
	}
	unlock, err := lockFolder(filepath.Join(o.Dir, "belfry.lock"))
	if err != nil {
		return nil, fmt.Errorf("cannot keep streams in %s: %w: %w", o.Dir, err, ErrPermanent)
	}
	o.Logger = cmp.Or(o.Logger, slog.Default())
	e := &Embedded{options: o, unlock: unlock, watched: make(chan struct{})}
	if err := e.start(ctx); err != nil {
		unlock()
		return nil, err
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	e.stop = stop
	go e.watch(watching)
	return e, nil
}

// start runs a new server; with an error none is left.
func (e *Embedded) start(ctx context.Context) error {
	s, err := server.NewServer(e.options.serverOptions())
	if err != nil {
		return fmt.Errorf("cannot start the embedded nats-server: %w", err)
	}
	fatal := make(chan string, 1)
	s.SetLoggerV2(serverLog{e.options.Logger, fatal, &e.full, &e.limited}, false, false, false)
	e.server, e.fatal = s, fatal
	s.Start()
	if err := e.waitUntilReady(ctx); err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return err
	}
	return nil
}

func (o EmbeddedOptions) serverOptions() *server.Options {
	return &server.Options{
		ServerName: "belfry-embedded",
		Host:       "127.0.0.1",
		Port:       cmp.Or(o.Port, server.RANDOM_PORT),
		JetStream:  true,
		StoreDir:   o.Dir,
		SyncAlways: o.PowerLoss,

		JetStreamMaxStore: o.limit,
		NoSigs:            true, // signals belong to the daemon
	}
}

func (e *Embedded) waitUntilReady(ctx context.Context) error {
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !e.server.ReadyForConnections(time.Millisecond) || !e.server.JetStreamEnabled() {
		select {
		case why := <-e.fatal:
			return fmt.Errorf("cannot start the embedded nats-server: %s: %w", why, ErrPermanent)
		case <-ctx.Done():
			return fmt.Errorf("cannot wait for the embedded nats-server: %w", ctx.Err())
		case <-poll.C:
		}
	}
	return nil
}

// URL is where clients of this machine reach the server.
func (e *Embedded) URL() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return "nats://127.0.0.1:" + strconv.Itoa(e.port())
}

func (e *Embedded) port() int {
	addr, ok := e.server.Addr().(*net.TCPAddr)
	if !ok {
		return e.options.Port
	}
	return addr.Port
}

// Shutdown stops the server and returns when its files are closed.
func (e *Embedded) Shutdown() {
	e.stop()
	<-e.watched
	e.mu.Lock()
	defer e.mu.Unlock()
	e.server.Shutdown()
	e.server.WaitForShutdown()
	e.unlock()
}

// serverLog passes the server's log on, its notices as debug.
type serverLog struct {
	log           *slog.Logger
	fatal         chan<- string
	full, limited *atomic.Int64
}

func (l serverLog) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l serverLog) Warnf(format string, v ...any)   { l.log.Warn(fmt.Sprintf(format, v...)) }
func (l serverLog) Errorf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if strings.Contains(text, diskFull) {
		l.full.Store(time.Now().UnixNano())
	}
	if strings.Contains(text, limitMet) {
		l.limited.Store(time.Now().UnixNano())
	}
	l.log.Error(text)
}

// Fatalf keeps the first reason. The process goes on: it is not the server's.
func (l serverLog) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
	}
}

func (l serverLog) Debugf(string, ...any) {}
func (l serverLog) Tracef(string, ...any) {}
