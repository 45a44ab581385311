package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/control"
	"github.com/belfry-bridge/belfry/internal/stream"
)

// askTimeout bounds a verb that asks running daemons.
const askTimeout = 15 * time.Second

// asking is a verb that asks running daemons over NATS.
type asking struct {
	nats natsOptions
	json bool
}

func (a *asking) flags(cmd *cobra.Command) {
	a.nats.flags(cmd.Flags())
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON, for programs")
}

// connect reaches NATS now or not at all: a person waits.
func (a *asking) connect() (*nats.Conn, error) {
	o, err := a.nats.options()
	if err != nil {
		return nil, err
	}
	o.Name, o.Logger = "belfry client", slog.New(slog.DiscardHandler)
	return stream.Dial(o)
}

// overviews asks all replicas.
func (a *asking) overviews(ctx context.Context) ([]bridge.Overview, error) {
	nc, err := a.connect()
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	all, err := control.Overviews(ctx, nc)
	if !a.json {
		makePrintable(&all)
	}
	return all, err
}

// chooser names the app that an order is for, out of those that the replicas run.
type chooser func([]bridge.Overview) (app string, err error)

// give gives an order to the owner of the app that choose names. That nobody owns
// it yet is told.
func (a *asking) give(ctx context.Context, tell io.Writer, o control.Order, choose chooser) (control.Answer, error) {
	nc, err := a.connect()
	if err != nil {
		return control.Answer{}, err
	}
	defer nc.Close()
	app, err := ownedApp(ctx, nc, choose, tell)
	if err != nil {
		return control.Answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	o.By = person()
	answer, err := control.Give(ctx, nc, app, o)
	if !a.json {
		makePrintable(&answer)
	}
	return answer, err
}

// An order that comes while an app is handed over waits for its next owner:
// a send under way may take half a minute, and a lease that is lost 6 s.
const (
	handoverTimeout = 50 * time.Second
	handoverLook    = 500 * time.Millisecond
)

// ownedApp is the app that choose names, once somebody owns it.
func ownedApp(ctx context.Context, nc *nats.Conn, choose chooser, tell io.Writer) (string, error) {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, handoverTimeout)
	defer cancel()
	app := ""
	for look := 0; ; look++ {
		all, err := control.Overviews(ctx, nc)
		switch {
		case err == nil && len(owned(all)) == 0:
			err = errors.New("cannot give the order: no replica has begun to run an app; belfry status says what it waits for")
		case err == nil:
			app, err = choose(all)
		}
		if _, wrong := errors.AsType[usageError](err); wrong { // and stays so, whoever comes to own what
			return "", err
		}
		// Without an owner an app tells nothing: what is looked for may be in it.
		ownerless := slices.ContainsFunc(owned(all), func(s bridge.Status) bool {
			return s.Role != bridge.RoleOwner && (err != nil || s.App == app)
		})
		if !ownerless {
			return app, err
		}
		if look == 1 { // most are handed over within one
			fmt.Fprintf(tell, "belfry: %s has no owner at this moment; waiting for its next one for up to %s\n", cmp.Or(app, "an app"), handoverTimeout)
		}
		select {
		case <-ctx.Done():
			if err != nil {
				return "", err
			}
			return "", fmt.Errorf("cannot give the order: for %s nobody has owned the app %s, and nothing was changed (belfry status)", time.Since(begin).Round(time.Second), app)
		case <-time.After(handoverLook):
		}
	}
}

// person is who gives orders, for the log and the results.
func person() string {
	u, err := user.Current()
	if err != nil {
		return "an operator"
	}
	return u.Username
}

// owned lists every app once: from its owner, or from any replica where
// nobody owns it.
func owned(all []bridge.Overview) []bridge.Status {
	apps := []bridge.Status{} // in JSON none is a list, too
	at := map[string]int{}
	for _, o := range all {
		for _, s := range o.Apps {
			i, seen := at[s.App]
			if !seen {
				at[s.App] = len(apps)
				apps = append(apps, s)
			} else if rank(s.Role) > rank(apps[i].Role) {
				apps[i] = s
			}
		}
	}
	return apps
}

func rank(r bridge.Role) int {
	switch r {
	case bridge.RoleOwner:
		return 3
	case bridge.RoleDraining:
		return 2
	case bridge.RoleClaiming:
		return 1
	}
	return 0
}

// oneApp chooses the named app, or the only one that is not a dry run.
func oneApp(name string) chooser {
	return func(all []bridge.Overview) (string, error) {
		apps := owned(all)
		for _, s := range apps {
			if s.App == name {
				return name, nil
			}
		}
		apps = slices.DeleteFunc(apps, func(s bridge.Status) bool { return len(apps) > 1 && isDryRun(s.App) })
		if name == "" && len(apps) == 1 {
			return apps[0].App, nil
		}
		var names []string
		for _, s := range apps {
			names = append(names, s.App)
		}
		there := strings.Join(slices.Sorted(slices.Values(names)), ", ")
		if name != "" {
			return "", usageError{fmt.Errorf("cannot find the app %q: the replicas run %s", name, there)}
		}
		return "", usageError{fmt.Errorf("cannot tell which app is meant: name one with --app; the replicas run %s", there)}
	}
}
