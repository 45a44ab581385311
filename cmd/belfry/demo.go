package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/belfry-bridge/belfry"
	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/sandbox"
	"github.com/belfry-bridge/belfry/internal/stream"
)

const (
	demoAtMost = 40 * time.Second // the whole show
	demoSettle = 2 * time.Second  // without news, after the story: nothing more comes
	demoLook   = 200 * time.Millisecond
	demoSecret = "demo-secret-of-the-sandbox"
)

// demoOptions are the flags of demo.
type demoOptions struct {
	keep  bool
	rules string
	http  string
	log   logOptions
}

func newDemo(io stdio) *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a school morning: events in, broadcasts out, in half a minute",
		Long: `Runs a NATS server, the provider's simulator and the same daemon as "belfry run", with the example rules,
in a temporary folder on this machine. Then it publishes a school's morning, some 30 events, and shows
what Belfry makes of them. Nothing leaves this machine.`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{flagsOnly: "its rules are not those of the image"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := o.log.logger(io.err, io.env)
			if err != nil {
				return err
			}
			return runDemo(cmd.Context(), o, io, log)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.keep, "keep", false, "keep everything running at the end, until you stop it")
	f.StringVar(&o.rules, "rules", "", "rules file to use instead of the example")
	checkedVar(f, &o.http, address, "http", "127.0.0.1:0", "address of the dashboard")
	o.log.flags(f)
	cmd.Flags().Lookup("log-level").DefValue = "error"
	o.log.level = "error"
	return cmd
}

// demo is one show.
type demo struct {
	opts     demoOptions
	show     *show
	provider *sandbox.Server
	daemon   *daemon
	nc       *nats.Conn
	js       jetstream.JetStream
	folder   string
}

// runDemo sets the stage, plays the story and takes everything down again.
func runDemo(ctx context.Context, o demoOptions, io stdio, log *slog.Logger) (err error) {
	d := &demo{opts: o, show: newShow(io.out, colours(io.out, io.env))}
	if d.folder, err = os.MkdirTemp("", "belfry-demo-"); err != nil {
		return fmt.Errorf("cannot make a temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.folder)) }()
	d.provider, err = sandbox.New(sandbox.Config{Apps: map[string]string{"demo-key": demoSecret}})
	if err != nil {
		return err
	}
	if err := d.provider.Start("127.0.0.1:0", "127.0.0.1:0"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.provider.Close()) }()
	server, err := stream.StartEmbedded(ctx, stream.EmbeddedOptions{Dir: filepath.Join(d.folder, "nats"), Logger: log})
	if err != nil {
		return err
	}
	defer server.Shutdown()
	if err := d.connect(ctx, server.URL()); err != nil {
		return err
	}
	defer d.nc.Close()
	stop, err := d.startDaemon(ctx, io, log, server.URL())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return d.play(ctx, server.URL())
}

func (d *demo) connect(ctx context.Context, url string) (err error) {
	if d.nc, err = nats.Connect(url, nats.Name("demo")); err != nil {
		return fmt.Errorf("cannot connect to the demo's own NATS: %w", err)
	}
	if d.js, err = jetstream.New(d.nc); err != nil {
		return fmt.Errorf("cannot use JetStream: %w", err)
	}
	_, err = d.js.CreateStream(ctx, jetstream.StreamConfig{Name: "SCHOOL", Subjects: []string{"school.>"}})
	if err != nil {
		return fmt.Errorf("cannot create the stream SCHOOL: %w", err)
	}
	return nil
}

// startDaemon starts what `belfry run` starts. The returned function stops it
// and waits.
func (d *demo) startDaemon(ctx context.Context, io stdio, log *slog.Logger, url string) (stop func() error, err error) {
	rules := d.opts.rules
	if rules == "" {
		rules = filepath.Join(d.folder, "rules.yaml")
		if err := os.WriteFile(rules, belfry.ExampleRules, 0o600); err != nil {
			return nil, fmt.Errorf("cannot write the example rules: %w", err)
		}
	}
	urls := d.provider.URLs()
	settings := map[string]string{
		"CAMPUS_APP_KEY": "demo-key", "CAMPUS_APP_SECRET": demoSecret, "CAMPUS_URL": urls[0], "CAMPUS_BACKUP_URL": urls[1],
	}
	inner := io
	inner.env = func(name string) (string, bool) {
		if v, ok := settings[name]; ok {
			return v, true
		}
		return io.env(name)
	}
	o := runOptions{rules: rules, http: d.opts.http, name: "demo", provision: true}
	o.nats.url = url
	if d.daemon, err = newDaemon(o, inner, log); err != nil {
		return nil, err
	}
	pages := make(chan string, 1)
	d.daemon.onPage = func(page string) { pages <- page }
	daemonCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- d.daemon.run(daemonCtx) }()
	select {
	case page := <-pages:
		d.show.title(page, urls[0])
	case err := <-done:
		cancel()
		return nil, fmt.Errorf("cannot start the daemon: %w", err)
	}
	return func() error { cancel(); return <-done }, nil
}

// play publishes the story, shows what comes of it and sums it up.
func (d *demo) play(ctx context.Context, url string) error {
	showCtx, cancel := context.WithTimeout(ctx, demoAtMost)
	defer cancel()
	var watchers sync.WaitGroup
	results, err := d.nc.ChanSubscribe("belfry.>", d.show.results)
	if err != nil {
		return fmt.Errorf("cannot follow the results: %w", err)
	}
	watchers.Go(func() { d.watch(showCtx) })
	if err := d.tell(showCtx); err != nil && showCtx.Err() == nil {
		return err
	}
	d.awaitEnd(showCtx)
	cancel()
	watchers.Wait()
	_ = results.Unsubscribe()
	if ctx.Err() != nil {
		return nil
	}
	err = d.show.summary(d.daemon.Overview(), d.provider.Broadcasts())
	if d.opts.keep && err == nil {
		d.show.line("", "Keeps running. NATS: %s. Stop it with Ctrl-C.", url)
		<-ctx.Done()
	}
	return err
}

// tell publishes the story's events at their times.
func (d *demo) tell(ctx context.Context) error {
	start := time.Now()
	for _, e := range story(start) {
		timer := time.NewTimer(time.Until(start.Add(e.at)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		if _, err := d.js.Publish(ctx, e.subject, e.payload()); err != nil {
			return fmt.Errorf("cannot publish to %s: %w", e.subject, err)
		}
		d.show.event(e)
	}
	return nil
}

// watch shows what has changed since it last looked.
func (d *demo) watch(ctx context.Context) {
	tick := time.NewTicker(demoLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			d.look()
			return
		case m := <-d.show.results:
			d.look() // the phone rings before the result is told
			d.show.result(m)
		case <-tick.C:
			d.look()
		}
	}
}

func (d *demo) look() {
	d.show.broadcasts(d.provider.Broadcasts())
	for _, app := range d.daemon.Overview().Apps {
		d.show.digests(app)
	}
}

// awaitEnd returns when nothing more is going to happen in the show's time.
func (d *demo) awaitEnd(ctx context.Context) {
	deadline, _ := ctx.Deadline()
	tick := time.NewTicker(demoLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if d.show.quietFor() >= demoSettle && settled(d.daemon.Overview(), deadline) {
			return
		}
	}
}

// settled reports whether no digest can leave, nothing is under way and every
// result is out.
func settled(o bridge.Overview, deadline time.Time) bool {
	for _, app := range o.Apps {
		if app.Role != bridge.RoleOwner || app.Sending != nil || app.Outbox > 0 || !app.CaughtUp {
			return false
		}
		for _, d := range app.Digests {
			if app.Left > 0 && d.Ready.Before(deadline) && d.State != bridge.StateHeld && d.State != bridge.StateQuiet && d.State != bridge.StateWaitingQuota {
				return false
			}
		}
	}
	return len(o.Apps) > 0
}
