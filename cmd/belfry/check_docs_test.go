package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const cliPage = "docs/cli.md"

// Its tables of flags are written by: go test ./cmd/belfry -run CommandLinePage -cli.update
var cliUpdate = flag.Bool("cli.update", false, "write the tables of flags in "+cliPage)

// visibleVerbs are the commands that do something, hidden ones left out.
func visibleVerbs(cmd *cobra.Command) (all []*cobra.Command) {
	if cmd.Hidden || cmd.Name() == "help" || cmd.Name() == "completion" {
		return nil
	}
	if cmd.RunE != nil && cmd.Annotations[onlyAGroup] == "" {
		all = append(all, cmd)
	}
	for _, c := range cmd.Commands() {
		all = append(all, visibleVerbs(c)...)
	}
	return all
}

// flagTable is a verb's own flags; those for NATS are the same for all.
func flagTable(cmd *cobra.Command) string {
	var b strings.Builder
	reaches := false
	cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		reaches = reaches || f.Name == "nats-creds"
		if f.Name == "help" || isNATSFlag(f.Name) || f.Hidden {
			return
		}
		short := ""
		if f.Shorthand != "" {
			short = "`-" + f.Shorthand + "`, "
		}
		value, usage := pflag.UnquoteUsage(f)
		if value != "" {
			value = " " + value
		}
		fmt.Fprintf(&b, "| %s`--%s%s` | %s%s |\n", short, f.Name, value, strings.NewReplacer("|", "\\|", "<", "&lt;").Replace(usage), defaultOf(f))
	})
	table := ""
	if b.Len() > 0 {
		table = "| Flag | |\n|---|---|\n" + b.String()
	}
	if reaches {
		table += "\nand those [for NATS](#reaching-nats).\n"
	}
	if table == "" {
		table = "No flags.\n"
	}
	return table
}

func isNATSFlag(name string) bool {
	var all pflag.FlagSet
	new(natsOptions).flags(&all)
	return all.Lookup(name) != nil
}

func defaultOf(f *pflag.Flag) string {
	switch {
	case f.Name == "name": // that of the machine
		return ""
	case slices.Contains([]string{"", "[]", "0", "0s", "false"}, f.DefValue):
		return ""
	}
	return " (default `" + f.DefValue + "`)"
}

var flagBlock = regexp.MustCompile(`(?s)<!-- flags of (belfry[a-z -]*) -->\n.*?<!-- end -->`)

func TestTheCommandLinePageHasEveryVerbAndFlag(t *testing.T) {
	page := string(readRepository(t, cliPage))
	root := newRoot(stdio{env: noEnv})
	want := map[string]string{}
	for _, cmd := range visibleVerbs(root) {
		want[cmd.CommandPath()] = flagTable(cmd)
	}
	seen := map[string]bool{}
	written := flagBlock.ReplaceAllStringFunc(page, func(block string) string {
		verb := flagBlock.FindStringSubmatch(block)[1]
		seen[verb] = true
		if want[verb] == "" {
			t.Errorf("%s has %q, which is no verb", cliPage, verb)
		}
		return "<!-- flags of " + verb + " -->\n" + want[verb] + "<!-- end -->"
	})
	for _, verb := range sortedKeys(want) {
		if !seen[verb] {
			t.Errorf("%s has no flags of %q", cliPage, verb)
		}
		if !strings.Contains(page, "\n## "+verb+"\n") {
			t.Errorf("%s has no section %q", cliPage, verb)
		}
	}
	var nats strings.Builder
	var flags pflag.FlagSet
	new(natsOptions).flags(&flags)
	flags.VisitAll(func(f *pflag.Flag) { fmt.Fprintf(&nats, "| `--%s` | %s |\n", f.Name, f.Usage) })
	if !strings.Contains(page, nats.String()) {
		t.Errorf("the section on NATS does not say\n%s", nats.String())
	}
	if *cliUpdate && !t.Failed() {
		if err := os.WriteFile(filepath.Join(repository, cliPage), []byte(written), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if written != page {
		t.Errorf("the tables of flags in %s are not those of the program: run go test ./cmd/belfry -run CommandLinePage -cli.update", cliPage)
	}
}

// TestTheCommandLinePagesExamplesWork runs those that need no daemon, in a
// copy of the example, and parses the others. Every verb has one.
func TestTheCommandLinePagesExamplesWork(t *testing.T) {
	blocks := fences(t, cliPage)
	folder := t.TempDir()
	for _, name := range []string{"rules.yaml", "rules_test.yaml"} {
		if err := os.WriteFile(filepath.Join(folder, name), readRepository(t, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range blocks {
		if name, ok := strings.CutPrefix(f.info, "file "); ok {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(f.body), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Chdir(folder)
	shown := map[string]bool{}
	for _, f := range blocks {
		if f.info != "sh" {
			continue
		}
		for line := range strings.Lines(f.body) {
			args := words(line)
			if len(args) == 0 || args[0] != "belfry" {
				t.Errorf("%s: %q is no example", f, line)
				continue
			}
			parseCommand(t, args[1:], noEnv)
			cmd, _, _ := newRoot(stdio{env: noEnv}).Find(args[1:])
			shown[cmd.CommandPath()] = true
			if !standsAlone(cmd, args) {
				continue
			}
			if code, out, errs := cli(t, args[1:]...); code != exitOK {
				t.Errorf("%s: %q exits with %d\n%s%s", f, strings.TrimSpace(line), code, out, errs)
			}
		}
	}
	for _, cmd := range visibleVerbs(newRoot(stdio{env: noEnv})) {
		if !shown[cmd.CommandPath()] {
			t.Errorf("%s has no example of %q", cliPage, cmd.CommandPath())
		}
	}
}

// words takes a line of a shell apart as far as the page needs it.
func words(line string) []string {
	var out []string
	for _, w := range regexp.MustCompile(`"[^"]*"|'[^']*'|\S+`).FindAllString(line, -1) {
		out = append(out, strings.Trim(w, `"'`))
	}
	return out
}

// standsAlone: needs neither NATS nor a daemon, and ends by itself.
func standsAlone(cmd *cobra.Command, args []string) bool {
	for _, flag := range []string{"--against", "--live", "--stream", "--nats"} {
		if slices.Contains(args, flag) {
			return false
		}
	}
	return slices.Contains([]string{"check", "explain", "test", "schema"}, cmd.Name())
}

// TestEveryVerbHasAScript: what a verb says to wrong usage is tested.
func TestEveryVerbHasAScript(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	all := ""
	for _, s := range scripts {
		b, err := os.ReadFile(s)
		if err != nil {
			t.Fatal(err)
		}
		all += string(b)
	}
	for _, cmd := range visibleVerbs(newRoot(stdio{env: noEnv})) {
		if !strings.Contains(all, "exits 2 "+cmd.CommandPath()) {
			t.Errorf("no script has wrong usage of %q", cmd.CommandPath())
		}
	}
}

func TestEveryPackageHasAFirstPageAndARowInTheTable(t *testing.T) {
	table := string(readRepository(t, "docs/CONTRIBUTING.md"))
	files, err := filepath.Glob(filepath.Join(repository, "internal", "*", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no packages: %v", err)
	}
	pages := map[string]bool{} // by package
	for _, f := range files {
		name := "internal/" + filepath.Base(filepath.Dir(f))
		pages[name] = pages[name] || filepath.Base(f) == "doc.go"
	}
	for name, page := range pages {
		if row := fmt.Sprintf("\n| [%s](../%[1]s) | ", name); !strings.Contains(table, row) {
			t.Errorf("docs/CONTRIBUTING.md has no row of %s", name)
		}
		if !page {
			t.Errorf("%s has no doc.go", name)
		}
	}
}
