package sandbox_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/internal/sandbox"
)

func TestTwoPortsShareOneStateUntilClose(t *testing.T) {
	w := newWorld(t, sandbox.Config{Clock: time.Now})
	w.now = time.Now()
	if err := w.Start("127.0.0.1:0", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	urls := w.URLs()
	if len(urls) != 2 {
		t.Fatalf("URLs %v", urls)
	}
	for i, want := range []int{200, 200, 429} {
		r := w.request(sandbox.SendPath, goodBody, nil)
		req, err := http.NewRequestWithContext(t.Context(), r.Method, urls[i%2]+sandbox.SendPath, r.Body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = r.Header
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("call %d: HTTP %d, want %d", i+1, resp.StatusCode, want)
		}
	}
	sent := w.Broadcasts()
	if len(sent) != 2 || sent[0].Port != sandbox.Primary || sent[1].Port != sandbox.Backup || sent[0].ID == sent[1].ID {
		t.Errorf("sent %+v", sent)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.Get(urls[0]); err == nil {
		_ = resp.Body.Close()
		t.Error("it still answers after Close")
	}
}

func TestAnAddressInUseIsSaid(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	if err := w.Start("127.0.0.1:0", ""); err != nil {
		t.Fatal(err)
	}
	if err := w.Start(strings.TrimPrefix(w.URLs()[0], "http://"), ""); err == nil || !strings.Contains(err.Error(), "cannot listen as the primary host") {
		t.Errorf("error %v", err)
	}
}

func TestThePageIsSafeAndSaysThatItIsASimulator(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.send(t, strings.Replace(goodBody, `"Timetable"`, `"<script>alert(1)</script>"`, 1))
	w.send(t, strings.Replace(goodBody, `"isToAll":false`, `"isToAll":true`, 1))
	w.now = w.now.Add(2 * time.Hour)
	w.send(t, strings.Replace(goodBody, `"packageName":"com.example.student"`, `"userId":["anna"]`, 1))
	got := do(t, w.Handler(), httptest.NewRequest(http.MethodGet, "/", nil))
	for _, want := range []string{"SIMULATOR", "not Nexconn", "3 simulated broadcasts", "&lt;script&gt;", "com.example.student", "to everyone", "<span>1 user</span>"} {
		if !strings.Contains(got.text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, never := range []string{"<script", "http://", "https://", "src="} {
		if strings.Contains(got.text, never) {
			t.Errorf("the page has %q", never)
		}
	}
	if got.header.Get("Content-Security-Policy") == "" {
		t.Error("the page has no content security policy")
	}
}

func TestTheControlEndpointsShowAndResetTheState(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.send(t, goodBody)
	var sent []sandbox.Broadcast
	var requests []sandbox.Request
	for path, list := range map[string]any{"/_sandbox/broadcasts": &sent, "/_sandbox/requests": &requests} {
		got := do(t, w.BackupHandler(), httptest.NewRequest(http.MethodGet, path, nil))
		if err := json.Unmarshal([]byte(got.text), list); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if len(sent) != 1 || len(requests) != 1 || !bytes.Contains(sent[0].Body, []byte("Classes")) {
		t.Errorf("broadcasts %+v, requests %+v", sent, requests)
	}
	if got := do(t, w.Handler(), httptest.NewRequest(http.MethodPost, "/_sandbox/reset", nil)); got.status != http.StatusNoContent {
		t.Errorf("reset: HTTP %d", got.status)
	}
	if got := do(t, w.Handler(), httptest.NewRequest(http.MethodGet, "/_sandbox/broadcasts", nil)); strings.TrimSpace(got.text) != "[]" {
		t.Errorf("after the reset: %s", got.text)
	}
	if len(w.Requests()) != 0 {
		t.Errorf("after the reset: %+v", w.Requests())
	}
}

func TestOnlyTheLatestRequestsAreKeptButEveryBroadcast(t *testing.T) {
	w := newWorld(t, sandbox.Config{Quota: sandbox.Quota{PerHour: -1, PerDay: -1}})
	for range 1005 {
		w.send(t, goodBody)
	}
	if len(w.Requests()) != 1000 || w.Requests()[0].RequestID != "b-6" || len(w.Broadcasts()) != 1005 {
		t.Errorf("%d requests from %s, %d broadcasts", len(w.Requests()), w.Requests()[0].RequestID, len(w.Broadcasts()))
	}
}

func TestAConfigurationThatMakesNoSenseIsRefused(t *testing.T) {
	for _, cfg := range []sandbox.Config{{}, {Apps: map[string]string{"a": "b"}, IsToAll: "istoall"}} {
		if _, err := sandbox.New(cfg); err == nil || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%+v: error %v", cfg, err)
		}
	}
}

func ExampleServer() {
	s, err := sandbox.New(sandbox.Config{Apps: map[string]string{"demo": "secret"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close() }()
	if err := s.Start("127.0.0.1:0", "127.0.0.1:0"); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(s.URLs()), "entrances,", len(s.Broadcasts()), "broadcasts")
	// Output: 2 entrances, 0 broadcasts
}

func TestOfManyLargeBodiesTheLatestAreKept(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	for range 20 { // unsigned: anybody can send them
		do(t, w.Handler(), httptest.NewRequest(http.MethodPost, sandbox.SendPath, strings.NewReader(strings.Repeat("x", 1<<20))))
	}
	kept := 0
	for _, r := range w.Requests() {
		kept += len(r.Body)
	}
	if all := w.Requests(); kept != 4<<20 || len(all) != 20 || all[0].Body != "" || all[0].BodyHash == "" || all[19].Body == "" {
		t.Errorf("%d bytes of %d requests are kept", kept, len(all))
	}
}

func TestAWebPageElsewhereGivesNoOrders(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.send(t, goodBody)
	for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "http://elsewhere.example"} {
		for _, path := range []string{"/_sandbox/reset", "/_sandbox/script", sandbox.SendPath} {
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(`[{"code":1001}]`))
			r.Header.Set(name, value)
			if got := do(t, w.Handler(), r); got.status != http.StatusForbidden {
				t.Errorf("%s with %s: HTTP %d", path, name, got.status)
			}
		}
	}
	if len(w.Broadcasts()) != 1 || len(w.Requests()) != 1 || len(w.Steps()) != 0 {
		t.Errorf("%d broadcasts, %d requests, %d steps", len(w.Broadcasts()), len(w.Requests()), len(w.Steps()))
	}
}
