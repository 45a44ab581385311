// Package web is the daemon's HTTP side, all of it read-only: a dashboard for
// people, /healthz and /readyz for orchestrators, /metrics for Prometheus and
// /status for programs. Everything is made from one bridge.Overview, so that
// no page says what another denies.
package web
