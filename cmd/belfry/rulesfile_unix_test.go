//go:build unix

package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// An agent may hand a secret over once, through a pipe.
func TestASecretIsReadFromAPipeOnce(t *testing.T) {
	folder := t.TempDir()
	file, secret := filepath.Join(folder, "rules.yaml"), filepath.Join(folder, "secret")
	if err := syscall.Mkfifo(secret, 0o600); err != nil {
		t.Fatal(err)
	}
	overwrite(t, file, strings.Replace(fmt.Sprintf(reloadRules, "1s", "2s", "lessons", ""), `app_secret: ${APP_SECRET}`, "app_secret_file: "+secret, 1))
	go func() { _ = os.WriteFile(secret, []byte("the-secret"), 0o600) }()
	f, problems, err := openRulesFile(file, func(name string) (string, bool) { return "https://" + name + ".example.com", true })
	if f == nil || string(f.rules.Apps["campus"].Secret) != "the-secret" {
		t.Fatal(problems, err)
	}
	if lookTwice(f, slog.New(slog.DiscardHandler)) != nil {
		t.Error("nothing has changed, and new rules are used")
	}
}
