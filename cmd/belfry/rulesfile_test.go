package main

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// mounted is a directory as Kubernetes mounts a ConfigMap: the file is a link
// through ..data, which is swapped for the next version as a whole.
type mounted struct {
	t       *testing.T
	dir     string
	version int
}

func (m *mounted) put(text string) {
	m.t.Helper()
	old := fmt.Sprintf("..version-%d", m.version)
	m.version++
	name := fmt.Sprintf("..version-%d", m.version)
	for _, err := range []error{
		os.Mkdir(filepath.Join(m.dir, name), 0o700),
		os.WriteFile(filepath.Join(m.dir, name, "rules.yaml"), []byte(text), 0o600),
		os.Symlink(name, filepath.Join(m.dir, "..data_tmp")),
		os.Rename(filepath.Join(m.dir, "..data_tmp"), filepath.Join(m.dir, "..data")),
		os.RemoveAll(filepath.Join(m.dir, old)),
	} {
		if err != nil {
			m.t.Fatal(err)
		}
	}
}

func TestRulesMountedFromAConfigMapAreFollowed(t *testing.T) {
	rules := func(names ...string) string {
		text := fmt.Sprintf(reloadRules, "1s", "2s", "lessons", "")
		for _, n := range names {
			text += fmt.Sprintf("  - {name: %s, on: school.%[1]s, audience: students, template: lessons}\n", n)
		}
		return text
	}
	m := &mounted{t: t, dir: t.TempDir()}
	m.put(rules("first"))
	file := filepath.Join(m.dir, "rules.yaml")
	if err := os.Symlink(filepath.Join("..data", "rules.yaml"), file); err != nil {
		t.Fatal(err)
	}
	env := func(name string) (string, bool) { return "https://" + name + ".example.com", true }
	f, problems, err := openRulesFile(file, env)
	if f == nil {
		t.Fatal(problems, err)
	}
	log := slog.New(slog.DiscardHandler)
	if f.look(false, log) != nil {
		t.Error("the file that it began with is taken for a new one")
	}
	m.put(rules("first", "second"))
	if got := f.look(false, log); got == nil || !slices.Contains(slices.Collect(maps.Keys(namesOf(got)["rules"])), "second") {
		t.Error("the version swapped in is not seen")
	}
	m.put("broken: true\n" + rules())
	if f.look(false, log) != nil || len(f.status().Problems) == 0 {
		t.Error("a bad version is used, or not told")
	}
	if err := os.Remove(filepath.Join(m.dir, "..data")); err != nil {
		t.Fatal(err)
	}
	if f.look(false, log) != nil || len(f.status().Problems) == 0 {
		t.Error("a file that is gone changes the rules, or is not told")
	}
	m.put(rules("first", "second"))
	if f.look(false, log) == nil || len(f.status().Problems) > 0 {
		t.Error("the file that is back is not used")
	}
}
