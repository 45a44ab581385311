package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// Config is what a Bridge needs of the world. Namesake, Note and Strict may be left out.
type Config struct {
	Rules     Rules
	Replica   string // unique for every start of the process
	Store     Store
	Lease     Lease
	Source    Source
	Publisher Publisher
	Provider  func(*mapping.App) (Provider, error) // made anew with every reload
	Born      func() string                        // a random name for a state that begins, 4 to 8 letters or digits
	Logger    *slog.Logger

	// Namesake says why an app must not send yet: another name of the same App
	// Key has sent since an instant (zero: ever). Empty: it may. Nil: it always may.
	Namesake func(ctx context.Context, since time.Time) (string, error)

	Note func(condition string, err error) // a named trouble began (or goes on), or is over with nil

	// Strict ends Run with ErrPermanent when the first rules can't be read by.
	// Otherwise, and after a reload, it is told and tried again: who runs other
	// apps as well must not lose them.
	Strict bool
}

// Rules is what a reload replaces: all at once.
type Rules struct {
	App     *mapping.App
	Sources []mapping.Source
}

// Bridge runs one app: it waits for the app's lease, claims its state, and
// then reads, folds, plans, sends and reports until the lease is lost.
type Bridge struct {
	cfg  Config
	name string
	log  *slog.Logger

	rules    atomic.Pointer[Rules]
	reloaded chan struct{} // capacity 1: rules has changed
	orders   chan order
	status   atomic.Pointer[Status]

	lenient atomic.Bool // rules that can't be read by do not end Run

	// Of Run's goroutine only.
	kept  Record    // the latest state that we know we have stored; of it the token only, once another replica has had the lease
	clock time.Time // when it was last looked at, with both of its readings; zero: never
}

// New checks the configuration and returns a Bridge that does nothing yet.
func New(cfg Config) (*Bridge, error) {
	switch {
	case cfg.Rules.App == nil:
		return nil, errors.New("cannot set up a bridge: no app")
	case cfg.Store == nil || cfg.Lease == nil || cfg.Source == nil || cfg.Publisher == nil || cfg.Provider == nil:
		return nil, fmt.Errorf("cannot set up the bridge of %s: a port is missing", cfg.Rules.App.Name)
	case cfg.Replica == "" || cfg.Born == nil || cfg.Logger == nil:
		return nil, fmt.Errorf("cannot set up the bridge of %s: replica, born or logger is missing", cfg.Rules.App.Name)
	}
	if cfg.Note == nil {
		cfg.Note = func(string, error) {}
	}
	b := &Bridge{
		cfg: cfg, name: cfg.Rules.App.Name, log: cfg.Logger.With("app", cfg.Rules.App.Name),
		reloaded: make(chan struct{}, 1), orders: make(chan order),
	}
	b.lenient.Store(!cfg.Strict)
	b.rules.Store(&cfg.Rules)
	b.status.Store(&Status{App: b.name, Replica: cfg.Replica, Role: RoleStandby, Since: time.Now()})
	return b, nil
}

// Reload replaces the rules. Digests, windows, mutes and the ledger stay. The
// rules were compiled whole before: this cannot fail.
func (b *Bridge) Reload(r Rules) {
	b.lenient.Store(true)
	b.rules.Store(&r)
	select {
	case b.reloaded <- struct{}{}:
	default: // already pending; the owner will load the newest
	}
}

// corruptRetry is how often a state that can't be decoded is looked at again:
// an operator may have restored it.
const corruptRetry = 10 * time.Second

// ownedElsewhere is how long the wait for a lease may take before another
// replica must have the app: longer than a dead owner's lease lasts.
const ownedElsewhere = 8 * time.Second

// releaseWithin bounds giving up the lease: without it the app only waits for
// the lease to run out.
const releaseWithin = 2 * time.Second

// Run owns the app whenever it may, until ctx ends; then it drains: what is
// being sent is waited for, the state is committed, the lease released.
func (b *Bridge) Run(ctx context.Context) error {
	defer b.forgetTrouble()
	for ctx.Err() == nil {
		elsewhere := time.AfterFunc(ownedElsewhere, b.forgetTrouble)
		lost, err := b.cfg.Lease.Acquire(ctx)
		elsewhere.Stop()
		if err != nil {
			if ctx.Err() != nil {
				return nil // the wait was ended on purpose
			}
			return fmt.Errorf("cannot acquire the lease of %s: %w", b.name, err)
		}
		if !b.cfg.Lease.Alone() {
			b.kept = Record{Token: b.kept.Token} // what another owner has sent since is not in it; but there was a state
		}
		err = b.own(ctx, lost)
		b.setRole(RoleStandby)
		releaseCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWithin)
		if e := b.cfg.Lease.Release(releaseCtx); e != nil {
			b.log.Warn("cannot release the lease; another replica takes over when it has run out", "err", e)
		}
		cancel()
		if errors.Is(err, ErrPermanent) {
			return fmt.Errorf("cannot run the app %s: %w", b.name, err)
		}
		b.afterTenure(ctx, err)
	}
	return nil
}

// afterTenure says why the app was left, and waits where trying again at once
// would only repeat it.
func (b *Bridge) afterTenure(ctx context.Context, err error) {
	switch {
	case err == nil || ctx.Err() != nil:
		return
	case errors.Is(err, ErrFenced):
		b.log.Warn("left the app: somebody else has stored its state", "why", err)
	case errors.Is(err, errUnreachable), errors.Is(err, errLapsed): // the next lease waits for the store
		b.log.Warn("left the app: the lease was lost before the state could be stored", "err", err)
	default:
		b.log.Error("left the app", "err", err)
		switch {
		case errors.Is(err, ErrCorrupt):
			b.cfg.Note("state.corrupt", err)
		case errors.Is(err, errProvider):
			b.cfg.Note("provider.unusable", err)
		case errors.Is(err, ErrUnstorable):
			b.cfg.Note("state.unstorable", fmt.Errorf("%w; this is a defect of Belfry: report it, and if the events of one rule bring it about, take the rule out of the rules file", err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(corruptRetry):
		}
	}
}

// forgetTrouble takes back what was said of the app: whoever owns it now
// knows better. If the store can't be reached at all, the lease says so.
func (b *Bridge) forgetTrouble() {
	for _, name := range []string{
		"state.unreachable", "state.corrupt", "state.unstorable", "results.unpublished", "deadletters.unpublished", "source.refused", "clock.behind", "stream.ahead", "provider.unusable", "digest.unsendable",
	} {
		b.cfg.Note(name, nil)
	}
}

// own claims the app and runs it for one tenure.
func (b *Bridge) own(ctx context.Context, lost <-chan struct{}) error {
	// Once the lease is lost nothing new may begin, but what is under way is
	// finished: so the tenure has a context of its own.
	started, stop := context.WithCancel(ctx)
	defer stop()
	go func() { // ends with this function, at the latest
		select {
		case <-lost:
			stop()
		case <-started.Done():
		}
	}()
	b.setRole(RoleClaiming)
	t, err := newTenure(started, b)
	if err != nil {
		return err
	}
	b.cfg.Note("state.corrupt", nil)
	b.log.Info("owns the app", "epoch", t.state.Epoch, "digests", len(t.state.Digests), "in_doubt", len(t.state.Held))
	return t.run(started)
}

func (b *Bridge) setRole(r Role) {
	s := *b.status.Load()
	if s.Role != r {
		s.Role, s.Since = r, time.Now()
	}
	if r != RoleDraining { // what it knows of the app is over
		s = Status{App: s.App, Replica: s.Replica, Role: s.Role, Since: s.Since}
	}
	b.status.Store(&s)
}
