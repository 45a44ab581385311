package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/belfry-bridge/belfry/internal/sandbox"
)

// Who cannot listen, or keep streams, says which flag changes it.
func TestWhatIsTakenNamesTheFlagThatChangesIt(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	taken, rules := l.Addr().String(), writeFile(t, "rules.yaml", e2eRules)
	env := rulesEnv(startSandbox(t, sandbox.Config{}))
	for flag, args := range map[string][]string{
		"--http":    {"run", "--rules", rules, "--nats", "nats://127.0.0.1:1", "--http", taken},
		"--data":    {"run", "--rules", rules, "--http", "", "--data", filepath.Join(rules, "below-a-file")},
		"--primary": {"sandbox", "--primary", taken, "--backup", "127.0.0.1:0"},
		"--backup":  {"sandbox", "--primary", "127.0.0.1:0", "--backup", taken},
	} {
		if code, _, errs := cliIn(t, env, args...); code != exitFailed || !strings.Contains(errs[strings.LastIndex(errs, "belfry: "):], flag+" ") {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
}
