package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/internal/sandbox"
)

func (w *world) recall(t *testing.T, body string) reply {
	t.Helper()
	return do(t, w.Handler(), w.request(sandbox.RecallPath, body, nil))
}

func TestABroadcastIsRecalledByEitherNameOfItsID(t *testing.T) {
	for _, field := range []string{"messageId", "messageUID"} {
		w := newWorld(t, sandbox.Config{})
		id := w.send(t, goodBody).Result.ID
		got := w.recall(t, fmt.Sprintf(`{"fromUserId":"ops",%q:%q,"sentAt":1,"isDelete":1}`, field, id))
		if got.status != 200 || got.text != `{"code":0}` {
			t.Errorf("%s: answer %d %s", field, got.status, got.text)
		}
		if b := w.Broadcasts()[0]; !b.Recalled.Equal(w.now) {
			t.Errorf("%s: recalled %v", field, b.Recalled)
		}
	}
}

func TestARecallOfNothingIsRefused(t *testing.T) {
	w := newWorld(t, sandbox.Config{RecallQuota: sandbox.Quota{PerHour: -1, PerDay: -1}})
	id := w.send(t, goodBody).Result.ID
	for _, body := range []string{
		`{"fromUserId":"ops","messageId":"nope"}`, `{"fromUserId":"ops"}`, `[]`,
		fmt.Sprintf(`{"messageId":%q}`, id), fmt.Sprintf(`{"fromUserId":"other","messageId":%q}`, id),
	} {
		if got := w.recall(t, body); got.Code != 1002 {
			t.Errorf("%s: code %d, want 1002", body, got.Code)
		}
	}
	w.Script(sandbox.Step{On: "recall", Code: 1050})
	if got := w.recall(t, fmt.Sprintf(`{"fromUserId":"ops","messageId":%q}`, id)); got.Code != 1050 {
		t.Errorf("code %d, want the script's 1050", got.Code)
	}
	if b := w.Broadcasts()[0]; !b.Recalled.IsZero() {
		t.Error("it was recalled all the same")
	}
}

func TestRecallsHaveACounterOfTheirOwnUnlessShared(t *testing.T) {
	for shared, want := range map[bool]int{false: 0, true: 1008} {
		w := newWorld(t, sandbox.Config{Quota: sandbox.Quota{Shared: shared}})
		w.send(t, goodBody)
		id := w.send(t, goodBody).Result.ID
		body := fmt.Sprintf(`{"fromUserId":"ops","messageId":%q}`, id)
		if got := w.recall(t, body); got.Code != want {
			t.Errorf("shared %t: code %d, want %d", shared, got.Code, want)
		}
		w.recall(t, body)
		if got := w.recall(t, body); got.Code != 1008 {
			t.Errorf("shared %t: the third recall of the hour has code %d, want 1008", shared, got.Code)
		}
	}
}

func TestTheWebhookIsSignedAndOnlyComesIfAskedFor(t *testing.T) {
	type event struct {
		query url.Values
		body  string
	}
	events := make(chan event, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		events <- event{r.URL.Query(), string(text)}
	}))
	defer receiver.Close()
	target, err := url.Parse(receiver.URL + "/hook?a=b")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, sandbox.Config{Webhook: target})
	got := w.send(t, goodBody)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var e event
	select {
	case e = <-events:
	case <-ctx.Done():
		t.Fatal("no event came")
	}
	if e.query.Get("a") != "b" || e.query.Get("rc-signature") != sign(e.query.Get("rc-nonce"), e.query.Get("rc-timestamp")) {
		t.Errorf("query %v is not signed", e.query)
	}
	var envelope struct {
		Type string `json:"type"`
		Data []struct {
			MessageID string `json:"messageId"`
			OS        string `json:"os"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(e.body), &envelope); err != nil || envelope.Type != "message:send" ||
		len(envelope.Data) != 1 || envelope.Data[0].MessageID != got.Result.ID || envelope.Data[0].OS != "Server" {
		t.Errorf("event %s: %v", e.body, err)
	}
	if strings.Contains(e.body+e.query.Encode(), testSecret) {
		t.Error("the event shows the App Secret")
	}
	w.send(t, strings.Replace(goodBody, `"ops"`, `""`, 1))
	if err := w.Close(); err != nil { // waits for events under way
		t.Fatal(err)
	}
	if len(events) != 0 {
		t.Error("a refused broadcast made an event")
	}
}
