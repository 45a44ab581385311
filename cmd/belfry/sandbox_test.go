package main

import (
	"strings"
	"testing"

	"github.com/belfry-bridge/belfry/internal/sandbox"
)

func TestTheSandboxTakesSwitchesFromAFile(t *testing.T) {
	config := writeFile(t, "switches.json", `{"apps": {"k": "s"}, "packages": ["com.example.student"], "quota": {"per_hour": 7}}`)
	tests := []struct {
		name  string
		file  string
		apps  []string
		given bool
		want  map[string]string
		fault string
	}{
		{"without a file the default app stands", "", []string{"a:b"}, false, map[string]string{"a": "b"}, ""},
		{"apps of the file replace the default", config, []string{"a:b"}, false, map[string]string{"k": "s"}, ""},
		{"apps of the command line stand beside them", config, []string{"a:b"}, true, map[string]string{"k": "s", "a": "b"}, ""},
		{"an app without a secret", "", []string{"a"}, true, nil, "want <app key>:<app secret>"},
		{"a file that is not there", "missing.json", nil, false, nil, "cannot open --config"},
		{"a switch that does not exist", writeFile(t, "bad.json", `{"nosuch": 1}`), nil, false, nil, "nosuch"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := sandboxConfig(tt.file, tt.apps, tt.given)
			if tt.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fault) {
					t.Errorf("error %v, want %q", err, tt.fault)
				}
				return
			}
			if err != nil || len(cfg.Apps) != len(tt.want) {
				t.Fatalf("apps %v, error %v; want %v", cfg.Apps, err, tt.want)
			}
			for k, v := range tt.want {
				if cfg.Apps[k] != v {
					t.Errorf("apps %v, want %v", cfg.Apps, tt.want)
				}
			}
			if tt.file == config && cfg.Quota.PerHour != 7 {
				t.Errorf("quota %+v, want 7 an hour", cfg.Quota)
			}
		})
	}
}

func TestAScriptReachesTheSandboxThatRuns(t *testing.T) {
	s := startSandbox(t, sandbox.Config{})
	file := writeFile(t, "script.json", `[{"code": 1005}, {"times": 2, "delay": "1s", "drop": "after"}]`)
	code, out, errs := cli(t, "sandbox", "script", file, "--url", s.URLs()[1])
	if code != exitOK || out != "2 steps added, 2 to come\n" {
		t.Fatalf("exit %d, %s%s", code, out, errs)
	}
	steps := s.Steps()
	if len(steps) != 2 || steps[0].Code != 1005 || steps[1].Times != 2 || steps[1].Drop != "after" {
		t.Errorf("the simulator has %+v", steps)
	}
	if code, _, errs := cli(t, "sandbox", "script", writeFile(t, "bad.json", `[{"cod": 1}]`), "--url", s.URLs()[0]); code != exitFailed || !strings.Contains(errs, "cod") {
		t.Errorf("a faulty script: exit %d, %s", code, errs)
	}
}
