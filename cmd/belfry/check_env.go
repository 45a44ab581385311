package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// envFile lets rules be looked at where the daemon's environment is not, such
// as in CI. What it sets never wins over the real environment.
type envFile struct{ path string }

func (e *envFile) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&e.path, "env-file", "", "file with NAME=value lines, for each ${NAME} that the environment does not set")
}

// lookup is env with the file behind it.
func (e *envFile) lookup(env func(string) (string, bool)) (func(string) (string, bool), error) {
	if e.path == "" {
		return env, nil
	}
	values, err := readEnvFile(e.path)
	if err != nil {
		return nil, err
	}
	return func(name string) (string, bool) {
		if v, ok := env(name); ok {
			return v, true
		}
		v, ok := values[name]
		return v, ok
	}, nil
}

// readEnvFile reads what docker compose reads too: NAME=value, # comments,
// quotes around a value.
func readEnvFile(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read --env-file: %w", err)
	}
	defer func() { _ = f.Close() }()
	values := map[string]string{}
	in := bufio.NewScanner(f)
	for n := 1; in.Scan(); n++ {
		line := strings.TrimSpace(in.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, fmt.Errorf("cannot use line %d of %s: want NAME=value", n, path) // not the line itself: it may be a secret
		}
		values[name] = unquoted(strings.TrimSpace(value))
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("cannot read --env-file: %w", err)
	}
	return values, nil
}

func unquoted(s string) string {
	if n := len(s); n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n-1] == s[0] {
		return s[1 : n-1]
	}
	return s
}
