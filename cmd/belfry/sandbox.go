package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/sandbox"
)

func newSandbox(io stdio) *cobra.Command {
	var o struct {
		primary, backup string
		apps            []string
		config          string
		log             logOptions
	}
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run a simulator of the provider",
		Long: `Runs a simulator of the provider's "Broadcast by package name". It checks signatures and bodies, keeps
the quota, shows what was sent as phones would, and fails on request. It is not the provider and says so.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := o.log.logger(io.err, io.env)
			if err != nil {
				return err
			}
			keepWithoutReaders()
			cfg, err := sandboxConfig(o.config, o.apps, cmd.Flags().Changed("app"))
			if err != nil {
				return err
			}
			cfg.Logger = log
			s, err := sandbox.New(cfg)
			if err != nil {
				return err
			}
			if err := s.Start(o.primary, o.backup); err != nil {
				return fmt.Errorf("%w (--primary and --backup name other addresses)", err)
			}
			for _, u := range s.URLs() {
				fmt.Fprintln(io.out, "simulates the provider at", u)
			}
			<-cmd.Context().Done()
			return s.Close()
		},
	}
	f := cmd.Flags()
	checkedVar(f, &o.primary, address, "primary", "127.0.0.1:8081", "address of the primary entrance")
	checkedVar(f, &o.backup, address, "backup", "127.0.0.1:8082", "address of the backup entrance")
	f.StringSliceVar(&o.apps, "app", []string{"sandbox-key:sandbox-secret"}, "App Key and App Secret, separated by a colon; may be repeated")
	f.StringVar(&o.config, "config", "", "JSON file with the simulator's switches (see docs/sandbox.md)")
	o.log.flags(f)
	cmd.AddCommand(newSandboxScript(io))
	return cmd
}

// sandboxConfig reads the switches. Apps of the command line stand beside
// those of the file, which make the default one unnecessary.
func sandboxConfig(file string, apps []string, given bool) (sandbox.Config, error) {
	var cfg sandbox.Config
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return cfg, fmt.Errorf("cannot open --config: %w", err)
		}
		defer func() { _ = f.Close() }()
		if cfg, err = sandbox.ReadConfig(f); err != nil {
			return cfg, fmt.Errorf("cannot use %s: %w", file, err)
		}
	}
	if len(cfg.Apps) > 0 && !given {
		return cfg, nil
	}
	if cfg.Apps == nil {
		cfg.Apps = map[string]string{}
	}
	for _, app := range apps {
		key, secret, ok := strings.Cut(app, ":")
		if !ok || key == "" || secret == "" {
			return cfg, usageError{errors.New("cannot use --app: want <app key>:<app secret>")}
		}
		cfg.Apps[key] = secret
	}
	return cfg, nil
}

const scriptTimeout = 10 * time.Second

func newSandboxScript(std stdio) *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:   "script FILE",
		Short: "Tell a running simulator how its next answers come out",
		Long: `Sends a script, a JSON list of steps, to a running simulator. Each step is the outcome of one call. The
file - is standard input. docs/sandbox.md lists what a step can do.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if u, err := url.Parse(at); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
				return usageError{fmt.Errorf("cannot use --url %q: want http://HOST:PORT", at)}
			}
			steps, err := readScript(args[0], std.in)
			if err != nil {
				return err
			}
			waiting, err := postScript(cmd.Context(), at, steps)
			if err != nil {
				return err
			}
			fmt.Fprintf(std.out, "%s added, %d to come\n", bridge.Plural(len(steps), "step", "steps"), waiting)
			return nil
		},
	}
	cmd.Flags().StringVar(&at, "url", "http://127.0.0.1:8081", "one of the simulator's entrances")
	return cmd
}

// readScript checks the script here, where its faults can be read.
func readScript(file string, in io.Reader) ([]sandbox.Step, error) {
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("cannot open the script: %w", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	steps, err := sandbox.ParseScript(in)
	if err != nil {
		return nil, fmt.Errorf("cannot use %s: %w", file, err)
	}
	return steps, nil
}

func postScript(ctx context.Context, at string, steps []sandbox.Step) (waiting int, err error) {
	ctx, cancel := context.WithTimeout(ctx, scriptTimeout)
	defer cancel()
	body, err := json.Marshal(steps)
	if err != nil {
		return 0, fmt.Errorf("cannot encode the script: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(at, "/")+"/_sandbox/script", bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("cannot use --url: %w", err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, fmt.Errorf("cannot reach the simulator (is `belfry sandbox` running?): %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return 0, fmt.Errorf("cannot read the simulator's answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("cannot script %s: HTTP %d: %s", at, answer.StatusCode, strings.TrimSpace(string(text)))
	}
	var queue []sandbox.Step
	if err := json.Unmarshal(text, &queue); err != nil {
		return 0, fmt.Errorf("cannot script %s: it does not answer like a simulator: %w", at, err)
	}
	return len(queue), nil
}
