package stream

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	balanceEvery    = 2 * time.Second // between two looks at who owns how much
	handoverTimeout = time.Second     // for the owner's answer
)

// Leases is one replica's part in sharing the apps. Every replica waits for
// every app; one that owns too few asks the owner of the most to hand one
// over, until no two differ by more than one.
type Leases struct {
	js    *JetStream
	every time.Duration

	mu       sync.Mutex // guards what follows
	leases   map[string]*Lease
	promised string // the app that an owner is about to hand over to us
	by       string // that owner
	until    time.Time
}

// Leases returns the leases of no app yet.
func (j *JetStream) Leases() *Leases {
	return &Leases{js: j, every: balanceEvery, leases: map[string]*Lease{}}
}

// Lease returns the one lease of an app, which is shared from then on.
func (l *Leases) Lease(app string) *Lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leases[app] == nil {
		l.leases[app] = l.js.Lease(app)
	}
	return l.leases[app]
}

// Forget drops an app whose lease was released and won't be acquired again.
func (l *Leases) Forget(app string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.leases, app)
}

// Owners lists all apps and who owns them, by name of app.
func (l *Leases) Owners() []Ownership {
	var list []Ownership
	for _, lease := range l.all() {
		list = append(list, lease.Owner())
	}
	return list
}

func (l *Leases) all() []*Lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.SortedFunc(maps.Values(l.leases), func(a, b *Lease) int { return cmp.Compare(a.app, b.app) })
}

// Run asks for apps and answers those who ask, until ctx ends. It must not
// outlive the acquiring of leases: a replica that is leaving asks for nothing.
func (l *Leases) Run(ctx context.Context) error {
	requests := make(chan *nats.Msg, 64)
	sub, err := l.js.nc.ChanSubscribe(HandoverSubjects+"*", requests)
	if err != nil {
		return fmt.Errorf("cannot listen for other replicas: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	var answering sync.WaitGroup
	answering.Go(func() { l.answerAll(ctx, requests) })
	defer answering.Wait()
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			l.balance(ctx)
		}
	}
}

// handoverRequest asks for the app in its subject.
type handoverRequest struct {
	Replica string `json:"replica"` // that asks
	Name    string `json:"name"`
	Owns    int    `json:"owns"` // apps that it has already
}

type handoverAnswer struct {
	Granted bool `json:"granted"`
}

// balance asks for at most one app. Dying after it was granted costs the
// others two seconds, for which they leave the app to us.
func (l *Leases) balance(ctx context.Context) {
	owners := l.owners()
	if l.expecting(owners) {
		return
	}
	app, ask := wanted(owners, l.waiting(), l.js.cfg.Replica)
	if !ask {
		return
	}
	granted, err := l.ask(ctx, app, loads(owners)[l.js.cfg.Replica])
	if err != nil {
		l.js.cfg.Logger.Debug("nobody answers for an app", "app", app, "error", err)
		return
	}
	if granted {
		l.mu.Lock()
		l.promised, l.by, l.until = app, owners[app], time.Now().Add(productionTimes().grace)
		l.mu.Unlock()
	}
}

// owners says which replica has each app; an app that is being handed over
// belongs to nobody.
func (l *Leases) owners() map[string]string {
	owners := map[string]string{}
	for _, o := range l.Owners() {
		if !o.Leaving {
			owners[o.App] = o.Replica
		}
	}
	return owners
}

// waiting are the apps that would be claimed at once.
func (l *Leases) waiting() map[string]bool {
	ready := map[string]bool{}
	for _, lease := range l.all() {
		ready[lease.app] = lease.waiting.Load()
	}
	return ready
}

// expecting reports whether an app was promised and has not come yet. It may
// have come, and been handed on, since the last look.
func (l *Leases) expecting(owners map[string]string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if owner := owners[l.promised]; owner != "" && owner != l.by || time.Now().After(l.until) {
		l.promised = ""
	}
	return l.promised != ""
}

func (l *Leases) ask(ctx context.Context, app string, owns int) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, handoverTimeout)
	defer cancel()
	data, err := json.Marshal(handoverRequest{l.js.cfg.Replica, l.js.cfg.Name, owns})
	if err != nil {
		return false, err
	}
	msg, err := l.js.nc.RequestWithContext(ctx, HandoverSubjects+app, data)
	if err != nil {
		return false, l.js.cfg.Conditions.explain(HandoverSubjects+app, err)
	}
	var answer handoverAnswer
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		return false, fmt.Errorf("cannot decode the answer: %w", err)
	}
	return answer.Granted, nil
}

func (l *Leases) answerAll(ctx context.Context, requests <-chan *nats.Msg) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-requests:
			l.answer(m)
		}
	}
}

// answer speaks for the apps that are ours and keeps silent about others,
// whose owners have heard the same request.
func (l *Leases) answer(m *nats.Msg) {
	l.mu.Lock()
	lease := l.leases[m.Subject[len(HandoverSubjects):]]
	l.mu.Unlock()
	if lease == nil || !lease.Owner().Mine {
		return
	}
	var request handoverRequest
	if err := json.Unmarshal(m.Data, &request); err != nil || request.Replica == "" {
		return
	}
	var answer handoverAnswer
	if loads(l.owners())[l.js.cfg.Replica]-request.Owns >= minLead {
		answer.Granted = lease.promise(request.Replica)
	}
	if answer.Granted {
		l.js.cfg.Logger.Info("an app is handed over", "app", lease.app, "to", request.Name)
	}
	if data, err := json.Marshal(answer); err == nil {
		_ = m.Respond(data)
	}
}
