package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/internal/sandbox"
)

const (
	testKey    = "test-key"
	testSecret = "the-secret-that-must-never-show"
	patience   = 30 * time.Second // for things that take a moment; waiting ends as soon as they happened
)

// binaries are built once for all tests that run real processes.
var binaries struct {
	once   sync.Once
	folder string
	err    error
}

func TestMain(m *testing.M) {
	flag.Parse()
	// The parallel tests are those that wait for leases to run out: more of
	// them than processors can wait at the same time.
	if p := flag.Lookup("test.parallel"); p.Value.String() == p.DefValue {
		_ = flag.Set("test.parallel", "14")
	}
	code := m.Run()
	if binaries.folder != "" {
		_ = os.RemoveAll(binaries.folder)
	}
	os.Exit(code)
}

// built returns the path of a program: "belfry" or "nats-server".
func built(t testing.TB, program string) string {
	t.Helper()
	binaries.once.Do(func() {
		if binaries.folder, binaries.err = os.MkdirTemp("", "belfry-test-"); binaries.err != nil {
			return
		}
		for out, pkg := range map[string]string{"belfry": ".", "nats-server": "github.com/nats-io/nats-server/v2"} {
			if _, binaries.err = build(out, pkg); binaries.err != nil {
				return
			}
		}
	})
	if binaries.err != nil {
		t.Fatal(binaries.err)
	}
	return filepath.Join(binaries.folder, program)
}

// build compiles a program like the tests themselves: with the race detector
// where they have it, and with their build tags.
func build(out, pkg string, tags ...string) (string, error) {
	for flag := range strings.FieldsSeq(os.Getenv("GOFLAGS")) {
		if more, ok := strings.CutPrefix(flag, "-tags="); ok {
			tags = append(tags, more)
		}
	}
	path := filepath.Join(binaries.folder, out)
	args := []string{"build", "-tags", strings.Join(tags, ","), "-o", path}
	if raced {
		args = append(args, "-race")
	}
	if b, err := exec.Command("go", append(args, pkg)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build %s: %w\n%s", pkg, err, b)
	}
	return path, nil
}

// long leaves a test out where only short ones are wanted, as under the race
// detector.
func long(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes its time")
	}
}

// process is a program that runs for real.
type process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	log  *safeBuffer
	done chan struct{}
	err  error // how it ended, once done is closed
}

type safeBuffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	deaf bool
}

// deafen ends the pipe through which a process writes here, with its next line.
func (s *safeBuffer) deafen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf = true
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deaf {
		return 0, io.ErrClosedPipe
	}
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// start runs a program until the test ends. Its output is shown when the test
// has failed.
func start(t testing.TB, env []string, program string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: filepath.Base(program), log: &safeBuffer{}, done: make(chan struct{})}
	p.cmd = exec.Command(program, args...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("cannot start %s: %v", program, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill()
		if strings.Contains(p.log.String(), "WARNING: DATA RACE") {
			t.Errorf("%s has a data race", p.name)
		}
		if t.Failed() {
			t.Logf("--- output of %s %v\n%s", p.name, args, p.log)
		}
	})
	return p
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("cannot send %v to %s: %v", s, p.name, err)
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // also ends one that is paused
	<-p.done
}

// exit waits for the end and returns the exit code.
func (p *process) exit(within time.Duration) int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(within):
		p.t.Fatalf("%s has not ended within %s", p.name, within)
	}
	return p.cmd.ProcessState.ExitCode()
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
		time.Sleep(20 * time.Millisecond) // between two looks, not in place of one
	}
}

// ports counts those that freePort has given out. They lie below the range
// from which the system picks ports for others (32768 and up on Linux), so
// that nobody else gets one between the look and the use, and no test gets
// one that another test's server had.
var ports atomic.Int32

const firstPort, lastPort = 12_000, 32_000

func freePort(t testing.TB) int {
	t.Helper()
	for range lastPort - firstPort {
		// Two runs of the tests at once begin in different places.
		port := firstPort + (os.Getpid()*37+int(ports.Add(1)))%(lastPort-firstPort)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// startNATS runs a nats-server with JetStream as a process of its own.
func startNATS(t testing.TB, folder string, port int) (url string, p *process) {
	t.Helper()
	p = start(t, nil, built(t, "nats-server"), "-a", "127.0.0.1", "-p", fmt.Sprint(port), "-js", "-sd", folder)
	url = fmt.Sprintf("nats://127.0.0.1:%d", port)
	awaitNATS(t, url)
	return url, p
}

func awaitNATS(t testing.TB, url string) {
	t.Helper()
	eventually(t, "NATS answers at "+url, func() bool {
		nc, err := nats.Connect(url)
		if err != nil {
			return false
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			return false
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = js.AccountInfo(ctx)
		return err == nil
	})
}

// connect returns a client that lives as long as the test.
func connect(t testing.TB, url string) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatalf("cannot connect to %s: %v", url, err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// startSandbox runs the provider's simulator in this process.
func startSandbox(t testing.TB, cfg sandbox.Config) *sandbox.Server {
	t.Helper()
	if cfg.Apps == nil {
		cfg.Apps = map[string]string{testKey: testSecret}
	}
	s, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("127.0.0.1:0", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// rulesEnv is what the test rules ask of the environment.
func rulesEnv(s *sandbox.Server) []string {
	urls := s.URLs()
	return []string{"APP_KEY=" + testKey, "APP_SECRET=" + testSecret, "PRIMARY=" + urls[0], "BACKUP=" + urls[1]}
}

func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// startBelfry runs the daemon as a process of its own and waits until it is ready.
func startBelfry(t testing.TB, s *sandbox.Server, natsURL, rules string, more ...string) (p *process, page string) {
	t.Helper()
	page = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	args := append([]string{"run", "--nats", natsURL, "--rules", rules, "--http", page, "--log-format", "json", "--log-level", "debug"}, more...)
	p = start(t, rulesEnv(s), built(t, "belfry"), args...)
	eventually(t, "the daemon is ready", func() bool {
		select {
		case <-p.done:
			t.Fatalf("the daemon has ended: %v", p.err)
		default:
		}
		status, _ := get("http://" + page + "/readyz")
		return status == http.StatusOK
	})
	return p, "http://" + page
}

// get returns status 0 when nobody answers.
func get(url string) (status int, body string) {
	client := http.Client{Timeout: 2 * time.Second}
	r, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = r.Body.Close() }()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, err.Error()
	}
	return r.StatusCode, string(b)
}
