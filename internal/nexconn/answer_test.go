package nexconn_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/nexconn"
	"github.com/belfry-bridge/belfry/internal/sandbox"
)

func TestScriptedAnswersOfTheSandboxHaveTheirOutcome(t *testing.T) {
	for _, c := range []struct {
		name string
		step sandbox.Step
		want bridge.OutcomeKind
		sent int
		says string
	}{
		{"accepted but 504", sandbox.Step{Status: 504, Code: 1050, Accept: new(true)}, bridge.Doubtful, 1, "code 1050"},
		{"504 and not accepted", sandbox.Step{Status: 504, Code: 1050}, bridge.Doubtful, 0, "code 1050"},
		{"dropped before reading", sandbox.Step{Drop: "before"}, bridge.Doubtful, 0, "cannot read an answer"},
		{"dropped after accepting", sandbox.Step{Drop: "after"}, bridge.Doubtful, 1, "cannot read an answer"},
		{"200 with HTML", sandbox.Step{Body: "html"}, bridge.Doubtful, 1, "not the documented JSON"},
		{"truncated JSON", sandbox.Step{Body: "truncated"}, bridge.Doubtful, 1, "not the documented JSON"},
		{"cut off", sandbox.Step{Body: "cut"}, bridge.Doubtful, 1, "HTTP 200: cannot read the answer: unexpected EOF"},
		{"empty", sandbox.Step{Body: "empty"}, bridge.Doubtful, 1, "empty"},
		{"too long", sandbox.Step{Body: "huge"}, bridge.Doubtful, 1, "over 65536 bytes"},
		{"a gzip bomb", sandbox.Step{Body: "gzip_bomb"}, bridge.Doubtful, 1, "over 65536 bytes"},
		{"a redirect", sandbox.Step{Redirect: "/elsewhere"}, bridge.Doubtful, 0, "HTTP 307"},
		{"200 with a code", sandbox.Step{Status: 200, Code: 1002}, bridge.OutcomeRejected, 0, "HTTP 200 code 1002"},
		{"throttled", sandbox.Step{Code: 1008, RetryAfter: "120"}, bridge.Throttled, 0, "HTTP 429 code 1008"},
		{"not enabled", sandbox.Step{Code: 1009}, bridge.Blocked, 0, "HTTP 430 code 1009"},
		{"a message that quotes the secret", sandbox.Step{Code: 1002, Message: "bad\x00 " + testSecret}, bridge.OutcomeRejected, 0, "bad  [secret]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, urls := sandboxHosts(t, sandbox.Config{})
			s.Script(c.step)
			o := send(t, newClient(t, nexconn.Config{BaseURLs: urls}), lesson("b-1"))
			if o.Kind != c.want || len(s.Broadcasts()) != c.sent || len(s.Requests()) != 1 {
				t.Errorf("outcome %+v, sent %d, %d requests; want %s, sent %d, 1 request", o, len(s.Broadcasts()), len(s.Requests()), c.want, c.sent)
			}
			if !strings.Contains(o.Message, c.says) {
				t.Errorf("message %q does not say %q", o.Message, c.says)
			}
		})
	}
}

// Only proof that a broadcast was not sent may lead to another try.
func TestAnAnswerWithoutOneClearCodeIsInDoubt(t *testing.T) {
	for _, body := range []string{
		`{"code":0,"code":1008}`, `{"code":1050,"code":0}`, `{"code":0,"code":0}`, `{"code":1008,"\u0063ode":0}`, `{"code":null,"code":400}`,
		`{"CODE":1008}`, `{"Code":0}`, `{"code":"0"}`, `{"code":0.0}`, `{"code":1e400}`, `{"code":null}`, `{"code":0}{"code":1008}`, `[{"code":0}]`,
	} {
		base := listen(t, answerOnce(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)))
		if o := send(t, newClient(t, nexconn.Config{BaseURLs: []string{base}}), lesson("b-1")); o.Kind != bridge.Doubtful || o.Code != nil {
			t.Errorf("%s: outcome %+v, want in doubt without a code", body, o)
		}
	}
}

func TestAPackedAnswerIsUnpacked(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := io.WriteString(z, `{"code":0}`); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	base := listen(t, answerOnce(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", packed.Len(), packed.String())))
	if o := send(t, newClient(t, nexconn.Config{BaseURLs: []string{base}}), lesson("b-1")); o.Kind != bridge.Accepted {
		t.Errorf("outcome %+v, want accepted", o)
	}
}

func TestRetryAfterIsReadAsSecondsOrAsADateOfTheProvidersClock(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, header string
		want         time.Duration // after now; 0: none
	}{
		{"seconds", "Retry-After: 90", 90 * time.Second},
		{"a date, when the provider's clock is an hour ahead", "Date: Sun, 01 Mar 2026 13:00:00 GMT\r\nRetry-After: Sun, 01 Mar 2026 13:10:00 GMT", 10 * time.Minute},
		{"a date without the provider's time", "Retry-After: Sun, 01 Mar 2026 12:05:00 GMT", 5 * time.Minute},
		{"far beyond a day", "Retry-After: 99999999", 25 * time.Hour},
		{"far beyond any number", "Retry-After: 99999999999999999999", 25 * time.Hour},
		{"a large negative number", "Retry-After: -9000000000000000001", 0},
		{"the past", "Retry-After: Sun, 01 Mar 2020 12:05:00 GMT", 0},
		{"a negative number", "Retry-After: -5", 0},
		{"nonsense", "Retry-After: soon", 0},
		{"none", "X: y", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			base := listen(t, answerOnce("HTTP/1.1 429 X\r\n"+c.header+"\r\nContent-Length: 13\r\n\r\n{\"code\":1008}"))
			s := lesson("b-1")
			s.Deadline = now.Add(time.Second)
			o := send(t, newClient(t, nexconn.Config{BaseURLs: []string{base}, Clock: func() time.Time { return now }}), s)
			want := time.Time{}
			if c.want > 0 {
				want = now.Add(c.want)
			}
			if o.Kind != bridge.Throttled || !o.RetryAfter.Equal(want) {
				t.Errorf("%s until %v, want throttled until %v", o.Kind, o.RetryAfter, want)
			}
		})
	}
}

func TestTheProvidersClockIsCompared(t *testing.T) {
	for _, c := range []struct {
		skew  time.Duration
		alarm bool
	}{{0, false}, {2 * time.Second, false}, {8 * time.Second, true}, {45 * time.Second, true}, {-45 * time.Second, true}} {
		s, urls := sandboxHosts(t, sandbox.Config{})
		s.Script(sandbox.Step{DateSkew: sandbox.Duration(c.skew)})
		var logged syncBuffer
		client, err := nexconn.New(nexconn.Config{
			AppKey: testKey, Secret: testSecret, BaseURLs: urls, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		o := send(t, client, lesson("b-1"))
		if off := o.Skew - c.skew; !o.SkewKnown || off.Abs() > 2*time.Second {
			t.Errorf("skew %s, want %s", o.Skew, c.skew)
		}
		if got := strings.Contains(logged.String(), "level=WARN"); got != c.alarm {
			t.Errorf("skew %s: warned %t, want %t:\n%s", c.skew, got, c.alarm, logged.String())
		}
	}
}

func TestABroadcastThatCannotBeARequestIsRejectedWithoutATry(t *testing.T) {
	s, urls := sandboxHosts(t, sandbox.Config{})
	c := newClient(t, nexconn.Config{BaseURLs: urls})
	empty := lesson("b-1")
	empty.Body = nil
	for name, b := range map[string]bridge.Send{
		"no body": empty, "no id": lesson(""), "line break": lesson("b-1\r\nX: y"), "long id": lesson(strings.Repeat("x", 37)),
		"space": lesson("b 1"), "no ASCII": lesson("b\u00e91"), "delete": lesson("b\x7f"),
	} {
		if o := send(t, c, b); o.Kind != bridge.OutcomeRejected || o.Message == "" || len(s.Requests()) != 0 {
			t.Errorf("%s: outcome %+v, %d requests", name, o, len(s.Requests()))
		}
	}
	if o := send(t, c, lesson("!"+strings.Repeat("~", 35))); o.Kind != bridge.Accepted {
		t.Errorf("the longest id: %+v", o)
	}
}
