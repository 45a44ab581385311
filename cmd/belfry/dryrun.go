package main

import (
	"context"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// dryRunSuffix makes the name of a dry run's app: its state, lease and
// results stand beside the real ones. No app in a rules file can have such a
// name: they are letters, digits, "-" and "_".
const dryRunSuffix = "~dry"

func isDryRun(app string) bool { return strings.HasSuffix(app, dryRunSuffix) }

// dryRun renames the apps of a rule set. The rules themselves are shared:
// they don't change.
func dryRun(rs *mapping.RuleSet) *mapping.RuleSet {
	dry := *rs
	dry.Apps = make(map[string]*mapping.App, len(rs.Apps))
	for _, app := range rs.Apps {
		a := *app
		a.Name += dryRunSuffix
		dry.Apps[a.Name] = &a
	}
	return &dry
}

// dryProvider takes broadcasts and does nothing with them. The quota of the
// dry run's own ledger is spent, so that its plan is a real one's.
type dryProvider struct{ now func() time.Time }

func (p dryProvider) Send(ctx context.Context, s bridge.Send) bridge.Outcome {
	now := p.now()
	if ctx.Err() != nil || now.After(s.Deadline) {
		return bridge.Outcome{Kind: bridge.NotSent, Message: "dry run: stopped before it began", At: now}
	}
	return bridge.Outcome{Kind: bridge.DryRun, Message: "dry run: nothing was sent", At: now}
}
