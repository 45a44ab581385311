package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/internal/sandbox"
)

// fence is a block of a page between three backquotes.
type fence struct {
	page string
	line int
	info string // what stands behind the backquotes: "sh", "text demo"
	body string
}

func (f fence) String() string { return fmt.Sprintf("%s:%d", f.page, f.line) }

// fences lists the blocks of a page; those in a list are indented.
func fences(t testing.TB, page string) (all []fence) {
	t.Helper()
	var open *fence
	number := 0
	for line := range strings.Lines(string(readRepository(t, page))) {
		number++
		info, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			open = &fence{page: page, line: number, info: info}
		case isFence:
			all, open = append(all, *open), nil
		case open != nil:
			open.body += line
		}
	}
	if open != nil {
		t.Fatalf("%s: never closed", open)
	}
	return all
}

// ownPages are the pages that this file answers for.
var ownPages = []string{"README.md", "docs/README.md", "docs/operations.md", "docs/CONTRIBUTING.md", "CHANGELOG.md"}

func TestEverySampleOfThePagesIsOfAKindThatIsChecked(t *testing.T) {
	for _, page := range ownPages {
		for _, f := range fences(t, page) {
			if !slices.Contains([]string{"sh", "text demo", "yaml", "mermaid", "nats", "nats books", "nats accounts", "json sources"}, f.info) {
				t.Errorf("%s: nothing checks samples of the kind %q", f, f.info)
			}
		}
	}
}

// TestEveryCommandOfThePagesExists parses verbs and flags with the real
// commands. `go run ./cmd/belfry demo` runs in TestTheReadmeShowsWhatTheDemoPrints,
// `docker compose` has tests of its own, and .ci/run runs the other command.
func TestEveryCommandOfThePagesExists(t *testing.T) {
	ci := string(readRepository(t, ".ci/run"))
	quoted := regexp.MustCompile(`"[^"]*"|\S+`)
	seen := 0
	for _, page := range ownPages {
		for _, f := range fences(t, page) {
			if f.info != "sh" {
				continue
			}
			for line := range strings.Lines(f.body) {
				words := quoted.FindAllString(line, -1)
				for len(words) > 0 && strings.Contains(words[0], "=") {
					words = words[1:]
				}
				command := strings.Join(words, " ")
				switch {
				case command == "go test ./..." || command == "go run ./cmd/belfry demo":
					if !strings.Contains(ci, command) {
						t.Errorf("%s: .ci/run does not run %q", f, command)
					}
				case strings.HasPrefix(command, "docker compose up"):
				case len(words) > 2 && strings.HasPrefix(command, "go run ./cmd/belfry "):
					parseCommand(t, words[3:], noEnv)
				case len(words) > 0 && words[0] == "nats": // TestTheReadmesOwnRun does the same without the tool
				case len(words) > 0 && words[0] == "belfry":
					parseCommand(t, words[1:], noEnv)
				default:
					t.Errorf("%s: nothing checks the command %q", f, command)
				}
				seen++
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d commands were found", seen)
	}
}

func noEnv(string) (string, bool) { return "", false }

func TestEveryTargetOfTheMakefileIsDocumented(t *testing.T) {
	contributing := string(readRepository(t, "docs/CONTRIBUTING.md"))
	targets := regexp.MustCompile(`(?m)^\.PHONY: (.*)$`).FindSubmatch(readRepository(t, "Makefile"))
	if targets == nil || !strings.Contains(contributing, string(targets[1])) {
		t.Errorf("docs/CONTRIBUTING.md does not list the targets %q", targets)
	}
}

func TestTheReadmesRuleIsTheExamples(t *testing.T) {
	example := string(readRepository(t, "rules.yaml"))
	for _, f := range fences(t, "README.md") {
		if f.info == "yaml" && !strings.Contains(example, f.body) {
			t.Errorf("%s: not in rules.yaml", f)
		}
	}
}

func TestEveryLinkOfThePagesLeadsToAFile(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[a-z0-9-]+)?\)`)
	pages := append(slices.Clone(ownPages), "docs/adr/README.md")
	for _, page := range pages {
		for _, m := range link.FindAllSubmatch(readRepository(t, page), -1) {
			if _, err := os.Stat(filepath.Join(repository, filepath.Dir(page), string(m[1]))); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}

// TestTheReadmeShowsWhatTheDemoPrints compares without numbers, days and
// times: those are different every time.
func TestTheReadmeShowsWhatTheDemoPrints(t *testing.T) {
	long(t)
	p := start(t, nil, built(t, "belfry"), "demo")
	if code := p.exit(60 * time.Second); code != exitOK {
		t.Fatalf("the demo exits with %d", code)
	}
	printed, excerpts := map[string]bool{}, 0
	for line := range strings.Lines(p.log.String()) {
		printed[timeless(line)] = true
	}
	for _, f := range fences(t, "README.md") {
		if f.info != "text demo" {
			continue
		}
		for line := range strings.Lines(f.body) {
			excerpts++
			if !printed[timeless(line)] {
				t.Errorf("%s: the demo does not print %q", f, line)
			}
		}
	}
	if excerpts == 0 {
		t.Error("the README has no excerpt of the demo")
	}
}

func timeless(line string) string {
	line = regexp.MustCompile(`\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b`).ReplaceAllString(line, "Day")
	line = regexp.MustCompile(`\d+`).ReplaceAllString(line, "0")
	return strings.Join(strings.Fields(line), " ")
}

// conditionNames finds every name of a trouble in the code, where it is
// declared or noted.
func conditionNames(t testing.TB) []string {
	t.Helper()
	var names []string
	name := regexp.MustCompile(`(?:ConditionName = |Note\(|newOutlet\()"([a-z]+\.[a-z]+)"`)
	for _, folder := range []string{"internal/stream", "bridge", "cmd/belfry"} {
		for _, text := range sources(t, folder) {
			for _, m := range name.FindAllStringSubmatch(text, -1) {
				names = append(names, m[1])
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func sources(t testing.TB, folder string) (texts []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(repository, folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no code in %s (%v)", folder, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	return texts
}

// metrics finds every metric in the code, with its labels in order.
func metrics(t testing.TB) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	call := regexp.MustCompile(`s\.(?:gauge|counter|histogram)\("(belfry_[a-z_]+)", "[^"]*", (.*)\)\n`)
	label := regexp.MustCompile(`"([a-z]+)"`)
	for _, text := range sources(t, "internal/web") {
		for _, m := range call.FindAllStringSubmatch(text, -1) {
			all[m[1]] = []string{}
			for _, l := range label.FindAllStringSubmatch(m[2], -1) {
				all[m[1]] = append(all[m[1]], l[1])
			}
		}
		for _, m := range regexp.MustCompile(`"(belfry_[a-z_]+)"`).FindAllStringSubmatch(text, -1) {
			if all[m[1]] == nil {
				t.Fatalf("cannot find the labels of %s: teach this test", m[1])
			}
		}
	}
	return all
}

func TestEveryTroubleAndEveryMetricIsExplainedToOperators(t *testing.T) {
	page := string(readRepository(t, "docs/operations.md"))
	conditions, known := conditionNames(t), metrics(t)
	if len(conditions) < 10 || len(known) < 10 {
		t.Fatalf("found only %q and %q in the code", conditions, known)
	}
	for _, name := range conditions {
		if !strings.Contains(page, "\n| `"+name+"` | ") {
			t.Errorf("docs/operations.md does not say what to do about %s", name)
		}
	}
	for name, labels := range known {
		row := "`" + name + "`[^|]*\\| "
		if len(labels) > 0 {
			row += "`" + strings.Join(labels, "`, `") + "` "
		}
		if !regexp.MustCompile(row + "\\| [a-z0-9]").MatchString(page) {
			t.Errorf("docs/operations.md does not explain %s with its labels %q", name, labels)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+\\.[a-z]+)` \\|").FindAllStringSubmatch(page, -1) {
		if !slices.Contains(conditions, m[1]) {
			t.Errorf("docs/operations.md explains %s, which the code does not know", m[1])
		}
	}
	for _, file := range []string{"docs/operations.md", "docs/monitoring/alerts.yml", "docs/monitoring/grafana/belfry.json"} {
		for _, name := range regexp.MustCompile(`\bbelfry_[a-z_]+`).FindAllString(string(readRepository(t, file)), -1) {
			if known[regexp.MustCompile(`(seconds)_(bucket|count|sum)$`).ReplaceAllString(name, "$1")] == nil {
				t.Errorf("%s mentions %s, which is no metric", file, name)
			}
		}
	}
}

// TestThePermissionsOfThePageAreEnough runs the daemon as a user who may do
// what docs/operations.md lists, and no more.
func TestThePermissionsOfThePageAreEnough(t *testing.T) {
	t.Parallel()
	permissions := map[string]string{}
	for _, f := range fences(t, "docs/operations.md") {
		permissions[f.info] = f.body
	}
	port := freePort(t)
	config := writeFile(t, "nats.conf", fmt.Sprintf(`
listen: "127.0.0.1:%d"
jetstream: { store_dir: %q }
authorization: { users: [
  { user: admin, password: admin }
  { user: belfry, password: belfry, permissions: {
%s
  } }
  { user: books, password: books, permissions: {
%s
  } }
  { user: nobody, password: nobody, permissions: {
%s
  } }
  { user: orders, password: orders, permissions: { publish: [ "belfry.control.>" ], subscribe: [ "_INBOX.>" ] } }
] }`, port, t.TempDir(), permissions["nats"], permissions["nats books"],
		strings.NewReplacer("CONSUMER.INFO", "CONSUMER.NONE", "belfry.deadletter.replayed", "school.>").Replace(permissions["nats books"])))
	start(t, nil, built(t, "nats-server"), "-c", config)
	admin := fmt.Sprintf("nats://admin:admin@127.0.0.1:%d", port)
	awaitNATS(t, admin)
	provider := startSandbox(t, sandbox.Config{})
	_, js := connect(t, admin)
	createSchool(t, js)
	natsURL := fmt.Sprintf("nats://127.0.0.1:%d", port)
	rules := writeFile(t, "rules.yaml", e2eRules)
	_, page := startBelfry(t, provider, natsURL, rules, "--nats-user", "belfry", "--nats-password", "belfry")
	lesson(t, js, 7, "Maths", 30)
	if _, err := js.Publish(t.Context(), "school.lesson.cancelled", []byte(`{"lesson_id":`)); err != nil {
		t.Fatal(err)
	}
	results, err := js.Stream(t.Context(), "BELFRY_RESULTS")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a result and a dead letter are published", func() bool {
		info, err := results.Info(t.Context())
		return err == nil && info.State.Msgs == 2
	})
	status := start(t, nil, built(t, "belfry"), "status", "--nats", natsURL, "--nats-user", "belfry", "--nats-password", "belfry")
	if code := status.exit(patience); code != exitOK || !strings.Contains(status.log.String(), "campus") {
		t.Errorf("status exits with %d:\n%s", code, status.log)
	}
	if _, body := get(page + "/metrics"); strings.Contains(body, "belfry_condition{") {
		t.Errorf("there is trouble:\n%s", body)
	}
	look := func(user string, args ...string) (int, string) {
		if args[0] != "check" {
			args = append(args, "--nats", natsURL)
		}
		p := start(t, rulesEnv(provider), built(t, "belfry"), append(args, "--nats-user", user, "--nats-password", user)...)
		return p.exit(75 * time.Second), p.log.String()
	}
	for _, args := range [][]string{
		{"reconcile"}, {"deadletter", "list"}, {"simulate", "--rules", rules, "--stream", "SCHOOL"}, {"tune", "--rules", rules, "--stream", "SCHOOL"},
		{"explain", "--rules", rules, "--stream", "SCHOOL", "--seq", "1", "--live"},
	} {
		began := time.Now()
		if code, log := look("books", args...); code != exitOK || time.Since(began) > 20*time.Second {
			t.Errorf("%v exits with %d after %s:\n%s", args, code, time.Since(began), log)
		}
	}
	if code, log := look("nobody", "simulate", "--rules", rules, "--stream", "SCHOOL"); code != exitFailed || !strings.Contains(log, "$JS.API.CONSUMER.INFO.SCHOOL.") {
		t.Errorf("without a permission simulate exits with %d:\n%s", code, log)
	}
	for _, args := range [][]string{
		{"reconcile"}, {"check", rules, "--against", natsURL}, {"explain", "--rules", rules, "--stream", "SCHOOL", "--seq", "1"},
	} {
		began := time.Now()
		if _, log := look("orders", args...); !strings.Contains(log, `Permissions Violation for Publish to "$JS.API.`) || time.Since(began) > 40*time.Second {
			t.Errorf("without permissions %v says after %s:\n%s", args, time.Since(began), log)
		}
	}
	if code, log := look("books", "deadletter", "replay", "--all"); code != exitFailed || !strings.Contains(log, `Permissions Violation for Publish to "school.lesson.cancelled"`) {
		t.Errorf("without a permission replay exits with %d:\n%s", code, log)
	}
}

// TestTheReadmesOwnRun makes the stream and publishes the event as the README
// says, and the broadcast leaves.
func TestTheReadmesOwnRun(t *testing.T) {
	t.Parallel()
	page := string(readRepository(t, "README.md"))
	stream := regexp.MustCompile(`(?m)^nats stream add (\S+) --subjects "(\S+)" --defaults$`).FindStringSubmatch(page)
	event := regexp.MustCompile(`(?m)^nats pub (\S+) '(.*)'$`).FindStringSubmatch(page)
	if stream == nil || event == nil {
		t.Fatal("the README does not say how to make a stream and publish an event")
	}
	provider := startSandbox(t, sandbox.Config{})
	urls := provider.URLs()
	p := start(t, []string{
		"CAMPUS_APP_KEY=" + testKey, "CAMPUS_APP_SECRET=" + testSecret, "CAMPUS_URL=" + urls[0], "CAMPUS_BACKUP_URL=" + urls[1],
	}, built(t, "belfry"), "run", "--rules", filepath.Join(repository, "rules.yaml"), "--http", "", "--data", t.TempDir(), "--log-format", "json")
	var natsURL string
	eventually(t, "the daemon names its NATS server, and waits for the stream", func() bool {
		m := regexp.MustCompile(`"started a NATS server of its own","url":"([^"]+)"`).FindStringSubmatch(p.log.String())
		if m != nil {
			natsURL = m[1]
		}
		return m != nil && strings.Contains(p.log.String(), `"stream.missing"`)
	})
	_, js := connect(t, natsURL)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: stream[1], Subjects: []string{stream[2]}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx, event[1], []byte(event[2])); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the phone rings", func() bool { return len(provider.Broadcasts()) == 1 })
	if text := provider.Broadcasts()[0].Text; !strings.Contains(text, "Maths 7C") {
		t.Errorf("the broadcast says %q", text)
	}
}
