package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/control"
	"github.com/belfry-bridge/belfry/internal/nexconn"
	"github.com/belfry-bridge/belfry/internal/stream"
	"github.com/belfry-bridge/belfry/internal/web"
	"github.com/belfry-bridge/belfry/mapping"
)

// daemon is everything that `belfry run` runs: one bridge for each app, over
// one NATS connection, with its pages and its control service.
type daemon struct {
	opts       runOptions
	env        func(string) (string, bool)
	log        *slog.Logger
	replica    string
	build      string
	started    time.Time
	conditions *stream.Conditions
	rulesFile  *rulesFile
	nc         *nats.Conn
	js         *stream.JetStream
	leases     *stream.Leases
	reloaded   chan struct{} // capacity 1: other rules are in force
	namesakes  *namesakes
	stopping   atomic.Bool

	mu          sync.Mutex // guards what follows
	provisioned bool
	apps        map[string]*running
	failed      chan error // capacity 1: an app that can never run

	onPage func(url string) // for the demo: where the pages are; nil: nobody wants to know
}

// running is one app's bridge and the goroutine that runs it.
type running struct {
	bridge *bridge.Bridge
	stop   context.CancelFunc
	done   chan struct{}
}

func newDaemon(o runOptions, io stdio, log *slog.Logger) (*daemon, error) {
	program, _ := os.Executable() // one that is not found has no checksum
	d := &daemon{
		opts: o, env: io.env, log: log, replica: newReplicaID(o.name), build: buildOf(version(), program), started: time.Now(),
		reloaded: make(chan struct{}, 1), apps: map[string]*running{}, failed: make(chan error, 1), namesakes: newNamesakes(),
	}
	d.conditions = stream.NewConditions(time.Now, d.logCondition)
	file, problems, err := openRulesFile(o.rules, d.env)
	if err != nil {
		return nil, err
	}
	for _, p := range problems {
		if file != nil {
			log.Warn(p.String())
			continue
		}
		fmt.Fprintln(io.err, p)
	}
	if file == nil {
		return nil, fmt.Errorf("cannot use %s: see the errors above", o.rules)
	}
	d.rulesFile = file
	return d, nil
}

// newReplicaID names one start of the process. It must be new every time: a
// commit's token is told by it from one that an earlier start has made.
func newReplicaID(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, name)
	return clean[:min(len(clean), 24)] + "-" + randomName(8)
}

func randomName(n int) string { return strings.ToLower(rand.Text()[:n]) }

func (d *daemon) logCondition(c bridge.Condition, active bool) {
	if active {
		d.log.Warn("trouble: "+c.Message, "condition", c.Name, "about", c.About)
		return
	}
	if d.stopping.Load() {
		return // taken back by who no longer looks
	}
	d.log.Info("trouble is over", "condition", c.Name, "about", c.About, "after", time.Since(c.Since).Round(time.Millisecond).String())
}

// watchStreamsEvery is how soon a stream of ours that somebody edits is noticed.
const watchStreamsEvery = 30 * time.Second

// natsPort is where every NATS client looks when it is told nothing else.
const natsPort = 4222

// startNATS starts a server there, or on another port if that one is taken.
func (d *daemon) startNATS(ctx context.Context) (*stream.Embedded, error) {
	o := stream.EmbeddedOptions{Dir: d.opts.data, Port: natsPort, Logger: d.log, PowerLoss: d.opts.powerLoss}
	if l, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", natsPort)); err == nil {
		_ = l.Close()
		if e, err := stream.StartEmbedded(ctx, o); err == nil || ctx.Err() != nil {
			return e, err
		} // somebody may have been faster; any other trouble comes again
	}
	o.Port = 0
	return stream.StartEmbedded(ctx, o)
}

// run goes on until ctx ends, then stops everything in reverse.
func (d *daemon) run(ctx context.Context) (err error) {
	var cleanups []func()
	defer func() {
		for _, cleanup := range slices.Backward(cleanups) {
			cleanup()
		}
		if err == nil {
			d.log.Info("stopped")
		}
	}()
	cleanup := func(f func()) { cleanups = append(cleanups, f) }
	defer context.AfterFunc(ctx, func() { d.stopping.Store(true) })()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // from the first moment on: nobody who listens means death
	defer signal.Stop(hangup)

	natsOpts, err := d.opts.nats.options()
	if err != nil {
		return err
	}
	if natsOpts.URL == "" {
		embedded, err := d.startNATS(ctx)
		if err != nil {
			return fmt.Errorf("%w (--data names another folder, --nats a server that runs)", err)
		}
		cleanup(embedded.Shutdown)
		natsOpts.URL = embedded.URL()
		d.log.Info("started a NATS server of its own", "url", embedded.URL(), "data", d.opts.data)
	}
	natsOpts.Name, natsOpts.Logger, natsOpts.Conditions = "belfry "+d.opts.name, d.log, d.conditions
	if d.nc, err = stream.Connect(natsOpts); err != nil {
		return err
	}
	cleanup(d.nc.Close)

	page, err := web.Start(d.opts.http, d.Overview, d.log)
	if err != nil {
		return fmt.Errorf("%w (--http names another address; --http \"\" does without the pages)", err)
	}
	cleanup(page.Close)
	if d.onPage != nil {
		d.onPage(page.URL())
	}

	service, err := control.Serve(d.nc, d, d.log) // so that status tells what the start waits for
	if err != nil {
		return err
	}
	cleanup(service.Close)
	if err := d.provision(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	return d.runApps(ctx, hangup)
}

func (d *daemon) provision(ctx context.Context) (err error) {
	d.js, err = stream.New(d.nc, stream.Config{
		StateStream: d.opts.stateStream, ResultStream: d.opts.resultStream, Replicas: d.opts.replicas,
		Provision: d.opts.provision, Replica: d.replica, Name: d.opts.name, Logger: d.log, Conditions: d.conditions,
	})
	if err != nil {
		return err
	}
	if err := d.js.Provision(ctx); err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // told to stop while waiting
		}
		return err
	}
	d.mu.Lock()
	d.provisioned = true
	d.mu.Unlock()
	return nil
}

// runApps runs the bridges until ctx ends or one can never run, and waits for
// all of them to drain.
func (d *daemon) runApps(ctx context.Context, hangup <-chan os.Signal) error {
	d.leases = d.js.Leases()
	appsCtx, stop := context.WithCancel(ctx)
	defer stop()
	var helpers sync.WaitGroup
	helpers.Go(func() {
		if err := d.leases.Run(appsCtx); err != nil && appsCtx.Err() == nil {
			d.log.Error("cannot share the apps with other replicas", "err", err)
		}
	})
	d.use(appsCtx, d.rulesFile.current(), true)
	helpers.Go(func() { d.rulesFile.watch(appsCtx, hangup, d.log, func(rs *mapping.RuleSet) { d.reload(appsCtx, rs) }) })
	helpers.Go(func() { d.watchUnnamed(appsCtx) })
	helpers.Go(func() { d.js.Watch(appsCtx, watchStreamsEvery) })
	if d.opts.dryRun {
		d.log.Warn("this is a dry run: nothing is sent")
	}
	d.log.Info("runs", "apps", len(d.rulesFile.current().Apps), "rules", d.opts.rules, "replica", d.replica, "build", d.build)

	var err error
	select {
	case <-ctx.Done():
		d.log.Info("stopping: finishing what is under way")
	case err = <-d.failed:
	}
	stop()
	helpers.Wait()
	d.mu.Lock()
	apps := d.apps
	d.mu.Unlock()
	for _, r := range apps {
		<-r.done
	}
	return err
}

// use makes a rule set the one in force: apps that are new begin, those that
// are gone end, the others reload. Only at the start, and only if it is alone,
// an app whose events can't be read ends the daemon.
func (d *daemon) use(ctx context.Context, rs *mapping.RuleSet, atStart bool) {
	if ctx.Err() != nil {
		return
	}
	if d.opts.dryRun {
		rs = dryRun(rs)
	}
	for _, r := range d.removeMissing(rs) {
		r.stop()
		<-r.done
		d.leases.Forget(r.bridge.Status().App)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, app := range rs.Apps {
		rules := bridge.Rules{App: app, Sources: rs.Sources}
		if r := d.apps[name]; r != nil {
			r.bridge.Reload(rules)
			continue
		}
		r, err := d.begin(ctx, rules, atStart && len(rs.Apps) == 1)
		if err != nil {
			d.fail(err)
			return
		}
		d.apps[name] = r
	}
}

func (d *daemon) reload(ctx context.Context, rs *mapping.RuleSet) {
	d.use(ctx, rs, false)
	select {
	case d.reloaded <- struct{}{}:
	default: // already pending
	}
}

func (d *daemon) removeMissing(rs *mapping.RuleSet) (gone []*running) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, r := range d.apps {
		if rs.Apps[name] == nil {
			d.log.Warn("the app is gone from the rules; its state is kept", "app", name, "waiting", r.bridge.Status().Waiting,
				"remedy", "name it again, or what waits is never sent")
			gone = append(gone, r)
			delete(d.apps, name)
		}
	}
	return gone
}

func (d *daemon) begin(ctx context.Context, rules bridge.Rules, strict bool) (*running, error) {
	name := rules.App.Name
	b, err := bridge.New(wrapPorts(bridge.Config{
		Rules: rules, Replica: d.replica,
		Store: d.js.Store(name), Lease: d.leases.Lease(name), Source: d.js.Source(name), Publisher: d.js.Publisher(),
		Strict: strict, Provider: d.provider, Born: func() string { return randomName(6) }, Logger: d.log,
		Note:     func(condition string, err error) { d.note(condition, name, err) },
		Namesake: func(ctx context.Context, since time.Time) (string, error) { return d.namesake(ctx, name, since) },
	}))
	if err != nil {
		return nil, err
	}
	appCtx, stop := context.WithCancel(ctx)
	r := &running{bridge: b, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		if err := b.Run(appCtx); err != nil {
			d.fail(err)
		}
	}()
	return r, nil
}

func (d *daemon) provider(app *mapping.App) (bridge.Provider, error) {
	client, err := nexconn.New(nexconn.Config{
		AppKey: app.Key, Secret: app.Secret, BaseURLs: app.BaseURLs, Logger: d.log.With("app", app.Name),
	})
	if err == nil && d.opts.dryRun {
		return dryProvider{time.Now}, nil // what can't be set up fails all the same
	}
	return client, err
}

func (d *daemon) note(condition, about string, err error) {
	if err != nil {
		d.conditions.Set(stream.ConditionName(condition), about, err.Error())
		return
	}
	d.conditions.Clear(stream.ConditionName(condition), about)
}

func (d *daemon) fail(err error) {
	select {
	case d.failed <- err:
	default: // another was first; one is enough to stop
	}
}

// Overview is what the pages show, and implements control.Daemon.
func (d *daemon) Overview() bridge.Overview {
	d.mu.Lock()
	defer d.mu.Unlock()
	// Not asked of the connection: while it tries a server that does not answer, it lets everybody wait for seconds.
	_, disconnected := d.conditions.Find(stream.Disconnected, "")
	o := bridge.Overview{
		Replica: d.replica, Name: d.opts.name, Version: d.build, Started: d.started,
		Ready: d.provisioned && !disconnected, DryRun: d.opts.dryRun, Rules: d.rulesFile.status(), Conditions: d.conditions.Active(), Apps: []bridge.Status{},
	}
	owners := map[string]string{}
	if len(d.apps) > 0 {
		for _, lease := range d.leases.Owners() {
			owners[lease.App] = lease.Name
		}
	}
	for _, r := range d.apps {
		s := r.bridge.Status()
		s.Owner = owners[s.App]
		o.Apps = append(o.Apps, s)
	}
	o.Ready = o.Ready && canWork(&o)
	slices.SortFunc(o.Apps, func(a, b bridge.Status) int { return strings.Compare(a.App, b.App) })
	return o
}

// canWork reports whether the replica can do anything for one of its apps: run
// it, or stand by for it.
func canWork(o *bridge.Overview) bool {
	hindered := map[string]bool{}
	for _, c := range o.Conditions {
		switch stream.ConditionName(c.Name) {
		case "state.unreachable", "state.corrupt", "state.unstorable", stream.LeaseUnavailable:
			hindered[c.About] = true
		case "provider.unusable": // an owner goes on with the rules before
			hindered[c.About] = !slices.ContainsFunc(o.Apps, func(s bridge.Status) bool { return s.App == c.About && s.Role == bridge.RoleOwner })
		default:
		}
	}
	return len(o.Apps) == 0 || slices.ContainsFunc(o.Apps, func(s bridge.Status) bool { return !hindered[s.App] })
}

// Do implements control.Daemon. An app that is not in the rules of this
// replica belongs to another: that one answers.
func (d *daemon) Do(ctx context.Context, app string, do func(*bridge.State, *mapping.App, time.Time) error) error {
	d.mu.Lock()
	r := d.apps[app]
	d.mu.Unlock()
	if r == nil {
		return fmt.Errorf("cannot reach the app %q: %w", app, bridge.ErrNotOwner)
	}
	return r.bridge.Do(ctx, do)
}
