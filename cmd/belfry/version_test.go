package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBuildsWithoutAVersionAreToldApart(t *testing.T) {
	dir := t.TempDir()
	program := func(name, code string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one, copied, other := program("one", "1"), program("copied", "1"), program("other", "2")
	for _, c := range []struct{ version, program, want string }{
		{"v1.2.0", one, "v1.2.0"},
		{noVersion, one, buildOf(noVersion, copied)},
		{noVersion, filepath.Join(dir, "gone"), noVersion},
	} {
		if got := buildOf(c.version, c.program); got != c.want {
			t.Errorf("%s of version %s is the build %q, want %q", c.program, c.version, got, c.want)
		}
	}
	if got := buildOf(noVersion, other); got == buildOf(noVersion, one) {
		t.Errorf("two programs are the same build, %q", got)
	}
}

func TestADaemonWithoutAVersionNamesItsBuild(t *testing.T) {
	env := map[string]string{"CAMPUS_APP_KEY": "k", "CAMPUS_APP_SECRET": "s"}
	io := stdio{env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	d, err := newDaemon(runOptions{rules: filepath.Join(repository, "rules.yaml")}, io, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Overview().Version; version() == noVersion && !strings.HasPrefix(got, noVersion+" ") {
		t.Errorf("the overview names the build %q", got)
	}
}
