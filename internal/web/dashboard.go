package web

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

//go:embed dashboard.html
var dashboardHTML string

//go:embed dashboard.js
var dashboardJS string

func dashboardHeader(h http.Header) {
	sum := sha256.Sum256([]byte(dashboardJS))
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; connect-src 'self'; script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	h.Set("Cache-Control", "no-store")
}

// dashboard shows one replica on one page that needs nothing from elsewhere
// and asks for itself again every few seconds.
func dashboard(w io.Writer, o bridge.Overview) {
	page := template.Must(template.New("dashboard").Funcs(template.FuncMap{
		"ago": ago, "at": clock, "plural": bridge.Plural[int], "plural64": bridge.Plural[uint64], "quoted": bridge.Quoted,
		"troubled": troubled, "script": func() template.JS { return template.JS(dashboardJS) }, //nolint:gosec // our own file
	}).Parse(dashboardHTML))
	_ = page.Execute(w, o) // into a buffer
}

// troubled names the apps that send nothing until somebody acts, or that cannot,
// or not in time.
func troubled(apps []bridge.Status) (names []string) {
	for i := range apps {
		if s := &apps[i]; s.Role == bridge.RoleOwner && (s.Paused != nil || len(s.InDoubt) > 0 || s.Backoff.Holds(s.At) || slices.ContainsFunc(s.Digests, late)) {
			names = append(names, s.App)
		}
	}
	return names
}

func ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return short(time.Since(t)) + " ago"
}

func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return "moments"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.Local().Format("2 Jan 15:04:05 MST")
}
