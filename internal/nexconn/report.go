package nexconn

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/belfry-bridge/belfry/bridge"
)

// Limits of what an outcome keeps, since it becomes part of the durable state.
const (
	maxAttempts = 20  // the latest ones
	maxText     = 500 // characters of a text
)

// maxRetryAfter bounds what a Retry-After header can ask for: the longest
// documented window is a calendar day (section 5).
const maxRetryAfter = 25 * time.Hour

// skewAlarm is where a difference between the clocks is worth a warning: the
// provider checks the timestamp, with an unknown tolerance (section 12, row 8),
// and the quota's windows are widened by no more than this.
const skewAlarm = 5 * time.Second

// report gathers the tries of one send into its outcome.
type report struct {
	client   *Client
	send     bridge.Send
	last     try
	verdict  row // on last
	attempts []bridge.Attempt
}

// add notes a try.
func (r *report) add(t try) {
	r.last, r.verdict = t, classify(t)
	a := bridge.Attempt{Host: t.host.base, At: t.at, Written: t.ending == unanswered || t.ending == answered, Result: r.clean(t.String())}
	r.attempts = append(r.attempts, a)
	if len(r.attempts) > maxAttempts {
		r.attempts = r.attempts[1:]
	}
	r.client.cfg.Logger.Info("tried to send a broadcast", "broadcast", r.send.ID, "host", a.Host,
		"written", a.Written, "result", a.Result, "meaning", r.verdict.kind)
}

// outcome is what the last try came to.
func (r *report) outcome() bridge.Outcome {
	t, verdict := r.last, r.verdict
	o := bridge.Outcome{
		Kind: verdict.kind, Attempts: r.attempts, Host: t.host.base, At: r.client.cfg.Clock(), Closed: t.closed,
		Message: verdict.String() + " (" + t.String() + ")",
	}
	if leaveHost(t, verdict.kind) {
		o.Host = r.client.other(t.host.base)
	}
	if t.ending == answered {
		r.quote(&o, t)
	}
	o.Message = r.clean(o.Message)
	return o
}

// quote takes over what the provider said.
func (r *report) quote(o *bridge.Outcome, t try) {
	o.HTTPStatus, o.Code = t.answer.status, t.answer.code
	if t.answer.message != "" && !strings.Contains(o.Message, t.answer.message) {
		o.Message += ": " + t.answer.message
	}
	if o.Kind == bridge.Accepted {
		o.ProviderID, o.MessageID = r.clean(t.answer.id), r.clean(t.answer.messageID)
	}
	if o.Kind == bridge.Throttled {
		o.RetryAfter = retryAfter(t)
	}
	if t.answer.date.IsZero() {
		return
	}
	o.Skew, o.SkewKnown = skew(t), true
	if o.Skew.Abs() >= skewAlarm {
		r.client.cfg.Logger.Warn("our clock and the provider's differ: signatures may be refused, and windows end at another moment than we think",
			"skew", o.Skew.String(), "host", t.host.base)
	}
}

// skew is how far the provider's Date lies outside the time between the request
// and its answer, in whole seconds as Date has them. Inside, it proves nothing:
// it is made before or after the provider's work, however long that takes.
func skew(t try) time.Duration {
	asked, heard := t.asked.Truncate(time.Second), t.heard.Truncate(time.Second)
	switch date := t.answer.date; {
	case date.Before(asked):
		return date.Sub(asked)
	case date.After(heard):
		return date.Sub(heard)
	}
	return 0
}

// refuse is the outcome of a broadcast that cannot be put into a request.
func (r *report) refuse(why string) bridge.Outcome {
	host := r.client.order(r.send.Host)[0].base
	r.client.cfg.Logger.Error("refused to send a broadcast", slog.String("why", why))
	return bridge.Outcome{Kind: bridge.OutcomeRejected, Message: why, Host: host, At: r.client.cfg.Clock()}
}

// retryAfter is the time that the provider named, zero for none: seconds or a
// date, which is read by the provider's own clock where that is known.
func retryAfter(t try) time.Time {
	var wait time.Duration
	if n, err := strconv.ParseInt(strings.TrimSpace(t.answer.retryAfter), 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		wait = time.Duration(min(max(0, n), int64(maxRetryAfter/time.Second))) * time.Second
	} else if d, err := http.ParseTime(t.answer.retryAfter); err == nil {
		now := t.answer.date
		if now.IsZero() {
			now = t.heard
		}
		wait = d.Sub(now)
	}
	if wait <= 0 {
		return time.Time{}
	}
	return t.heard.Add(min(wait, maxRetryAfter))
}

// clean makes a text fit for logs, results and the state: no secret and no
// signature, even if the other side repeats them, no control characters, not too long.
func (r *report) clean(text string) string {
	text = strings.ReplaceAll(text, r.client.cfg.Secret.Reveal(), r.client.cfg.Secret.String())
	if r.last.signature != "" {
		text = strings.ReplaceAll(text, r.last.signature, "[signature]")
	}
	text = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if runes := []rune(text); len(runes) > maxText {
		text = string(runes[:maxText]) + "…"
	}
	return text
}
