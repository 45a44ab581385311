package web

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

func ask(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestReadinessNamesWhatIsMissing(t *testing.T) {
	o := sample()
	h := Handler(func() bridge.Overview { return o })
	if w := ask(h, "/readyz"); w.Code != http.StatusOK {
		t.Errorf("ready answers %d", w.Code)
	}
	o.Ready = false
	if w := ask(h, "/readyz"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "the stream is full") {
		t.Errorf("not ready answers %d: %s", w.Code, w.Body)
	}
	if w := ask(h, "/healthz"); w.Code != http.StatusOK {
		t.Errorf("a process that is not ready is reported as ill: %d", w.Code)
	}
}

func TestMetricsOfAnAppComeFromItsOwnerAlone(t *testing.T) {
	o := sample()
	urgent := o.Apps[0].Digests[0]
	urgent.Priority, urgent.WillMiss = "urgent", true
	o.Apps[0].StateSize = 4321
	o.Apps[0].Commits.Add(30 * time.Millisecond)
	o.Apps[0].Commits.Add(20 * time.Second)
	muted := urgent
	muted.State = bridge.StateMuted
	o.Apps[0].Digests = append(o.Apps[0].Digests, urgent, muted)
	h := Handler(func() bridge.Overview { return o })
	body := ask(h, "/metrics").Body.String()
	for _, want := range []string{
		`belfry_app_owner{app="campus"} 1`, `belfry_app_owner{app="clinic"} 0`, `belfry_items_total{app="campus",fate="sent"} 80`,
		`belfry_dead_letters_total{app="campus"} 3`,
		`belfry_state_bytes{app="campus"} 4321`, `belfry_commit_seconds_count{app="campus"} 2`, `belfry_commit_seconds_sum{app="campus"} 20.03`,
		`belfry_commit_seconds_bucket{app="campus",le="0.025"} 0`, `belfry_commit_seconds_bucket{app="campus",le="0.05"} 1`, `belfry_commit_seconds_bucket{app="campus",le="10"} 1`,
		`belfry_rule_failures_total{app="campus",rule="lesson-moved"} 1`, `belfry_rule_failures_total{app="campus",rule="lesson-cancelled"} 0`,
		`belfry_quota_left{app="campus",window="day"} 1`, `belfry_in_doubt{app="campus"} 1`, `belfry_digests{app="campus",state="held"} 2`, `belfry_urgent_will_miss{app="campus"} 1`,
		`belfry_condition{about="BELFRY_RESULTS",condition="results.unavailable"} 1`, `belfry_rules_problems 1`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(body, `belfry_in_doubt{app="clinic"}`) {
		t.Error("a standby reports what only the owner knows")
	}
}

// An alert has to see one trouble, not one for each try.
func TestThePageShowsABackOffWhileItLastsAndTheMetricsUntilTheNextTryIsOver(t *testing.T) {
	o := sample()
	app := &o.Apps[0]
	app.At = time.Now()
	for after, want := range map[time.Duration]bool{time.Minute: true, -time.Minute: false, -11 * time.Minute: false} {
		app.Backoff = &bridge.Backoff{Times: 1, Until: app.At.Add(after), Why: "connection refused"}
		page := ask(Handler(func() bridge.Overview { return o }), "/").Body.String()
		if got := strings.Contains(page, "nothing is sent before"); got != want {
			t.Errorf("%s from now: shown %v, want %v", after, got, want)
		}
		metric := "belfry_unreachable{app=\"campus\"} " + map[bool]string{true: "1", false: "0"}[after > -10*time.Minute]
		if m := ask(Handler(func() bridge.Overview { return o }), "/metrics").Body.String(); !strings.Contains(m, metric) || !strings.Contains(m, `belfry_throttled{app="campus"} 0`) {
			t.Errorf("%s from now: the metrics lack %s, or say that it is throttled", after, metric)
		}
	}
}

// A pause on purpose is nothing to wake anybody for.
func TestMetricsTellAPauseOnPurposeFromTheOthers(t *testing.T) {
	o := sample()
	a := &o.Apps[0]
	doubts := a.InDoubt
	for i, tt := range []struct {
		paused          *bridge.Pause
		doubts          int
		any, byOperator int
	}{
		{nil, 1, 0, 0}, {&bridge.Pause{Why: "by Ann: exams", Ordered: true}, 1, 1, 1}, {&bridge.Pause{Code: 1001}, 1, 1, 0},
		{&bridge.Pause{Ordered: true}, bridge.MaxInDoubt, 1, 0}, {nil, bridge.MaxInDoubt, 1, 0},
	} {
		a.Paused, a.InDoubt = tt.paused, slices.Repeat(doubts[:1], tt.doubts)
		m := ask(Handler(func() bridge.Overview { return o }), "/metrics").Body.String()
		for name, want := range map[string]int{"belfry_paused": tt.any, "belfry_paused_by_operator": tt.byOperator} {
			if line := fmt.Sprintf("%s{app=\"campus\"} %d\n", name, want); !strings.Contains(m, line) {
				t.Errorf("case %d: the metrics lack %s", i, line)
			}
		}
	}
}

// Orders name a digest by its id.
func TestThePageNamesTheIDsOfDigests(t *testing.T) {
	if page := ask(Handler(sample), "/").Body.String(); !strings.Contains(page, "<code>d-students</code>") {
		t.Error("it does not")
	}
}

// It is looked for by somebody whom BelfryUrgentWillMiss has woken.
func TestThePageShowsWhichDigestWillMissItsTime(t *testing.T) {
	o := sample()
	o.Apps[0].InDoubt = nil
	for _, tt := range []struct {
		priority, state  string
		marked, troubled bool
	}{{"urgent", bridge.StateHeld, true, true}, {"high", bridge.StateHeld, true, false}, {"urgent", bridge.StateMuted, false, false}} {
		d := &o.Apps[0].Digests[0]
		d.Priority, d.State, d.WillMiss = tt.priority, tt.state, true
		page := ask(Handler(func() bridge.Overview { return o }), "/").Body.String()
		if strings.Contains(page, "Will not leave before its first item expires") != tt.marked || strings.Contains(page, "Look at") != tt.troubled {
			t.Errorf("%+v: the page does not say so", tt)
		}
	}
}

func TestThePageCountsOneAsOne(t *testing.T) {
	o := sample()
	c := &o.Apps[0].Counts
	c.Broadcasts, c.Gaps, c.DryRun, c.Overflowed, c.DeadLetters, o.Apps[0].Outbox = 1, 1, 1, 1, 1, 1
	page := ask(Handler(func() bridge.Overview { return o }), "/").Body.String()
	for _, want := range []string{"1 broadcast so far", "1 gap:", "1 item would have been sent", "1 item found no room", `<b>1</b> <span class="soft">dead letter</span>`, "1 result not yet taken by the results stream"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// Who gave an id must not choose what else a copied command runs.
func TestThePageProposesCommandsAsAShellReadsThem(t *testing.T) {
	o := sample()
	o.Apps[0].External[0].ID = "x; rm -r ~"
	page := html.UnescapeString(ask(Handler(func() bridge.Overview { return o }), "/").Body.String())
	if !strings.Contains(page, "belfry quota take-back 'x; rm -r ~' --app campus") {
		t.Error("it does not")
	}
}

func TestStatusIsTheOverviewAsJSON(t *testing.T) {
	var o bridge.Overview
	if err := json.Unmarshal(ask(Handler(sample), "/status").Body.Bytes(), &o); err != nil || len(o.Apps) != 2 || o.Apps[0].InDoubt[0].ID != "k3f9x2-17" {
		t.Errorf("status gives %+v, %v", o, err)
	}
}

func TestNothingElseIsServed(t *testing.T) {
	h := Handler(sample)
	for _, path := range []string{"/nothing", "/status/x", "/debug/pprof/"} {
		if w := ask(h, path); w.Code != http.StatusNotFound {
			t.Errorf("%s answers %d", path, w.Code)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST answers %d", w.Code)
	}
}
