package nexconn

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

// raw is an answer as it comes over the wire.
func raw(status int, contentType, body string) string {
	return fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, contentType, len(body), body)
}

func refusal(status, code int) string {
	return raw(status, "application/json", fmt.Sprintf(`{"url":%q,"code":%d,"errorMessage":"no"}`, Path, code))
}

const page502 = "<html><h1>Bad Gateway</h1></html>"

// answers are the rows of sections 4.3 and 12 as answers on the wire.
func answers() []struct {
	name string
	raw  string
	want bridge.OutcomeKind
} {
	return []struct {
		name string
		raw  string
		want bridge.OutcomeKind
	}{
		{"200 with code 0 is accepted", raw(200, "application/json", `{"code":0,"result":{"id":"x","messageId":"x"}}`), bridge.Accepted},
		{"200 with code 0 and no result is accepted", raw(200, "application/json", `{"code":0}`), bridge.Accepted},
		{"201 with code 0 is in doubt", refusal(201, 0), bridge.Doubtful},
		{"500 with code 0 is in doubt", refusal(500, 0), bridge.Doubtful},

		{"404 with code 404 blocks: wrong host or path", refusal(404, 404), bridge.Blocked},
		{"404 without a code is in doubt", raw(404, "text/html", page502), bridge.Doubtful},
		{"405 blocks", raw(405, "text/plain", ""), bridge.Blocked},
		{"405 with its own code blocks", refusal(405, 405), bridge.Blocked},
		{"405 with an unknown code is in doubt", refusal(405, 7777), bridge.Doubtful},
		{"400 with code 400 is rejected: no such sender", refusal(400, 400), bridge.OutcomeRejected},
		{"400 without a code is in doubt", raw(400, "text/html", page502), bridge.Doubtful},
		{"1000 with 400 is rejected", refusal(400, 1000), bridge.OutcomeRejected},
		{"1000 with 500 is in doubt", refusal(500, 1000), bridge.Doubtful},
		{"1000 with 200 is in doubt", refusal(200, 1000), bridge.Doubtful},
		{"1001 blocks", refusal(401, 1001), bridge.Blocked},
		{"1002 is rejected", refusal(400, 1002), bridge.OutcomeRejected},
		{"1002 with HTTP 200 is rejected: the code decides", refusal(200, 1002), bridge.OutcomeRejected},
		{"1003 is rejected", refusal(400, 1003), bridge.OutcomeRejected},
		{"1004 blocks in the end", refusal(401, 1004), bridge.Blocked},
		{"401 without a code is in doubt", raw(401, "text/html", page502), bridge.Doubtful},
		{"1005 is rejected", refusal(400, 1005), bridge.OutcomeRejected},
		{"1006 blocks", refusal(401, 1006), bridge.Blocked},
		{"1007 with 403 blocks", refusal(403, 1007), bridge.Blocked},
		{"1007 with 401 blocks", refusal(401, 1007), bridge.Blocked},
		{"403 without a code is in doubt", raw(403, "text/html", page502), bridge.Doubtful},
		{"1008 throttles", refusal(429, 1008), bridge.Throttled},
		{"429 without a code throttles", raw(429, "text/plain", "slow down"), bridge.Throttled},
		{"1009 with 430 blocks", refusal(430, 1009), bridge.Blocked},
		{"1009 with 403 blocks", refusal(403, 1009), bridge.Blocked},
		{"430 without a code blocks", raw(430, "text/plain", ""), bridge.Blocked},
		{"1015 with 200 is rejected", refusal(200, 1015), bridge.OutcomeRejected},
		{"1016 is rejected", refusal(403, 1016), bridge.OutcomeRejected},
		{"1019 is rejected", refusal(400, 1019), bridge.OutcomeRejected},
		{"1050 is in doubt", refusal(504, 1050), bridge.Doubtful},
		{"1501 is rejected", refusal(400, 1501), bridge.OutcomeRejected},
		{"1502 is rejected", refusal(400, 1502), bridge.OutcomeRejected},
		{"1508 is rejected", refusal(400, 1508), bridge.OutcomeRejected},
		{"2007 blocks", refusal(403, 2007), bridge.Blocked},

		{"an unknown code with 4xx is in doubt", refusal(422, 7777), bridge.Doubtful},
		{"an unknown code with 200 is in doubt", refusal(200, 7777), bridge.Doubtful},
		{"the legacy success code 200 is in doubt", refusal(200, 200), bridge.Doubtful},
		{"500 without a body is in doubt", raw(500, "text/plain", ""), bridge.Doubtful},
		{"502 with HTML is in doubt", raw(502, "text/html", page502), bridge.Doubtful},
		{"503 is in doubt", raw(503, "text/html", page502), bridge.Doubtful},
		{"504 is in doubt", raw(504, "text/html", page502), bridge.Doubtful},
		{"301 is in doubt", "HTTP/1.1 301 X\r\nLocation: https://example.com/\r\nContent-Length: 0\r\n\r\n", bridge.Doubtful},
		{"307 is in doubt", "HTTP/1.1 307 X\r\nLocation: https://example.com/\r\nContent-Length: 0\r\n\r\n", bridge.Doubtful},
		{"101 is in doubt", "HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", bridge.Doubtful},
		{"200 with HTML is in doubt", raw(200, "text/html", page502), bridge.Doubtful},
		{"200 without a body is in doubt", raw(200, "application/json", ""), bridge.Doubtful},
		{"200 with truncated JSON is in doubt", raw(200, "application/json", `{"code":0,"resu`), bridge.Doubtful},
		{"200 that ends early is in doubt", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"code\":0}", bridge.Doubtful},
		{"200 with null is in doubt", raw(200, "application/json", `null`), bridge.Doubtful},
		{"200 with a list is in doubt", raw(200, "application/json", `[{"code":0}]`), bridge.Doubtful},
		{"200 with code as text is in doubt", raw(200, "application/json", `{"code":"0"}`), bridge.Doubtful},
		{"200 with two documents is in doubt", raw(200, "application/json", `{"code":0}{"code":1002}`), bridge.Doubtful},
		{"200 in an encoding nobody asked for is in doubt", "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 10\r\n\r\n{\"code\":0}", bridge.Doubtful},
		{"200 that claims gzip and is not is in doubt", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n{\"code\":0}", bridge.Doubtful},
		{"200 over the limit is in doubt", raw(200, "application/json", `{"p":"`+strings.Repeat("x", 2<<10)+`","code":0}`), bridge.Doubtful},
		{"an interim answer is passed over", "HTTP/1.1 100 Continue\r\n\r\n" + refusal(400, 1002), bridge.OutcomeRejected},
	}
}

func TestEveryAnswerHasItsOutcome(t *testing.T) {
	req, err := http.NewRequest(http.MethodPost, "https://provider.test"+Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range answers() {
		t.Run(c.name, func(t *testing.T) {
			a, err := readAnswer(strings.NewReader(c.raw), req, 1<<10)
			if err != nil {
				t.Fatalf("readAnswer: %v", err)
			}
			got := classify(try{ending: answered, answer: a})
			t.Logf("%d %v -> %s: %s", a.status, deref(a.code), got.kind, got.why)
			if got.kind != c.want {
				t.Errorf("kind %s (%s), want %s", got.kind, got.why, c.want)
			}
		})
	}
}

func deref(code *int) any {
	if code == nil {
		return "no code"
	}
	return *code
}

// A row that no answer meets is either dead or untested.
func TestEveryRowOfTheOutcomeTableIsMet(t *testing.T) {
	tries := []try{{ending: unwritten}, {ending: forbidden}, {ending: unanswered}}
	req := &http.Request{Method: http.MethodPost}
	for _, c := range answers() {
		a, err := readAnswer(strings.NewReader(c.raw), req, 1<<10)
		if err != nil {
			t.Fatal(err)
		}
		tries = append(tries, try{ending: answered, answer: a})
	}
	met := map[row]bool{}
	for _, x := range tries {
		met[classify(x)] = true
	}
	for i, r := range outcomeTable() {
		if !met[r] {
			t.Errorf("row %d is met by no test: %+v", i+1, r)
		}
		if (r.kind == bridge.Blocked || r.kind == bridge.OutcomeRejected) && r.remedy == "" {
			t.Errorf("row %d does not tell the operator what to do: %+v", i+1, r)
		}
	}
}

func TestAnOutcomeSaysWhatToDoWhereThereIsSomething(t *testing.T) {
	for want, r := range map[string]row{"accepted": {why: "accepted"}, "wrong type; check the template": {why: "wrong type", remedy: "check the template"}} {
		if got := r.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Whatever the provider answers, a broadcast is only put back where that is
// certainly right: where it names a code or a status of the table.
func TestOnlyKnownAnswersAreCertain(t *testing.T) {
	certain := map[int]bool{0: true}
	for _, r := range outcomeTable() {
		if r.ending == answered && r.kind != bridge.Doubtful {
			certain[r.code] = true
		}
	}
	for _, status := range []int{200, 201, 307, 400, 401, 404, 405, 429, 430, 500, 504} {
		for code := -1; code < 2100; code++ {
			got := classify(try{ending: answered, answer: answer{status: status, code: &code}}).kind
			isStatus := code == status && (status == 405 || status == 429 || status == 430)
			if got != bridge.Doubtful && !certain[code] && !isStatus {
				t.Fatalf("HTTP %d code %d is %s, want in doubt", status, code, got)
			}
			if got == bridge.Accepted && (status != 200 || code != 0) {
				t.Fatalf("HTTP %d code %d is accepted", status, code)
			}
		}
	}
}

func TestATryThatEndsWithoutAnAnswerHasItsOutcome(t *testing.T) {
	for _, c := range []struct {
		ending ending
		want   bridge.OutcomeKind
	}{{unwritten, bridge.NotSent}, {forbidden, bridge.NotSent}, {unanswered, bridge.Doubtful}} {
		if got := classify(try{ending: c.ending, err: errors.New("x")}).kind; got != c.want {
			t.Errorf("ending %d is %s, want %s", c.ending, got, c.want)
		}
	}
}

func TestTheNextSendLeavesAHostThatTimedOutOrAnsweredUnexpectedly(t *testing.T) {
	code := 1002
	for _, c := range []struct {
		name string
		try  try
		want bool
	}{
		{"trouble on the way", try{ending: unwritten}, true},
		{"forbidden to begin", try{ending: forbidden}, false},
		{"no answer", try{ending: unanswered}, true},
		{"accepted", try{ending: answered, answer: answer{status: 200, code: new(int)}}, false},
		{"a clear refusal", try{ending: answered, answer: answer{status: 400, code: &code}}, false},
		{"a server's error", try{ending: answered, answer: answer{status: 502}}, true},
		{"a clear refusal as a server's error", try{ending: answered, answer: answer{status: 500, code: &code}}, true},
		{"a redirect", try{ending: answered, answer: answer{status: 302}}, true},
		{"200 that says nothing", try{ending: answered, answer: answer{status: 200}}, true},
	} {
		if got := leaveHost(c.try, classify(c.try).kind); got != c.want {
			t.Errorf("after %s: leave %t, want %t", c.name, got, c.want)
		}
	}
}

func TestAnAnswerCountsEvenIfTheRequestCouldNotBeWrittenWhole(t *testing.T) {
	c := &Client{cfg: Config{Clock: time.Now, MaxResponse: 1 << 10}}
	var got try
	c.listen(&got, strings.NewReader(refusal(400, 1508)), &http.Request{Method: http.MethodPost}, errors.New("broken pipe"))
	if got.ending != answered || *got.answer.code != 1508 {
		t.Errorf("%+v, want the answer", got)
	}
	c.listen(&got, strings.NewReader(""), &http.Request{Method: http.MethodPost}, errors.New("broken pipe"))
	if got.ending != unanswered || !strings.Contains(got.err.Error(), "cannot write the whole request") {
		t.Errorf("%v, want the trouble with writing", got.err)
	}
}

func FuzzAnswersNeverPanicAndNeverPassTheLimit(f *testing.F) {
	for _, c := range answers() {
		f.Add([]byte(c.raw))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		src := &countingReader{r: bufio.NewReader(strings.NewReader(string(text)))}
		a, err := readAnswer(src, &http.Request{Method: http.MethodPost}, 1<<10)
		if src.n > maxHead+1<<10 {
			t.Errorf("read %d bytes", src.n)
		}
		if err == nil && classify(try{ending: answered, answer: a}).kind == bridge.Accepted && (a.status != 200 || a.code == nil || *a.code != 0) {
			t.Errorf("%+v is accepted", a)
		}
	})
}

type countingReader struct {
	r *bufio.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func TestAHeadWithoutEndIsNotReadToTheEnd(t *testing.T) {
	endless := "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n", 1000)
	src := &countingReader{r: bufio.NewReader(strings.NewReader(endless))}
	if _, err := readAnswer(src, &http.Request{Method: http.MethodPost}, 1<<10); err == nil || src.n > maxHead+1<<10 {
		t.Errorf("read %d bytes, error %v; want at most %d and an error", src.n, err, maxHead+1<<10)
	}
}
