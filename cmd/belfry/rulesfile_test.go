package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
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

func hasRule(rs *mapping.RuleSet, name string) bool {
	for _, app := range rs.Apps {
		if slices.ContainsFunc(app.Rules, func(r *mapping.Rule) bool { return r.Name == name }) {
			return true
		}
	}
	return false
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
	if lookTwice(f, log) != nil {
		t.Error("the file that it began with is taken for a new one")
	}
	m.put(rules("first", "second"))
	if got := lookTwice(f, log); got == nil || !hasRule(got, "second") {
		t.Error("the version swapped in is not seen")
	}
	m.put("broken: true\n" + rules())
	if lookTwice(f, log) != nil || len(f.status().Problems) == 0 {
		t.Error("a bad version is used, or not told")
	}
	if err := os.Remove(filepath.Join(m.dir, "..data")); err != nil {
		t.Fatal(err)
	}
	if lookTwice(f, log) != nil || len(f.status().Problems) == 0 {
		t.Error("a file that is gone changes the rules, or is not told")
	}
	m.put(rules("first", "second"))
	if lookTwice(f, log) == nil || len(f.status().Problems) > 0 {
		t.Error("the file that is back is not used")
	}
}

// A file that is written bit by bit is good, and short of rules, at every line's end.
func TestRulesThatAreBeingWrittenAreNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := fmt.Sprintf(reloadRules, "1s", "2s", "lessons", "")
		file := writeFile(t, "rules.yaml", text)
		env := func(name string) (string, bool) { return "https://" + name + ".example.com", true }
		f, problems, err := openRulesFile(file, env)
		if f == nil {
			t.Fatal(problems, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var used []*mapping.RuleSet
		done := make(chan struct{})
		go func() {
			defer close(done)
			f.watch(ctx, nil, slog.New(slog.DiscardHandler), func(rs *mapping.RuleSet) { used = append(used, rs) })
		}()
		time.Sleep(lookEvery / 2) // of the bubble's clock
		for _, name := range []string{"second", "third", "fourth"} {
			text += fmt.Sprintf("  - {name: %s, on: school.%[1]s, audience: students, template: lessons}\n", name)
			overwrite(t, file, text)
			time.Sleep(lookEvery)
		}
		time.Sleep(lookEvery)
		cancel()
		<-done
		if len(used) != 1 || !hasRule(used[0], "fourth") {
			t.Errorf("%d versions were used, want the last one", len(used))
		}
	})
}

// A secret may be mounted after the rules that name its file.
func TestRulesThatWereRefusedAreUsedOnceTheSecretTheyNameIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		file, secret := filepath.Join(folder, "rules.yaml"), filepath.Join(folder, "secret")
		good := fmt.Sprintf(reloadRules, "1s", "2s", "lessons", "")
		overwrite(t, file, good)
		env := func(name string) (string, bool) { return "https://" + name + ".example.com", true }
		f, problems, err := openRulesFile(file, env)
		if f == nil {
			t.Fatal(problems, err)
		}
		var said bytes.Buffer
		log := slog.New(slog.NewTextHandler(&said, nil))
		later := strings.Replace(good, `app_secret: ${APP_SECRET}`, "app_secret_file: "+secret, 1)
		if later == good {
			t.Fatal("the rules have no app_secret line to replace")
		}
		overwrite(t, file, later)
		for range 3 {
			if lookTwice(f, log) != nil {
				t.Error("rules without their secret are used")
			}
			time.Sleep(retryEvery)
		}
		if n := strings.Count(said.String(), "keeps the old rules"); n != 1 {
			t.Errorf("the refusal is said %d times, want once:\n%s", n, said.String())
		}
		overwrite(t, secret, "the-secret")
		if lookTwice(f, log) == nil || len(f.status().Problems) > 0 {
			t.Errorf("the rules are still refused: %v", f.status().Problems)
		}
		if lookTwice(f, log) != nil {
			t.Error("nothing has changed, and new rules are used")
		}
		overwrite(t, secret, "another-secret")
		if rules := lookTwice(f, log); rules == nil || string(rules.Apps["campus"].Secret) != "another-secret" {
			t.Error("a secret that was replaced is not used")
		}
		if !strings.Contains(said.String(), "changes=\"[apps.campus.app_secret: another]\"\n") {
			t.Errorf("the log does not say that the secret is another one:\n%s", said.String())
		}
	})
}

// lookTwice is what a second tick makes of a change: the first finds it unsettled.
func lookTwice(f *rulesFile, log *slog.Logger) *mapping.RuleSet {
	if rules := f.look(false, log); rules != nil {
		return rules
	}
	return f.look(false, log)
}

// Dozens of warnings that were always there hide the one that a change brings.
func TestAReloadLogsTheWarningsThatAreNew(t *testing.T) {
	const rule = "  - {name: %s, on: school.%[1]s, audience: students, template: lessons, with: {}}\n"
	text := fmt.Sprintf(reloadRules, "1s", "2s", "lessons", fmt.Sprintf(rule, "first"))
	file := writeFile(t, "rules.yaml", text)
	f, problems, err := openRulesFile(file, func(name string) (string, bool) { return "https://" + name + ".example.com", true })
	if f == nil || len(problems) != 4 { // two of the quota, one of a template, one of the rule
		t.Fatal(problems, err)
	}
	var said strings.Builder
	log := slog.New(slog.NewTextHandler(&said, nil))
	for _, step := range []struct {
		change, text, fresh string
		before              int
	}{
		{"all places move", "# a comment\n" + text, "", 4},
		{"a rule with a warning that another has", text + fmt.Sprintf(rule, "second"), "rules.yaml:27:84: warning: with names nothing", 4},
		{"it is gone", text, "", 4},
		{"it stands before the other", strings.Replace(text, "rules:\n", "rules:\n"+fmt.Sprintf(rule, "second"), 1), "rules.yaml:25:84: warning: with names nothing", 4},
	} {
		said.Reset()
		overwrite(t, file, step.text)
		if lookTwice(f, log) == nil {
			t.Fatalf("%s: it is not used:\n%s", step.change, said.String())
		}
		fresh := strings.Count(said.String(), "level=WARN")
		if want := min(len(step.fresh), 1); fresh != want || !strings.Contains(said.String(), step.fresh) || !strings.Contains(said.String(), fmt.Sprintf(" warnings=%d ", step.before)) {
			t.Errorf("%s: want %q and %d as before, got\n%s", step.change, step.fresh, step.before, said.String())
		}
	}
}

// Who asks for it does not wait until the file is at rest, or has changed.
func TestAHangupHasTheRulesReadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := fmt.Sprintf(reloadRules, "1s", "2s", "lessons", "")
		file := writeFile(t, "rules.yaml", text)
		f, problems, err := openRulesFile(file, func(name string) (string, bool) { return "https://" + name + ".example.com", true })
		if f == nil {
			t.Fatal(problems, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		hangup, done := make(chan os.Signal), make(chan struct{})
		var used []*mapping.RuleSet
		go func() {
			defer close(done)
			f.watch(ctx, hangup, slog.New(slog.DiscardHandler), func(rs *mapping.RuleSet) { used = append(used, rs) })
		}()
		overwrite(t, file, text+"  - {name: second, on: school.second, audience: students, template: lessons}\n")
		for range 2 {
			hangup <- syscall.SIGHUP
			synctest.Wait()
		}
		cancel()
		<-done
		if len(used) != 2 || !hasRule(used[0], "second") {
			t.Errorf("%d versions were used, want the new one for each hangup", len(used))
		}
	})
}
