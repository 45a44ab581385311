package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/spf13/pflag"

	"github.com/belfry-bridge/belfry/internal/nexconn"
	"github.com/belfry-bridge/belfry/mapping"
)

const repository = "../.."

// composeFile is as much of the compose specification as ours uses. It is
// decoded strictly: a key that is misspelt, or new, fails.
type composeFile struct {
	Name     string                    `yaml:"name"`
	Services map[string]composeService `yaml:"services"`
	Volumes  map[string]struct{}       `yaml:"volumes"`
}

type composeService struct {
	Image       string            `yaml:"image"`
	Build       string            `yaml:"build"`
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Volumes     []string          `yaml:"volumes"`
	Ports       []string          `yaml:"ports"`
	Profiles    []string          `yaml:"profiles"`
	ReadOnly    bool              `yaml:"read_only"`
	Restart     string            `yaml:"restart"`
	StopGrace   string            `yaml:"stop_grace_period"`
	DependsOn   map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
	Healthcheck *struct {
		Test     []string `yaml:"test"`
		Interval string   `yaml:"interval"`
		Timeout  string   `yaml:"timeout"`
		Retries  int      `yaml:"retries"`
	} `yaml:"healthcheck"`
}

func (s composeService) env(name string) (string, bool) {
	v, ok := s.Environment[name]
	return v, ok
}

func readRepository(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(repository, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readCompose(t testing.TB) composeFile {
	t.Helper()
	var c composeFile
	decoder := yaml.NewDecoder(bytes.NewReader(readRepository(t, "docker-compose.yml")), yaml.Strict())
	if err := decoder.Decode(&c); err != nil {
		t.Fatalf("cannot read docker-compose.yml:\n%v", err)
	}
	return c
}

func TestEveryServiceOfTheComposeFileFitsTheOthers(t *testing.T) {
	c := readCompose(t)
	for _, name := range []string{"nats", "sandbox", "belfry", "prometheus", "grafana"} {
		if _, ok := c.Services[name]; !ok {
			t.Errorf("there is no service %s", name)
		}
	}
	for name, s := range c.Services {
		if s.Image == "" {
			t.Errorf("%s: has no image", name)
		}
		for other, dependency := range s.DependsOn {
			needed, ok := c.Services[other]
			if !ok {
				t.Errorf("%s: depends on %s, which does not exist", name, other)
			}
			if dependency.Condition == "service_healthy" && needed.Healthcheck == nil {
				t.Errorf("%s: waits for the health of %s, which has no healthcheck", name, other)
			}
		}
		if s.StopGrace != "" {
			if _, err := time.ParseDuration(s.StopGrace); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if monitoring := name == "prometheus" || name == "grafana"; monitoring != slices.Contains(s.Profiles, "monitoring") {
			t.Errorf("%s: has the profiles %v", name, s.Profiles)
		}
	}
}

func TestEveryPathOfTheComposeFileExists(t *testing.T) {
	c := readCompose(t)
	for name, s := range c.Services {
		if s.Build != "" {
			if _, err := os.Stat(filepath.Join(repository, s.Build, "Dockerfile")); err != nil {
				t.Errorf("%s: build: %v", name, err)
			}
		}
		for _, volume := range s.Volumes {
			source, target, ok := strings.Cut(volume, ":")
			if !ok || !strings.HasPrefix(target, "/") {
				t.Errorf("%s: cannot mount %q: want source:/target", name, volume)
			}
			if !strings.HasPrefix(source, ".") {
				if _, ok := c.Volumes[source]; !ok {
					t.Errorf("%s: the volume %s is not declared", name, source)
				}
				continue
			}
			if info, err := os.Stat(filepath.Join(repository, source)); err != nil || !info.Mode().IsRegular() {
				t.Errorf("%s: cannot mount %s: want a file (%v)", name, source, err)
			}
		}
	}
}

// parseCommand checks a verb and its flags against the real commands.
func parseCommand(t testing.TB, args []string, env func(string) (string, bool)) *pflag.FlagSet {
	t.Helper()
	cmd, rest, err := newRoot(stdio{env: env, out: io.Discard, err: io.Discard}).Find(args)
	if err != nil || !cmd.HasParent() {
		t.Fatalf("belfry %s: no such verb (%v)", strings.Join(args, " "), err)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Fatalf("belfry %s: %v", strings.Join(args, " "), err)
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		t.Fatalf("belfry %s: %v", strings.Join(args, " "), err)
	}
	if err := fromEnvironment(cmd.Flags(), env); err != nil {
		t.Fatalf("belfry %s: %v", strings.Join(args, " "), err)
	}
	return cmd.Flags()
}

func TestEveryCommandOfTheComposeFileExists(t *testing.T) {
	c := readCompose(t)
	verbs := map[string]bool{}
	for name, s := range c.Services {
		if s.Image != "belfry" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			flags := parseCommand(t, s.Command, s.env)
			verbs[s.Command[0]] = true
			for variable := range s.Environment {
				option, ours := strings.CutPrefix(variable, "BELFRY_")
				if ours && flags.Lookup(strings.ToLower(strings.ReplaceAll(option, "_", "-"))) == nil {
					t.Errorf("the variable %s belongs to no flag", variable)
				}
			}
		})
	}
	if !verbs["run"] || !verbs["sandbox"] {
		t.Errorf("the verbs are %v; want run and sandbox", verbs)
	}
	fs := flag.NewFlagSet("nats-server", flag.ContinueOnError)
	o, err := server.ConfigureOptions(fs, c.Services["nats"].Command, nil, nil, nil)
	if err != nil {
		t.Fatalf("nats-server %v: %v", c.Services["nats"].Command, err)
	}
	if !o.JetStream || o.HTTPPort != 8222 || !slices.ContainsFunc(c.Services["nats"].Volumes, func(v string) bool { return strings.HasSuffix(v, ":"+o.StoreDir) }) {
		t.Errorf("nats: want JetStream on a volume and monitoring on 8222: %v", c.Services["nats"])
	}
}

func TestTheComposedDaemonCanUseItsRulesAndReachTheSandbox(t *testing.T) {
	c := readCompose(t)
	daemon, simulator := c.Services["belfry"], c.Services["sandbox"]
	flags := parseCommand(t, daemon.Command, daemon.env)
	inside, _ := flags.GetString("rules")
	var outside string
	for _, volume := range daemon.Volumes {
		if source, ok := strings.CutSuffix(volume, ":"+inside+":ro"); ok {
			outside = source
		}
	}
	if outside == "" {
		t.Fatalf("%s is not mounted: %v", inside, daemon.Volumes)
	}
	src := readRepository(t, outside)
	rules, problems := mapping.Compile(outside, src, mapping.Options{LookupEnv: daemon.env, ReadFile: os.ReadFile})
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	for _, m := range regexp.MustCompile(`\$\{(\w+)`).FindAllSubmatch(src, -1) {
		if _, ok := daemon.env(string(m[1])); !ok {
			t.Errorf("%s asks for %s, which the service does not set", outside, m[1])
		}
	}
	entrances := parseCommand(t, simulator.Command, simulator.env)
	primary, _ := entrances.GetString("primary")
	backup, _ := entrances.GetString("backup")
	apps, _ := entrances.GetStringSlice("app")
	for name, app := range rules.Apps {
		if want := []string{"http://sandbox" + primary, "http://sandbox" + backup}; !slices.Equal(app.BaseURLs, want) {
			t.Errorf("%s: sends to %v; the sandbox listens on %v", name, app.BaseURLs, want)
		}
		if _, err := nexconn.New(nexconn.Config{AppKey: app.Key, Secret: app.Secret, BaseURLs: app.BaseURLs}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Contains(apps, app.Key+":"+app.Secret.Reveal()) {
			t.Errorf("%s: the sandbox does not know its key and secret", name)
		}
	}
}

// Over a stretch of time, a panel of what holds now goes on to show the last
// value of an owner that is gone, and every condition that is over.
func TestTheGrafanaPageAsksForThisMomentWhereItShowsOneValue(t *testing.T) {
	var page struct {
		Panels []struct {
			Type, Title string
			Targets     []struct {
				Expr, Format string
				Instant      bool
			}
		}
	}
	if err := json.Unmarshal(readRepository(t, "docs/monitoring/grafana/belfry.json"), &page); err != nil {
		t.Fatal(err)
	}
	for _, p := range page.Panels {
		for _, target := range p.Targets {
			if target.Instant != (p.Type != "timeseries") || (p.Type == "table") != (target.Format == "table") {
				t.Errorf("%s, a %s, asks for %+v", p.Title, p.Type, target)
			}
		}
	}
}

// dockerfile is what the instructions of ours say. Continued lines are not used.
type dockerfile struct {
	copies     [][]string // from the repository: sources, then the target
	build      string     // the go build command
	env        map[string]string
	entrypoint []string
	cmd        []string
	stages     []string
	user       string
}

func readDockerfile(t testing.TB) dockerfile {
	t.Helper()
	d := dockerfile{env: map[string]string{}}
	for line := range strings.Lines(string(readRepository(t, "Dockerfile"))) {
		keyword, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch keyword {
		case "FROM":
			d.stages = append(d.stages, rest)
		case "COPY":
			if !strings.HasPrefix(rest, "--from") {
				d.copies = append(d.copies, strings.Fields(rest))
			}
		case "RUN":
			if strings.Contains(rest, "go build") {
				d.build = rest
			}
		case "ENV":
			for _, pair := range strings.Fields(rest) {
				name, value, _ := strings.Cut(pair, "=")
				d.env[name] = value
			}
		case "USER":
			d.user = rest
		case "ENTRYPOINT", "CMD":
			into := map[string]*[]string{"ENTRYPOINT": &d.entrypoint, "CMD": &d.cmd}[keyword]
			if err := json.Unmarshal([]byte(rest), into); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		case "", "#", "WORKDIR", "EXPOSE":
		default:
			if !strings.HasPrefix(keyword, "#") {
				t.Fatalf("cannot check the instruction %q: teach this test", line)
			}
		}
	}
	return d
}

func TestTheImageRunsAsNobodyWithFlagsThatExist(t *testing.T) {
	d := readDockerfile(t)
	if len(d.stages) != 2 || d.user == "" || d.user == "root" || strings.HasPrefix(d.user, "0") {
		t.Errorf("stages %q, user %q; want a builder and an image that does not run as root", d.stages, d.user)
	}
	if len(d.entrypoint) != 1 || filepath.Base(d.entrypoint[0]) != "belfry" {
		t.Errorf("the entry point is %q", d.entrypoint)
	}
	env := func(name string) (string, bool) { v, ok := d.env[name]; return v, ok }
	flags := parseCommand(t, d.cmd, env)
	for name, value := range d.env {
		f := flags.Lookup(strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "BELFRY_"), "_", "-")))
		if f == nil || f.Value.String() != value {
			t.Errorf("the variable %s=%s sets no flag", name, value)
		}
	}
}

// copied returns a folder that holds what the Dockerfile copies, and nothing else.
func (d dockerfile) copied(t testing.TB) string {
	t.Helper()
	folder := t.TempDir()
	for _, c := range d.copies {
		target := filepath.Join(folder, c[len(c)-1])
		for _, source := range c[:len(c)-1] {
			copyInto(t, filepath.Join(repository, source), target)
		}
	}
	return folder
}

func TestTheImageCopiesAllThatTheBinaryIsMadeOf(t *testing.T) {
	d := readDockerfile(t)
	target := d.build[strings.LastIndex(d.build, " ")+1:]
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags", "timetzdata", target)
	list.Dir = d.copied(t)
	if text, err := list.CombinedOutput(); err != nil {
		t.Errorf("cannot resolve %s from what is copied: %v\n%s", target, err, text)
	}
}

// TestTheImagesBinaryIsStatic runs the Dockerfile's own build command. Its
// flags share no cache with other builds: everything is compiled anew, for
// minutes. So .ci/run asks for it, by BELFRY_TEST_IMAGE=1, and nobody else waits.
func TestTheImagesBinaryIsStatic(t *testing.T) {
	if os.Getenv("BELFRY_TEST_IMAGE") == "" {
		t.Skip("compiles everything anew; asked for by BELFRY_TEST_IMAGE=1")
	}
	d := readDockerfile(t)
	if !strings.Contains(d.build, "-o /out/belfry ") {
		t.Fatalf("cannot run %q: want -o /out/belfry", d.build)
	}
	binary := filepath.Join(t.TempDir(), "belfry")
	build := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(d.build, "/out/belfry", binary, 1))
	build.Dir = d.copied(t)
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", d.build, err, text)
	}
	text, err := exec.CommandContext(t.Context(), binary, "--version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(text), "belfry version ") {
		t.Errorf("--version: %v\n%s", err, text)
	}
	settings, err := exec.CommandContext(t.Context(), "go", "version", "-m", binary).Output()
	for _, want := range []string{"CGO_ENABLED=0", "-tags=timetzdata", "-trimpath=true"} {
		if err != nil || !strings.Contains(string(settings), want) {
			t.Errorf("the binary is not built with %s (%v)", want, err)
		}
	}
}

// copyInto copies a file, or what is in a folder, as COPY does.
func copyInto(t testing.TB, source, target string) {
	t.Helper()
	info, err := os.Stat(source)
	if err != nil {
		t.Fatalf("cannot copy: %v", err)
	}
	if info.IsDir() {
		if err := os.CopyFS(target, os.DirFS(source)); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(source)
	if err == nil {
		err = os.WriteFile(filepath.Join(target, filepath.Base(source)), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
