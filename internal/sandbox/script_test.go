package sandbox_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/internal/sandbox"
)

// postScript scripts over HTTP, as a person would.
func (w *world) postScript(t *testing.T, text string) reply {
	t.Helper()
	return do(t, w.Handler(), httptest.NewRequest(http.MethodPost, "/_sandbox/script", strings.NewReader(text)))
}

func TestAStepShapesTheAnswerAndDecidesWhatIsSent(t *testing.T) {
	for _, c := range []struct {
		step   string
		status int
		code   int
		sent   int
		says   string
	}{
		{`{}`, 200, 0, 1, `"code":0`},
		{`{"status":504,"code":1050,"accept":true}`, 504, 1050, 1, "1050"},
		{`{"status":504,"code":1050}`, 504, 1050, 0, "1050"},
		{`{"status":503}`, 503, 0, 0, ""},
		{`{"code":1000}`, 400, 1000, 0, ""},
		{`{"code":1000,"status":500,"accept":true}`, 500, 1000, 1, ""},
		{`{"code":404}`, 404, 404, 0, ""},
		{`{"code":1001}`, 401, 1001, 0, ""},
		{`{"code":1004}`, 401, 1004, 0, ""},
		{`{"code":1005,"message":"too long"}`, 400, 1005, 0, "too long"},
		{`{"code":1006}`, 401, 1006, 0, ""},
		{`{"code":1007}`, 403, 1007, 0, ""},
		{`{"code":1008}`, 429, 1008, 0, ""},
		{`{"code":1009}`, 430, 1009, 0, ""},
		{`{"code":1015}`, 200, 1015, 0, ""},
		{`{"code":1016}`, 403, 1016, 0, ""},
		{`{"code":2007}`, 403, 2007, 0, ""},
		{`{"status":200,"code":1002}`, 200, 1002, 0, ""},
		{`{"accept":false}`, 200, 0, 0, `"code":0`},
		{`{"status":201}`, 201, 0, 0, `"code":0`},
		{`{"body":"html"}`, 200, 0, 1, "<html>"},
		{`{"status":502,"body":"html"}`, 502, 0, 0, "Bad Gateway"},
		{`{"body":"empty"}`, 200, 0, 1, ""},
		{`{"body":"truncated"}`, 200, 0, 1, `{"code":`},
	} {
		t.Run(c.step, func(t *testing.T) {
			w := newWorld(t, sandbox.Config{})
			if got := w.postScript(t, "["+c.step+"]"); got.status != 200 {
				t.Fatalf("script: HTTP %d %s", got.status, got.text)
			}
			got := w.send(t, goodBody)
			if got.status != c.status || got.Code != c.code || len(w.Broadcasts()) != c.sent || !strings.Contains(got.text, c.says) {
				t.Errorf("HTTP %d code %d %s, %d sent; want HTTP %d code %d, %d sent", got.status, got.Code, got.text, len(w.Broadcasts()), c.status, c.code, c.sent)
			}
			if got := w.send(t, goodBody); got.status != 200 || got.Code != 0 {
				t.Errorf("the step lasts longer than one call: HTTP %d code %d", got.status, got.Code)
			}
		})
	}
}

func TestStepsAreUsedUpInOrder(t *testing.T) {
	w := newWorld(t, sandbox.Config{Quota: sandbox.Quota{PerHour: -1, PerDay: -1}})
	w.postScript(t, `[{"times":2,"code":1008},{"code":1002,"on":"send"},{"on":"recall","code":1009}]`)
	w.postScript(t, `[{"times":-1,"code":1050}]`)
	for i, want := range []int{1008, 1008, 1002, 1050, 1050, 1050} {
		if got := w.send(t, goodBody).Code; got != want {
			t.Errorf("call %d: code %d, want %d", i+1, got, want)
		}
	}
	if got := do(t, w.Handler(), w.request(sandbox.RecallPath, `{}`, nil)); got.Code != 1002 {
		t.Errorf("an invalid recall: code %d, want its own refusal", got.Code)
	}
	if left := w.Steps(); len(left) != 1 || left[0].Times != -1 {
		t.Errorf("steps left: %+v", left)
	}
}

func TestAScriptNeverHidesAMistakeOfTheCaller(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.Script(sandbox.Step{Times: -1, Status: 200, Body: "html"})
	if got := do(t, w.Handler(), w.request(sandbox.SendPath, goodBody, func(r *http.Request) { r.Header.Set("Signature", "x") })); got.Code != 1004 {
		t.Errorf("wrong signature: code %d, want 1004", got.Code)
	}
	if got := w.send(t, strings.Replace(goodBody, `"ops"`, `""`, 1)); got.Code != 1002 {
		t.Errorf("wrong body: code %d, want 1002", got.Code)
	}
}

func TestScriptsThatMakeNoSenseAreRefusedWhole(t *testing.T) {
	for _, text := range []string{
		``, `{}`, `[{"colour":1}]`, `[{"times":-2}]`, `[{"on":"tag"}]`, `[{"status":99}]`, `[{"status":600}]`,
		`[{"drop":"late"}]`, `[{"body":"xml"}]`, `[{"delay":"-1s"}]`, `[{"delay":"soon"}]`, `[{"delay":2}]`, `[] []`,
		`[{"code":1002},{"code":"x"}]`,
	} {
		w := newWorld(t, sandbox.Config{})
		if got := w.postScript(t, text); got.status != http.StatusBadRequest || !strings.HasPrefix(got.text, "cannot ") {
			t.Errorf("%s: HTTP %d %s", text, got.status, got.text)
		}
		if len(w.Steps()) != 0 {
			t.Errorf("%s: %d steps were taken all the same", text, len(w.Steps()))
		}
	}
}

// onWire sends over a real connection, for what a recorder cannot show.
func (w *world) onWire(t *testing.T) (*http.Response, error) {
	t.Helper()
	host := httptest.NewServer(w.Handler())
	t.Cleanup(host.Close)
	r := w.request(sandbox.SendPath, goodBody, nil)
	req, err := http.NewRequestWithContext(t.Context(), r.Method, host.URL+sandbox.SendPath, r.Body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = r.Header
	// DefaultTransport does not follow redirects and does not replay a POST on a new connection.
	return http.DefaultTransport.RoundTrip(req)
}

func TestConnectionsAreDroppedBeforeOrAfterAccepting(t *testing.T) {
	for drop, sent := range map[string]int{"before": 0, "after": 1} {
		w := newWorld(t, sandbox.Config{})
		w.Script(sandbox.Step{Drop: drop})
		resp, err := w.onWire(t)
		if err == nil {
			_ = resp.Body.Close()
			t.Errorf("drop %s: HTTP %d, want no answer", drop, resp.StatusCode)
		}
		r := w.Requests()
		if len(w.Broadcasts()) != sent || len(r) != 1 || r[0].Dropped != drop || !r[0].Scripted {
			t.Errorf("drop %s: %d sent, requests %+v", drop, len(w.Broadcasts()), r)
		}
	}
}

func TestABodyIsCutOffOrPackedAsAsked(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.Script(sandbox.Step{Body: "cut"}, sandbox.Step{Body: "gzip_bomb"})
	resp, err := w.onWire(t)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err == nil || len(text) == 0 {
		t.Errorf("cut: %q, error %v; want part of the body and an error", text, err)
	}
	got := w.send(t, goodBody)
	z, err := gzip.NewReader(strings.NewReader(got.text))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, z); err != nil || n < 1000*int64(len(got.text))/2 {
		t.Errorf("bomb: %d bytes become %d, error %v", len(got.text), n, err)
	}
}

func TestARedirectHeadersAndTheClockCanBeScripted(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.postScript(t, `[{"redirect":"https://elsewhere.example/","retry_after":"30","date_skew":"-45s"}]`)
	got := w.send(t, goodBody)
	if got.status != 307 || got.header.Get("Location") != "https://elsewhere.example/" || got.header.Get("Retry-After") != "30" ||
		got.header.Get("Date") != "Mon, 02 Mar 2026 10:19:15 GMT" || len(w.Broadcasts()) != 0 {
		t.Errorf("HTTP %d, headers %v, %d sent", got.status, got.header, len(w.Broadcasts()))
	}
}

// The broadcast is there before the answer is: that is what a delay is for.
func TestADelayEndsWithTheServer(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.Script(sandbox.Step{Delay: sandbox.Duration(time.Hour)})
	done := make(chan error)
	go func() {
		resp, err := w.onWire(t)
		if err == nil {
			_ = resp.Body.Close()
		}
		done <- err
	}()
	for len(w.Broadcasts()) == 0 {
		select {
		case err := <-done:
			t.Fatalf("answered without waiting: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("a delayed call got an answer from a closed server")
	}
}
