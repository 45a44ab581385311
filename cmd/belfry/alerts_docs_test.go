package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// alerts are the expressions of docs/monitoring/alerts.yml by name.
func alerts(t testing.TB) map[string]string {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(readRepository(t, "docs/monitoring/alerts.yml"), &file); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			all[r.Alert] = r.Expr
		}
	}
	return all
}

// Whom an alert wakes searches the page for its name, or for its metric.
func TestEveryAlertIsExplainedBesideAMetricThatItAsksFor(t *testing.T) {
	page := string(readRepository(t, "docs/operations.md"))
	all := alerts(t)
	name := regexp.MustCompile(`\bBelfry[A-Z]\w+`)
	named := name.FindAllString(page, -1)
	for _, alert := range sortedKeys(all) {
		if !slices.Contains(named, alert) {
			t.Errorf("docs/operations.md does not say what to do about %s", alert)
		}
	}
	for _, alert := range named {
		if all[alert] == "" {
			t.Errorf("docs/operations.md names %s, which the file of alerts does not have", alert)
		}
	}
	rows := 0
	beside := regexp.MustCompile("`(belfry_\\w+)` [^|`]*\\((Belfry\\w+)\\)")
	for line := range strings.Lines(page) {
		metrics := map[string]string{}
		for _, m := range beside.FindAllStringSubmatch(line, -1) {
			metrics[m[2]] = m[1]
		}
		for _, alert := range name.FindAllString(line, -1) {
			if !strings.HasPrefix(line, "|") {
				continue // the text above the table
			}
			rows++
			if metrics[alert] == "" || !regexp.MustCompile(`\b`+metrics[alert]+`\b`).MatchString(all[alert]) {
				t.Errorf("docs/operations.md has %s beside the metric %q, want one of %s", alert, metrics[alert], all[alert])
			}
		}
	}
	if rows < 10 {
		t.Errorf("only %d alerts stand in the table", rows)
	}
}
