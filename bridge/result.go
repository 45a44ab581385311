package bridge

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

// ResultState names what a result reports: the last token of its subject.
type ResultState string

// The states that results report: of broadcasts, of items that leave a digest
// without one, of digests, and of whole apps. docs/results.md tells which are final.
const (
	ResultSent       ResultState = "sent"
	ResultRejected   ResultState = "rejected"
	ResultInDoubt    ResultState = "in_doubt"
	ResultNotSent    ResultState = "not_sent"
	ResultThrottled  ResultState = "throttled"
	ResultDryRun     ResultState = "dry_run"
	ResultExpired    ResultState = "expired"
	ResultMuted      ResultState = "muted"
	ResultCancelled  ResultState = "cancelled"
	ResultOverflowed ResultState = "overflowed"
	ResultWillMiss   ResultState = "will_miss"
	ResultBlocked    ResultState = "blocked"
	ResultGap        ResultState = "gap"
	ResultQuotaLow   ResultState = "quota_low"
)

// ResultStates lists them all.
func ResultStates() []ResultState {
	return []ResultState{
		ResultSent, ResultRejected, ResultInDoubt, ResultNotSent, ResultThrottled, ResultDryRun,
		ResultExpired, ResultMuted, ResultCancelled, ResultOverflowed, ResultWillMiss,
		ResultBlocked, ResultGap, ResultQuotaLow,
	}
}

// Final reports whether the state is an end: the events that the result tells
// of are in no other final result. After the others more follows, or they
// are about no events.
func (s ResultState) Final() bool {
	switch s {
	case ResultSent, ResultRejected, ResultDryRun, ResultExpired, ResultMuted, ResultCancelled, ResultOverflowed:
		return true
	}
	return false
}

// Type is the CloudEvents type of results with the state, part of the
// contract with subscribers.
func (s ResultState) Type() string {
	switch s {
	case ResultExpired, ResultMuted, ResultCancelled, ResultOverflowed, ResultWillMiss:
		return "dev.belfry.digest." + string(s) + ".v1"
	case ResultBlocked:
		return "dev.belfry.app.blocked.v1"
	case ResultGap:
		return "dev.belfry.source.gap.v1"
	case ResultQuotaLow:
		return "dev.belfry.quota.low.v1"
	}
	return "dev.belfry.broadcast." + string(s) + ".v1"
}

// Result tells subscribers what became of a broadcast, of items that left a
// digest without it, of an app or of a source. It is the data of a
// CloudEvents 1.0 message on belfry.result.<app>.<audience>.<state>.
type Result struct {
	State           ResultState    `json:"state"`
	App             string         `json:"app"`                          // of the rules; with ~dry behind it in a dry run
	Audience        string         `json:"audience,omitempty"`           // of the rules; not there when the whole app is concerned
	Template        string         `json:"template,omitempty"`           // of the rules
	Group           string         `json:"group,omitempty"`              // what group_by gave
	Package         string         `json:"package,omitempty"`            // not there for single users without one, and for everyone
	Broadcast       string         `json:"broadcast,omitempty"`          // id that is unique for ever; also the X-Request-ID that the provider got
	Digest          string         `json:"digest,omitempty"`             // id that is unique for ever
	ProviderID      string         `json:"provider_id,omitempty"`        // what the provider calls the broadcast
	MessageID       string         `json:"message_id,omitempty"`         // what the provider calls the message
	RequestHash     string         `json:"request_hash,omitempty"`       // SHA-256 of the body that was sent, hex
	Rules           map[string]int `json:"rules,omitempty"`              // events by rule, replaced ones included
	Items           int            `json:"items"`                        // distinct keys
	Approximate     bool           `json:"approximate,omitempty"`        // whether items is an estimate
	Incomplete      bool           `json:"incomplete,omitempty"`         // text or data was left out for want of room
	Events          int            `json:"events"`                       // how many the result is about
	EventIDs        []string       `json:"event_ids,omitempty"`          // ids of the events, the first 1,000
	EventIDsLeftOut int            `json:"event_ids_left_out,omitempty"` // how many ids of events are not listed
	Attempts        []Attempt      `json:"attempts,omitempty"`           // each host that was tried
	HTTPStatus      int            `json:"http_status,omitempty"`        // of the provider's last answer
	Code            *int           `json:"code,omitempty"`               // the provider's, in its last answer (0: success); not there where none was read
	Message         string         `json:"message,omitempty"`            // what happened, for people
	Resolved        string         `json:"resolved,omitempty"`           // who ended a doubt
	Gap             *Gap           `json:"gap,omitempty"`                // the events that were lost; some between may have been read
	Cuts            []mapping.Cut  `json:"cuts,omitempty"`               // texts shortened to the provider's limits
	Times           ResultTimes    `json:"times"`                        // unknown ones are left out
	Quota           []quota.Usage  `json:"quota,omitempty"`              // used and left in each window, after this
	Reason          string         `json:"reason,omitempty"`             // the planner's, for people
	Trace           string         `json:"traceparent,omitempty"`        // of the first event that had one
}

// ResultTimes are the moments of a broadcast's life; unknown ones are left out.
type ResultTimes struct {
	FirstEvent   time.Time `json:"first_event,omitzero"`   // when the first event arrived
	WindowClosed time.Time `json:"window_closed,omitzero"` // when the digest stopped gathering, or would have
	Sent         time.Time `json:"sent,omitzero"`          // when sending began
	Answered     time.Time `json:"answered,omitzero"`      // when the provider had answered, or nothing more was to be expected
	Reported     time.Time `json:"reported"`               // when this was known; also the event's time
}

// cloudEvent is the structured JSON form of CloudEvents 1.0.
type cloudEvent struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Subject         string    `json:"subject,omitempty"`
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	TraceParent     string    `json:"traceparent,omitempty"`
	Data            *Result   `json:"data"`
}

// orZero is the provider's code where none and 0 mean the same.
func orZero(code *int) int {
	if code == nil {
		return 0
	}
	return *code
}

// subject is where the result is published. Results about a whole app have
// "_" in the place of the audience.
func (r *Result) subject() string {
	audience := r.Audience
	if audience == "" {
		audience = "_"
	}
	return "belfry.result." + r.App + "." + audience + "." + string(r.State)
}

// Publication is the result as it goes to subscribers.
func (r *Result) Publication(id string) (Publication, error) {
	event := cloudEvent{
		SpecVersion: "1.0", ID: id, Source: "/belfry/" + r.App, Type: r.State.Type(),
		Subject: cmp.Or(r.Broadcast, r.Digest), Time: r.Times.Reported,
		DataContentType: "application/json", TraceParent: r.Trace, Data: r,
	}
	data, err := json.Marshal(event)
	if err != nil {
		return Publication{}, fmt.Errorf("cannot encode result %s: %w", id, err)
	}
	h := map[string][]string{"Content-Type": {"application/cloudevents+json"}}
	if r.Trace != "" {
		h["traceparent"] = []string{r.Trace}
	}
	return Publication{ID: id, Subject: r.subject(), Header: h, Data: data}, nil
}

// Publication is the dead letter as it goes to subscribers: the event's own
// bytes and headers, and where they came from in headers of ours. Without the
// event, gone says why it is not there.
func (d *DeadLetter) Publication(id string, m *mapping.Message, gone string) Publication {
	h := map[string][]string{}
	p := Publication{ID: id, Subject: "belfry.deadletter." + d.Reason, Header: h}
	if m != nil {
		p.Data = m.Data
		var left []string
		for name, v := range m.Header {
			switch {
			case !isHeaderName(name):
				left = append(left, strconv.QuoteToASCII(name))
			case strings.HasPrefix(name, "Nats-"): // they would be obeyed, not kept
			case strings.HasPrefix(name, "Belfry-") && name != "Belfry-Replay-Of": // they are ours to write
			default:
				h[name] = v
			}
		}
		if len(left) > 0 {
			slices.Sort(left)
			h["Belfry-Headers-Left-Out"] = []string{strings.Join(left, " ")}
		}
	} else {
		h["Belfry-Gone"] = []string{gone}
	}
	h["Belfry-App"] = []string{d.App}
	h["Belfry-Stream"] = []string{d.Stream}
	h["Belfry-Sequence"] = []string{strconv.FormatUint(d.Sequence, 10)}
	h["Belfry-Subject"] = []string{d.Subject}
	h["Belfry-Time"] = []string{d.At.Format(time.RFC3339Nano)}
	h["Belfry-Error"] = []string{oneLine(d.Error)}
	if d.Rule != "" {
		h["Belfry-Rule"] = []string{d.Rule}
	}
	return p
}

// isHeaderName reports whether NATS's clients write a header of that name. They
// read others, which a server stores, so that one such event would be tried for ever.
func isHeaderName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"()/,:;<=>?@[\]{}`, r)
	})
}

// oneLine makes text fit a header.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// deadLetterID is the same whenever the event is read again. The time of
// storing tells two streams of the same name apart.
func deadLetterID(app string, m *mapping.Message, rule string) string {
	return fmt.Sprintf("dl-%s-%s-%d-%s-%s", app, m.Stream, m.Sequence, strconv.FormatInt(m.Time.UnixNano(), 36), rule)
}

// report puts a result into the outbox.
func (s *State) report(id string, r Result, now time.Time) {
	r.App = s.App
	r.Times.Reported = now
	s.Outbox = append(s.Outbox, OutboxEntry{ID: id, Result: &r})
}

// result describes the digest as it is; the caller adds what became of it.
func (d *Digest) result(state ResultState) Result {
	ids := d.EventIDs(maxIDs)
	return Result{
		State: state, Audience: d.Audience, Template: d.Template, Group: d.Group, Digest: d.ID,
		Rules: maps.Clone(d.Rules), Items: d.Count(), Approximate: d.Approximate(), Incomplete: d.Missing,
		Events: d.Events, EventIDs: ids, EventIDsLeftOut: d.Events - len(ids), Trace: d.Trace,
		Times: ResultTimes{FirstEvent: d.Opened, WindowClosed: d.Ready()},
	}
}

// result describes the broadcast, and what it came to if that is known.
func (b *Broadcast) result(state ResultState) Result {
	r := b.Digest.result(state)
	r.Broadcast, r.Package, r.RequestHash, r.Cuts, r.Reason, r.Times.Sent = b.ID, b.Package, b.RequestHash, b.Cuts, b.Reason, b.Started
	if o := b.Outcome; o != nil {
		r.ProviderID, r.MessageID, r.Attempts = o.ProviderID, o.MessageID, o.Attempts
		r.HTTPStatus, r.Code, r.Message, r.Times.Answered = o.HTTPStatus, o.Code, o.Message, o.At
	}
	return r
}

// reportDrops turns what left digests since the last commit into results.
func (s *State) reportDrops(app *mapping.App, now time.Time) {
	if len(s.Drops) == 0 {
		return
	}
	usage := LimitsFor(app.Quota).Usage(&s.Ledger, now)
	for _, d := range s.Drops {
		r := d.Digest.result(d.Kind)
		r.Items, r.Events, r.EventIDs, r.EventIDsLeftOut = d.Events, d.Events, d.IDs, d.Events-len(d.IDs)
		r.Package, r.Reason, r.Quota = packageOf(app, d.Digest.Audience), d.Reason, usage
		s.report(fmt.Sprintf("%s.%s.%d", d.Digest.ID, d.Kind, s.Commit), r, now)
	}
	s.Drops = nil
}

func packageOf(app *mapping.App, audience string) string {
	if a := app.Audiences[audience]; a != nil {
		return a.Package
	}
	return ""
}

// reportGap counts and reports a stretch of a stream that could not be read.
func (s *State) reportGap(g Gap, now time.Time) {
	s.Counts.Gaps++
	s.GapAt = now.Round(0)
	delete(s.Folded, g.Stream) // the stretch without a gap begins anew
	id := fmt.Sprintf("%s.gap.%s.%d", s.Born, g.Stream, s.NextID)
	s.NextID++
	s.report(id, Result{State: ResultGap, Gap: &g, Message: g.Why}, now)
}
