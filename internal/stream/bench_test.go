package stream

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
)

// serveEnv makes this test binary a nats-server over the folder it names.
const serveEnv = "BELFRY_TEST_SERVE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveEnv); dir != "" {
		serve(dir)
		return
	}
	os.Exit(m.Run())
}

// serve runs a server until its standard input closes.
func serve(dir string) {
	e, err := StartEmbedded(context.Background(), EmbeddedOptions{Dir: dir, Logger: quiet()})
	if err != nil {
		_, _ = os.Stdout.WriteString("error " + err.Error() + "\n")
		return
	}
	_, _ = os.Stdout.WriteString(e.URL() + "\n")
	_, _ = os.Stdin.Read(make([]byte, 1))
	e.Shutdown()
}

// startProcess runs a nats-server in a process of its own.
func startProcess(t testing.TB, dir string) (url string, process *os.Process) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), serveEnv+"="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	line := make([]byte, 200)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	url = strings.TrimSpace(string(line[:n]))
	if !strings.HasPrefix(url, "nats://") {
		t.Fatal(url)
	}
	return url, cmd.Process
}

// BenchmarkReading compares the reader with the least that a client can do,
// over one stream of 300-byte events on a server in its own process.
func BenchmarkReading(b *testing.B) {
	const events = 500_000
	url, _ := startProcess(b, b.TempDir())
	c := provisioned(b, url, "bench")
	c.addStream(b, "SCHOOL")
	for range events {
		if _, err := c.js.PublishAsync("SCHOOL.lesson.cancelled", bytes.Repeat([]byte{'x'}, 300), jetstream.WithStallWait(10*time.Second)); err != nil {
			b.Fatal(err)
		}
	}
	<-c.js.PublishAsyncComplete()
	rate := func(b *testing.B, run func()) {
		for b.Loop() {
			run()
		}
		b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("bare reader", func(b *testing.B) { rate(b, func() { bareRead(b, c, events) }) })
	b.Run("reader", func(b *testing.B) {
		rate(b, func() { readEvents(b, c, []string{"SCHOOL.>"}, events) })
	})
	b.Run("reader with two filters", func(b *testing.B) {
		rate(b, func() { readEvents(b, c, []string{"SCHOOL.lesson.*", "SCHOOL.fee.*"}, events) })
	})
}

func readEvents(b *testing.B, c *client, subjects []string, events int) {
	ctx, cancel := context.WithCancel(context.Background())
	out, done := make(chan bridge.Batch), make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Source("school").Read(ctx, subjects, fromStart("SCHOOL"), nil, out)
	}()
	for n := 0; n < events; {
		n += len((<-out).Messages)
	}
	cancel()
	<-done
}

// bareRead pulls in batches of 5,000 and looks at nothing but the count.
func bareRead(b *testing.B, c *client, events int) {
	ctx := within(b, time.Minute)
	consumer, err := c.js.CreateConsumer(ctx, "SCHOOL", jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true})
	if err != nil {
		b.Fatal(err)
	}
	name := consumer.CachedInfo().Name
	inbox := nats.NewInbox()
	sub, err := c.nc.SubscribeSync(inbox)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	_ = sub.SetPendingLimits(-1, -1)
	asked := 0
	for n := range events {
		if asked-n < 5000 {
			if err := c.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.SCHOOL."+name, inbox, []byte(`{"batch":5000,"expires":30000000000}`)); err != nil {
				b.Fatal(err)
			}
			asked += 5000
		}
		if _, err := sub.NextMsg(10 * time.Second); err != nil {
			b.Fatal(err)
		}
	}
	_ = c.js.DeleteConsumer(ctx, "SCHOOL", name)
}
