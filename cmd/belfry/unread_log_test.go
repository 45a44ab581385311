package main

import (
	"syscall"
	"testing"

	"github.com/belfry-bridge/belfry/bridge"
)

// Who reads the log may go away: a pipe into a program that ends. The daemon's
// next line would be the one right before a send.
func TestADaemonWhoseLogNobodyReadsGoesOn(t *testing.T) {
	t.Parallel()
	provider, natsURL, nc, js := startSchool(t)
	results := follow(t, nc)
	daemon, page := startBelfry(t, provider, natsURL, writeFile(t, "rules.yaml", e2eRules))
	eventually(t, "it owns the app", func() bool { return overviewOf(t, page).Role == bridge.RoleOwner })
	daemon.log.deafen()
	lesson(t, js, 7, "Maths", 30)
	eventually(t, "it sends", func() bool { all := results(); return len(all) == 1 && all[0].State == bridge.ResultSent })
	lesson(t, js, 8, "Music", 30)
	eventually(t, "it sends again", func() bool { all := results(); return len(all) == 2 && all[1].State == bridge.ResultSent })
	daemon.signal(syscall.SIGTERM)
	if code := daemon.exit(patience); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
