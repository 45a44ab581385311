package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/stream"
	"github.com/belfry-bridge/belfry/mapping"
)

// benchOptions are the flags of bench ingest.
type benchOptions struct {
	nats   natsOptions
	events int
	size   int
	rules  int
	match  string
	rounds int
	json   bool

	profile string
}

// benchRow is what one way of reading reached.
type benchRow struct {
	Reader string  `json:"reader"`
	Rate   float64 `json:"events_per_second"`
}

const benchStream = "BELFRY_BENCH"

func newBench(std stdio) *cobra.Command {
	bench := &cobra.Command{Use: "bench", Short: "Measure this machine"}
	var o benchOptions
	ingest := &cobra.Command{
		Use:   "ingest",
		Short: "Measure how fast events are read and folded, beside a bare reader of the same stream",
		Long: `Fills a stream with events, then reads it twice: with a bare reader, which looks at nothing, and with the
whole fold, which maps events by rules, gathers digests and commits once a second. Prints both rates and
their ratio.

Without --nats it starts a NATS server as a separate process, in a temporary folder. BELFRY_NATS is ignored.`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{flagsOnly: "it fills a stream"},
		RunE:        func(cmd *cobra.Command, _ []string) error { return runBench(cmd.Context(), o, std) },
	}
	f := ingest.Flags()
	f.IntVar(&o.events, "events", 1_000_000, "events in the stream")
	f.IntVar(&o.size, "size", 300, "bytes per event, at least 100")
	f.IntVar(&o.rules, "rules", 100, "rules, each on its own subject")
	f.StringVar(&o.match, "match", "1/40", "share of the events that match their rule")
	f.IntVar(&o.rounds, "rounds", 3, "rounds; the best of each reader counts")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of the folds to this file")
	o.nats.flags(f)
	server := &cobra.Command{
		Use: "server FOLDER", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return benchServer(cmd.Context(), args[0], std) },
	}
	bench.AddCommand(ingest, server)
	return bench
}

// benchServer is the NATS server of a bench, in its own process until its
// standard input ends.
func benchServer(ctx context.Context, folder string, std stdio) error {
	e, err := stream.StartEmbedded(ctx, stream.EmbeddedOptions{Dir: folder, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer e.Shutdown()
	fmt.Fprintln(std.out, e.URL())
	_, err = io.Copy(io.Discard, std.in)
	return err
}

func startBenchServer(ctx context.Context) (url string, stop func(), err error) {
	folder, err := os.MkdirTemp("", "belfry-bench-")
	if err != nil {
		return "", nil, fmt.Errorf("cannot make a temporary folder: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return "", nil, fmt.Errorf("cannot find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "bench", "server", folder)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		return "", nil, fmt.Errorf("cannot start a NATS server: %w", err)
	}
	stop = func() {
		_ = in.Close()
		_ = cmd.Wait()
		_ = os.RemoveAll(folder)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("cannot start a NATS server: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}

// check returns the M of --match, and says which flags can't be right.
func (o *benchOptions) check() (every int, err error) {
	one, of, ok := strings.Cut(o.match, "/")
	every, err = strconv.Atoi(of)
	if !ok || one != "1" || err != nil || every < 1 {
		return 0, usageError{fmt.Errorf("cannot use --match %q: want 1/M", o.match)}
	}
	for _, f := range []struct {
		name         string
		value, least int
	}{{"events", o.events, 1}, {"size", o.size, 100}, {"rules", o.rules, 1}, {"rounds", o.rounds, 1}} {
		if f.value < f.least {
			return 0, usageError{fmt.Errorf("cannot use --%s %d: want %d or more", f.name, f.value, f.least)}
		}
	}
	return every, nil
}

func runBench(ctx context.Context, o benchOptions, std stdio) error {
	every, err := o.check()
	if err != nil {
		return err
	}
	natsOpts, err := o.nats.options()
	if err != nil {
		return err
	}
	if natsOpts.URL == "" {
		url, stop, err := startBenchServer(ctx)
		if err != nil {
			return err
		}
		defer stop()
		natsOpts.URL = url
	}
	natsOpts.Name, natsOpts.Logger = "belfry bench", slog.New(slog.DiscardHandler)
	b, err := newIngestBench(ctx, o, every, natsOpts)
	if err != nil {
		return err
	}
	defer b.close()
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return fmt.Errorf("cannot write the profile: %w", err)
		}
		defer func() { _ = f.Close() }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return fmt.Errorf("cannot profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	rows := []benchRow{{Reader: "bare reader"}, {Reader: "fold"}}
	for range o.rounds {
		for i, read := range []func(context.Context) (time.Duration, error){b.bare, b.fold} {
			took, err := read(ctx)
			if err != nil {
				return err
			}
			rows[i].Rate = max(rows[i].Rate, float64(o.events)/took.Seconds())
		}
	}
	if o.json {
		return printJSON(std.out, rows)
	}
	fmt.Fprintf(std.out, "%s of %d bytes, %s, %s match\n", bridge.Plural(o.events, "event", "events"), o.size, bridge.Plural(o.rules, "rule", "rules"), o.match)
	for _, r := range rows {
		fmt.Fprintf(std.out, "%-12s %9.0f events/s\n", r.Reader, r.Rate)
	}
	fmt.Fprintf(std.out, "ratio        %9.2f\n", rows[1].Rate/rows[0].Rate)
	return nil
}

// ingestBench is a filled stream and two ways to read it.
type ingestBench struct {
	o     benchOptions
	nc    *nats.Conn
	js    jetstream.JetStream
	ports *stream.JetStream
	rules bridge.Rules
	run   int
}

func newIngestBench(ctx context.Context, o benchOptions, every int, natsOpts stream.Options) (b *ingestBench, err error) {
	b = &ingestBench{o: o}
	if b.rules, err = benchRules(o.rules); err != nil {
		return nil, err
	}
	if b.nc, err = stream.Dial(natsOpts); err != nil {
		return nil, err
	}
	if b.js, err = jetstream.New(b.nc); err != nil {
		return nil, fmt.Errorf("cannot use JetStream: %w", err)
	}
	b.ports, err = stream.New(b.nc, stream.Config{
		StateStream: benchStream + "_STATE", ResultStream: benchStream + "_RESULTS", Provision: true,
		Replica: "bench-" + randomName(8), Logger: slog.New(slog.DiscardHandler),
	})
	if err == nil {
		err = b.ports.Provision(ctx)
	}
	if err == nil {
		err = b.fill(ctx, every)
	}
	if err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *ingestBench) close() {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	for _, name := range []string{benchStream, benchStream + "_STATE", benchStream + "_RESULTS"} {
		if !b.nc.IsConnected() {
			break
		}
		_ = b.js.DeleteStream(ctx, name)
	}
	b.nc.Close()
}

// benchRules are rules on bench.0, bench.1 …, that match events whose v is 0.
func benchRules(n int) (bridge.Rules, error) {
	var y strings.Builder
	y.WriteString(`version: 1
apps: {bench: {app_key: "${K}", app_secret: "${K}", base_urls: ["http://127.0.0.1:1"], sender: bench, packages: [com.example.bench], quota: {policy: asap}}}
sources: {bench: {stream: ` + benchStream + `, start: all}}
audiences: {all: {app: bench, package: com.example.bench, platforms: [ios]}}
templates:
  t:
    gather: {at_most: 24h}
    expires_after: 48h
    message: {type: RC:TxtMsg, content: {content: "{{ .Count }}"}}
    notification: {title: t, alert: t}
rules:
`)
	for i := range n {
		fmt.Fprintf(&y, "  - {name: r%d, on: bench.%d, when: event.data.v == 0, audience: all, template: t, key: event.data.key, item: \"{{ .data.key }}\", with: {key: event.data.key}}\n", i, i)
	}
	rs, problems := mapping.Compile("bench", []byte(y.String()), mapping.Options{LookupEnv: func(string) (string, bool) { return "bench", true }})
	if problems.HasErrors() {
		return bridge.Rules{}, fmt.Errorf("cannot compile the bench's rules: %v", problems[0])
	}
	return bridge.Rules{App: rs.Apps["bench"], Sources: rs.Sources}, nil
}

func (b *ingestBench) fill(ctx context.Context, every int) error {
	_, err := b.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: benchStream, Subjects: []string{"bench.>"}})
	if err != nil {
		return fmt.Errorf("cannot create the stream %s: %w", benchStream, err)
	}
	pad := strings.Repeat("x", b.o.size-60)
	for i := range b.o.events {
		if ctx.Err() != nil { // told to stop; so is its server, where it is of the same terminal
			return errors.New("stopped")
		}
		data := fmt.Appendf(nil, `{"key":"k%09d","v":%d,"pad":"%s"}`, i, i%every, pad)
		if _, err := b.js.PublishAsync("bench."+strconv.Itoa(i%b.o.rules), data, jetstream.WithStallWait(time.Minute)); err != nil {
			return fmt.Errorf("cannot fill the stream: %w", err)
		}
	}
	select {
	case <-b.js.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// bare reads the stream without acknowledgements in batches of 5,000 and
// looks at nothing but the count.
func (b *ingestBench) bare(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	consumer, err := b.js.CreateConsumer(ctx, benchStream, jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true})
	if err != nil {
		return 0, fmt.Errorf("cannot read the stream: %w", err)
	}
	name := consumer.CachedInfo().Name
	inbox := b.nc.NewRespInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return 0, fmt.Errorf("cannot read the stream: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	_ = sub.SetPendingLimits(-1, -1)
	asked := 0
	for n := range b.o.events {
		for asked-n < 10_000 {
			if err := b.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+benchStream+"."+name, inbox, []byte(`{"batch":5000}`)); err != nil {
				return 0, fmt.Errorf("cannot read the stream: %w", err)
			}
			asked += 5000
		}
		if _, err := sub.NextMsgWithContext(ctx); err != nil {
			return 0, fmt.Errorf("cannot read event %d: %w", n, err)
		}
	}
	return time.Since(start), b.js.DeleteConsumer(ctx, benchStream, name)
}

// fold runs a whole bridge over the stream, with a fresh state.
func (b *ingestBench) fold(ctx context.Context) (time.Duration, error) {
	b.run++
	app := *b.rules.App
	app.Name = fmt.Sprintf("bench-%s-%d", randomName(4), b.run)
	br, err := bridge.New(bridge.Config{
		Rules: bridge.Rules{App: &app, Sources: b.rules.Sources}, Replica: "bench-" + randomName(8),
		Store: b.ports.Store(app.Name), Lease: b.ports.Lease(app.Name), Source: b.ports.Source(app.Name), Publisher: b.ports.Publisher(),
		Provider: func(*mapping.App) (bridge.Provider, error) { return nobody{}, nil },
		Born:     func() string { return randomName(6) }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return 0, err
	}
	start := time.Now()
	runCtx, stop := context.WithCancel(ctx)
	var ended error
	done := make(chan struct{})
	go func() {
		defer close(done)
		ended = br.Run(runCtx)
	}()
	defer func() {
		stop()
		<-done
	}()
	for br.Status().Counts.Read < uint64(b.o.events) {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-done:
			return 0, fmt.Errorf("cannot fold the stream: %w", errors.Join(errors.New("the bridge has ended"), ended))
		case <-time.After(time.Millisecond):
		}
	}
	return time.Since(start), nil
}

// nobody is a provider for digests that never become ready.
type nobody struct{}

func (nobody) Send(context.Context, bridge.Send) bridge.Outcome {
	return bridge.Outcome{Kind: bridge.Blocked, Message: "a bench sends nothing", At: time.Now()}
}
