package web

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// triedWithin is how long after a back-off the next broadcast is tried, if any
// is: sends are weighed every five minutes, and take a moment. Until then nothing is over.
const triedWithin = 10 * time.Minute

// collector makes the metrics from an overview whenever they are asked for.
type collector struct {
	overview func() bridge.Overview
}

// Describe sends nothing: which series there are depends on the rules.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	o := c.overview()
	s := series{out}
	s.gauge("belfry_ready", "1 when connected to NATS, the streams are in place, and one of the apps, at least, is not hindered.", flag(o.Ready))
	s.gauge("belfry_rules_loaded_timestamp_seconds", "When the rules in force were loaded.", seconds(o.Rules.Loaded))
	s.gauge("belfry_rules_problems", "Problems of a newer rules file that was refused; 0 when none was.", float64(len(o.Rules.Problems)))
	for _, c := range o.Conditions {
		s.gauge("belfry_condition", "1 for every named trouble that holds.", 1, "condition", c.Name, "about", c.About)
	}
	for i := range o.Apps {
		s.app(&o.Apps[i])
	}
}

type series struct{ out chan<- prometheus.Metric }

func (s series) send(kind prometheus.ValueType, name, help string, value float64, labels []string) {
	names, values := pairs(labels)
	s.out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, value, values...)
}

func (s series) gauge(name, help string, value float64, labels ...string) {
	s.send(prometheus.GaugeValue, name, help, value, labels)
}

func (s series) counter(name, help string, value uint64, labels ...string) {
	s.send(prometheus.CounterValue, name, help, float64(value), labels)
}

func (s series) histogram(name, help string, count uint64, sum time.Duration, within map[float64]uint64, labels ...string) {
	names, values := pairs(labels)
	s.out <- prometheus.MustNewConstHistogram(prometheus.NewDesc(name, help, names, nil), count, sum.Seconds(), within, values...)
}

// pairs takes names and values of labels apart.
func pairs(labels []string) (names, values []string) {
	for i := 0; i < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	return names, values
}

// app sends what only the owner of an app knows from the owner alone, so that
// sums over replicas are right.
func (s series) app(a *bridge.Status) {
	owner := a.Role == bridge.RoleOwner
	s.gauge("belfry_app_owner", "1 on the replica that owns the app.", flag(owner), "app", a.App)
	if !owner {
		return
	}
	c := &a.Counts
	for fate, n := range map[string]uint64{"unmatched": c.Unmatched, "matched": c.Matched, "dead_letter": c.Dead} {
		s.counter("belfry_events_total", "Events read, by what the rules made of them.", n, "app", a.App, "fate", fate)
	}
	for fate, n := range map[string]uint64{
		"sent": c.Sent, "replaced": c.Replaced, "cancelled": c.Cancelled, "expired": c.Expired,
		"muted": c.Muted, "rejected": c.Rejected, "overflowed": c.Overflowed, "dry_run": c.DryRun,
	} {
		s.counter("belfry_items_total", "Items at their end, by what became of them.", n, "app", a.App, "fate", fate)
	}
	s.counter("belfry_broadcasts_total", "Broadcasts that the provider accepted.", c.Broadcasts, "app", a.App)
	s.counter("belfry_dead_letters_total", "Dead letters: one an event that cannot be decoded, else one a rule.", c.DeadLetters, "app", a.App)
	s.counter("belfry_texts_cut_total", "Texts of broadcasts that were shortened to the provider's limits.", c.Cuts, "app", a.App)
	s.counter("belfry_source_gaps_total", "Stretches of a stream that could not be read.", c.Gaps, "app", a.App)
	s.gauge("belfry_last_gap_timestamp_seconds", "When the latest stretch was missing; 0 when none was.", seconds(a.GapAt), "app", a.App)
	for _, rule := range a.Rules { // also those that never failed: a counter that appears has not increased
		s.counter("belfry_rule_failures_total", "Events on which an expression of the rule failed.", uint64(max(a.Failed[rule], 0)), "app", a.App, "rule", rule)
	}
	s.gauge("belfry_caught_up", "1 when the streams were read to their ends since this replica began to, or gave nothing for 30 s; until then nothing is sent.", flag(a.CaughtUp), "app", a.App)
	s.gauge("belfry_items_waiting", "Items that are not yet at their end.", float64(a.Waiting), "app", a.App)
	s.gauge("belfry_in_doubt", "Broadcasts of which nobody knows whether they were sent.", float64(len(a.InDoubt)), "app", a.App)
	s.gauge("belfry_sending", "1 while a broadcast is under way.", flag(a.Sending != nil), "app", a.App)
	s.gauge("belfry_paused", "1 while the app is paused by the provider's answer or an operator, or stopped by too many broadcasts in doubt.", flag(a.Paused != nil || a.TooManyInDoubt()), "app", a.App)
	s.gauge("belfry_paused_by_operator", "1 while the app is paused by an operator, and for no other reason.", flag(a.Paused != nil && a.Paused.Ordered && !a.TooManyInDoubt()), "app", a.App)
	backoff := a.Backoff != nil && a.Backoff.Times > 0 && a.At.Before(a.Backoff.Until.Add(triedWithin))
	s.gauge("belfry_throttled", "1 from when the provider says that the quota is used up until it takes a broadcast, or none was tried for ten minutes.", flag(backoff && a.Backoff.Throttled), "app", a.App)
	s.gauge("belfry_unreachable", "1 from when a broadcast could not leave until one does, or none was tried for ten minutes.", flag(backoff && !a.Backoff.Throttled), "app", a.App)
	s.gauge("belfry_sends_left", "Sends left at this moment, over all windows.", float64(a.Left), "app", a.App)
	for _, q := range a.Quota {
		s.gauge("belfry_quota_used", "Sends that count against a window.", float64(q.Used), "app", a.App, "window", q.Window)
		s.gauge("belfry_quota_left", "Sends left in a window.", float64(q.Left), "app", a.App, "window", q.Window)
	}
	s.gauge("belfry_outbox", "Results and dead letters not yet acknowledged by their stream.", float64(a.Outbox), "app", a.App)
	s.gauge("belfry_commit_timestamp_seconds", "When the state was last stored.", seconds(a.Committed), "app", a.App)
	s.histogram("belfry_commit_seconds", "How long it took to store the state, tries that failed included.", a.Commits.Count, a.Commits.Sum, a.Commits.Within(), "app", a.App)
	s.gauge("belfry_state_bytes", "How large the stored state is, compressed.", float64(a.StateSize), "app", a.App)
	s.gauge("belfry_provider_clock_skew_seconds", "The provider's clock minus ours, at its last answer.", a.Skew.Seconds(), "app", a.App)
	digests, misses := map[string]int{}, 0
	for _, d := range a.Digests {
		digests[d.State]++
		if late(d) {
			misses++
		}
	}
	s.gauge("belfry_urgent_will_miss", "Urgent digests that wait and for which no send comes in time, as far as can be foreseen.", float64(misses), "app", a.App)
	for state, n := range digests {
		s.gauge("belfry_digests", "Digests, by the planner's word on them.", float64(n), "app", a.App, "state", state)
	}
	for stream, src := range a.Sources {
		s.gauge("belfry_source_sequence", "The last sequence of the stream that was folded.", float64(src.Sequence), "app", a.App, "stream", stream)
		s.gauge("belfry_source_pending", "Events for us that the stream still has.", float64(src.Pending), "app", a.App, "stream", stream)
	}
}

// late is what somebody is woken for.
func late(d bridge.DigestStatus) bool {
	return d.Misses() && d.Priority == mapping.Urgent.String()
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
