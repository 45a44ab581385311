package sandbox_test

import (
	"crypto/sha1" //nolint:gosec // the provider's signature
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/internal/sandbox"
)

const (
	testKey    = "test-app"
	testSecret = "hush-never-show-this"
)

// world is a sandbox with a clock that a test sets.
type world struct {
	*sandbox.Server
	now    time.Time
	nonces int
}

func newWorld(t *testing.T, cfg sandbox.Config) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 3, 2, 10, 20, 0, 0, time.UTC)}
	cfg.Apps = map[string]string{testKey: testSecret, "locked-app": testSecret}
	cfg.LockedApps = append(cfg.LockedApps, "locked-app")
	if cfg.Clock == nil {
		cfg.Clock = func() time.Time { return w.now }
	}
	s, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w.Server = s
	return w
}

const goodBody = `{"platform":["ios","android"],"fromUserId":"ops",
 "audience":{"packageName":"com.example.student","isToAll":false},
 "message":{"content":"{\"content\":\"Classes start at nine\"}","messageType":"RC:TxtMsg"},
 "notification":{"title":"Timetable","alert":"Classes start at nine"}}`

func sign(nonce, timestamp string) string {
	sum := sha1.Sum([]byte(testSecret + nonce + timestamp)) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// request is a signed one; edit may spoil it.
func (w *world) request(path, body string, edit func(*http.Request)) *http.Request {
	w.nonces++
	nonce, timestamp := strconv.Itoa(w.nonces), strconv.FormatInt(w.now.UnixMilli(), 10)
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	for name, value := range map[string]string{
		"App-Key": testKey, "Nonce": nonce, "Timestamp": timestamp, "Signature": sign(nonce, timestamp),
		"X-Request-ID": "b-" + nonce, "Content-Type": "application/json",
	} {
		r.Header.Set(name, value)
	}
	if edit != nil {
		edit(r)
	}
	return r
}

type reply struct {
	status int
	header http.Header
	text   string
	Code   int `json:"code"`
	Result struct {
		ID        string `json:"id"`
		MessageID string `json:"messageId"`
	} `json:"result"`
	ErrorMessage string `json:"errorMessage"`
	URL          string `json:"url"`
}

func do(t *testing.T, h http.Handler, r *http.Request) reply {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	out := reply{status: rec.Code, header: rec.Header(), text: rec.Body.String()}
	_ = json.Unmarshal(rec.Body.Bytes(), &out) // not every answer is JSON
	if rec.Header().Get("X-Belfry-Sandbox") == "" {
		t.Error("an answer does not say that it is a simulator's")
	}
	if strings.Contains(out.text, testSecret) {
		t.Errorf("an answer shows the App Secret: %s", out.text)
	}
	return out
}

func (w *world) send(t *testing.T, body string) reply {
	t.Helper()
	return do(t, w.Handler(), w.request(sandbox.SendPath, body, nil))
}

func TestAGoodRequestIsAnsweredAndKept(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	got := w.send(t, goodBody)
	if got.status != 200 || got.Code != 0 || got.Result.ID == "" || got.Result.ID != got.Result.MessageID {
		t.Fatalf("answer %+v", got)
	}
	sent := w.Broadcasts()
	if len(sent) != 1 {
		t.Fatalf("%d broadcasts", len(sent))
	}
	b := sent[0]
	if b.ID != got.Result.ID || b.RequestID != "b-1" || b.Title != "Timetable" || b.Text != "Classes start at nine" || b.ToAll || b.Nobody != "" || !b.At.Equal(w.now) {
		t.Errorf("broadcast %+v", b)
	}
	if r := w.Requests(); len(r) != 1 || r[0].Status != 200 || r[0].Broadcast != b.ID || r[0].Body != goodBody {
		t.Errorf("requests %+v", r)
	}
	if got.header.Get("Date") != "Mon, 02 Mar 2026 10:20:00 GMT" {
		t.Errorf("Date %q is not of the given clock", got.header.Get("Date"))
	}
}

// Every row spoils one thing more than the row below it is allowed to, so
// that the table is also the order of verification.
func TestTheFirstObjectionInTheStatedOrderIsTheAnswer(t *testing.T) {
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	badBody := strings.Replace(goodBody, `"fromUserId":"ops",`, "", 1)
	for _, c := range []struct {
		name   string
		config sandbox.Config
		calls  int // before this one
		path   string
		body   string
		edit   func(*http.Request)
		status int
		code   int
	}{
		{name: "method", config: sandbox.Config{DenyIP: true}, edit: func(r *http.Request) { r.Method = http.MethodGet }, status: 404, code: 404},
		{name: "doubled slash", config: sandbox.Config{DenyIP: true}, path: "/" + sandbox.SendPath, status: 404, code: 404},
		{name: "path", config: sandbox.Config{DenyIP: true}, path: sandbox.SendPath + "/", status: 404, code: 404},
		{name: "address", config: sandbox.Config{DenyIP: true}, edit: set("App-Key", ""), status: 403, code: 1007},
		{name: "missing header", edit: func(r *http.Request) { r.Header.Del("Nonce"); r.Header.Set("App-Key", "other") }, status: 401, code: 1004},
		{name: "mixed header spellings", edit: func(r *http.Request) { r.Header.Set("RC-Nonce", r.Header.Get("Nonce")); r.Header.Del("Nonce") }, status: 401, code: 1004},
		{name: "unknown App Key", edit: func(r *http.Request) { r.Header.Set("App-Key", "other"); r.Header.Set("Signature", "x") }, status: 401, code: 1001},
		{name: "locked app", edit: func(r *http.Request) { r.Header.Set("App-Key", "locked-app"); r.Header.Set("Signature", "x") }, status: 401, code: 1006},
		{name: "long nonce", edit: set("Nonce", "1234567890123456789"), status: 401, code: 1004},
		{name: "timestamp in seconds", edit: func(r *http.Request) {
			r.Header.Set("Timestamp", "1772446800")
			r.Header.Set("Signature", sign(r.Header.Get("Nonce"), "1772446800"))
		}, status: 401, code: 1004},
		{name: "old timestamp", edit: func(r *http.Request) {
			old := strconv.FormatInt(time.Date(2026, 3, 2, 10, 14, 59, 0, time.UTC).UnixMilli(), 10)
			r.Header.Set("Timestamp", old)
			r.Header.Set("Signature", sign(r.Header.Get("Nonce"), old))
		}, status: 401, code: 1004},
		{name: "wrong signature", body: "nonsense", edit: set("Signature", strings.Repeat("0", 40)), status: 401, code: 1004},
		{name: "upper-case signature", edit: func(r *http.Request) { r.Header.Set("Signature", strings.ToUpper(r.Header.Get("Signature"))) }, status: 401, code: 1004},
		{name: "long request id", body: "nonsense", edit: set("X-Request-ID", strings.Repeat("x", 37)), status: 400, code: 1005},
		{name: "content type", edit: set("Content-Type", "application/x-www-form-urlencoded"), status: 400, code: 1002},
		{name: "empty body", calls: 2, body: " \n", status: 400, code: 1003},
		{name: "not JSON", calls: 2, body: `{"platform":`, status: 400, code: 1002},
		{name: "not an object", calls: 2, body: `[]`, status: 400, code: 1002},
		{name: "null", calls: 2, body: `null`, status: 400, code: 1002},
		{name: "quota", config: sandbox.Config{ServiceDisabled: true}, calls: 2, body: badBody, status: 429, code: 1008},
		{name: "service", config: sandbox.Config{ServiceDisabled: true}, body: badBody, status: 430, code: 1009},
		{name: "field", body: badBody, status: 400, code: 1002},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.config)
			for range c.calls {
				w.send(t, goodBody)
			}
			before := len(w.Broadcasts())
			path, body := c.path, c.body
			if path == "" {
				path = sandbox.SendPath
			}
			if body == "" {
				body = goodBody
			}
			got := do(t, w.Handler(), w.request(path, body, c.edit))
			if got.status != c.status || got.Code != c.code || got.ErrorMessage == "" || got.URL != path {
				t.Errorf("answer %+v, want HTTP %d code %d with a message and the path", got, c.status, c.code)
			}
			if len(w.Broadcasts()) != before {
				t.Error("it was sent all the same")
			}
		})
	}
}

func TestEveryFieldIsChecked(t *testing.T) {
	replace := func(old, with string) string {
		if !strings.Contains(goodBody, old) {
			panic(old)
		}
		return strings.Replace(goodBody, old, with, 1)
	}
	manyIDs := `"userId":["x"` + strings.Repeat(`,"x"`, 1000) + `]`
	for _, c := range []struct {
		name   string
		body   string
		code   int // 0: accepted
		status int
	}{
		{"no platform", replace(`"platform":["ios","android"],`, ``), 1002, 400},
		{"an empty platform list", replace(`["ios","android"]`, `[]`), 1002, 400},
		{"an unknown platform", replace(`"android"]`, `"windows"]`), 1002, 400},
		{"platforms spelled as in the table", replace(`["ios","android"]`, `["iOS","Android","HarmonyOS"]`), 0, 200},
		{"a platform that is no list", replace(`["ios","android"]`, `"ios"`), 1002, 400},
		{"the legacy sender's name", replace(`fromUserId`, `fromuserid`), 1002, 400},
		{"an empty sender", replace(`"ops"`, `""`), 1002, 400},
		{"a sender over 64 bytes", replace(`"ops"`, `"`+strings.Repeat("x", 65)+`"`), 1002, 400},
		{"a sender with a space", replace(`"ops"`, `"o ps"`), 1002, 400},
		{"no audience", replace(`"audience"`, `"audiences"`), 1002, 400},
		{"an audience that is null", replace(`{"packageName":"com.example.student","isToAll":false}`, `null`), 1002, 400},
		{"no isToAll", replace(`,"isToAll":false`, ``), 1002, 400},
		{"isToAll as text", replace(`"isToAll":false`, `"isToAll":"false"`), 1002, 400},
		{"isToAll in other letters", replace(`"isToAll"`, `"istoall"`), 1002, 400},
		{"no criterion", replace(`"packageName":"com.example.student",`, ``), 1002, 400},
		{"an empty package name", replace(`com.example.student`, ``), 1002, 400},
		{"everyone", replace(`"isToAll":false`, `"isToAll":true`), 0, 200},
		{"1,001 users", replace(`"isToAll"`, manyIDs+`,"isToAll"`), 1002, 400},
		{"21 tags", replace(`"isToAll"`, `"tag":["x"`+strings.Repeat(`,"x"`, 20)+`],"isToAll"`), 1002, 400},
		{"a tag", replace(`"packageName":"com.example.student"`, `"tag":["x"]`), 0, 200},
		{"no message", replace(`"message"`, `"massage"`), 1002, 400},
		{"no content", replace(`"content":"{`, `"contents":"{`), 1002, 400},
		{"content as an object", replace(`"{\"content\":\"Classes start at nine\"}"`, `{"content":"x"}`), 1002, 400},
		{"built-in content that is no JSON", replace(`"{\"content\":\"Classes start at nine\"}"`, `"hello"`), 1002, 400},
		{"a text message without its text", replace(`{\"content\"`, `{\"text\"`), 1002, 400},
		{"a notice without its message", replace(`RC:TxtMsg`, `RC:InfoNtf`), 1002, 400},
		{"a command without its name", replace(`RC:TxtMsg`, `RC:CmdMsg`), 1002, 400},
		{"a built-in type that needs nothing in particular", replace(`RC:TxtMsg`, `RC:ImgMsg`), 0, 200},
		{"content over 131,072 bytes", replace(`Classes`, strings.Repeat("x", 131_072)), 1005, 400},
		{"a custom type with any content", replace(`"{\"content\":\"Classes start at nine\"}","messageType":"RC:TxtMsg"`, `"hello","messageType":"school:note"`), 0, 200},
		{"a custom type over 32 characters", replace(`RC:TxtMsg`, `school:`+strings.Repeat("x", 30)), 1005, 400},
		{"the legacy type's name", replace(`messageType`, `objectName`), 1002, 400},
		{"no notification", replace(`"notification"`, `"notifications"`), 1002, 400},
		{"a title of 50 characters of several bytes", replace(`"Timetable"`, `"`+strings.Repeat("é", 50)+`"`), 0, 200},
		{"a title of 51 characters", replace(`"Timetable"`, `"`+strings.Repeat("x", 51)+`"`), 1005, 400},
		{"no alert at all", replace(`,"alert":"Classes start at nine"`, ``), 1002, 400},
		{"an alert for each targeted platform", replace(`"alert":"Classes start at nine"`, `"ios":{"alert":"a"},"android":{"alert":"b"}`), 0, 200},
		{"an alert for one platform of two", replace(`"alert":"Classes start at nine"`, `"ios":{"alert":"a"}`), 1002, 400},
		{"forceShowPushContent 2", replace(`"title"`, `"forceShowPushContent":2,"title"`), 1002, 400},
		{"a platform's settings that are no object", replace(`"title"`, `"ios":[],"title"`), 1002, 400},
		{"fields nobody knows", replace(`"platform"`, `"colour":"red","platform"`), 0, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, sandbox.Config{})
			got := w.send(t, c.body)
			if got.status != c.status || got.Code != c.code || (len(w.Broadcasts()) == 1) != (c.code == 0) {
				t.Errorf("HTTP %d code %d %s, %d sent; want HTTP %d code %d", got.status, got.Code, got.ErrorMessage, len(w.Broadcasts()), c.status, c.code)
			}
		})
	}
}

func TestEverySwitchChangesWhatItSays(t *testing.T) {
	body := func(old, with string) string { return strings.Replace(goodBody, old, with, 1) }
	noFlag := body(`,"isToAll":false`, ``)
	for _, c := range []struct {
		name          string
		config        sandbox.Config
		body          string
		off, on       int // codes without and with the switch
		reachesNobody string
	}{
		{name: "service disabled", config: sandbox.Config{ServiceDisabled: true}, body: goodBody, on: 1009},
		{name: "address denied", config: sandbox.Config{DenyIP: true}, body: goodBody, on: 1007},
		{name: "locked app", config: sandbox.Config{LockedApps: []string{testKey}}, body: goodBody, on: 1006},
		{name: "sender list", config: sandbox.Config{Senders: []string{"office"}}, body: goodBody, on: 400},
		{name: "sender on the list", config: sandbox.Config{Senders: []string{"ops"}}, body: goodBody},
		{name: "package list", config: sandbox.Config{Packages: []string{"com.example.teacher"}}, body: goodBody, reachesNobody: "unknown package"},
		{name: "package on the list", config: sandbox.Config{Packages: []string{"com.example.student"}}, body: goodBody},
		{name: "unknown package refused", config: sandbox.Config{Packages: []string{"com.example.teacher"}, RejectUnknownPackage: true}, body: goodBody, on: 1002},
		{name: "is_to_all is read", config: sandbox.Config{IsToAll: sandbox.SnakeCase}, body: body("isToAll", "is_to_all"), off: 1002},
		{name: "isToAll is no longer read", config: sandbox.Config{IsToAll: sandbox.SnakeCase}, body: goodBody, on: 1002},
		{name: "either spelling", config: sandbox.Config{IsToAll: sandbox.EitherSpelling}, body: body("isToAll", "is_to_all"), off: 1002},
		{name: "either spelling, none there", config: sandbox.Config{IsToAll: sandbox.EitherSpelling}, body: noFlag, off: 1002, on: 1002},
		{name: "no criterion", config: sandbox.Config{AllowNoCriterion: true}, body: body(`"packageName":"com.example.student",`, ``), off: 1002, reachesNobody: "no criterion"},
		{name: "case of platforms", config: sandbox.Config{CaseSensitivePlatforms: true}, body: body(`"ios"`, `"iOS"`), on: 1002},
		{name: "content limit", config: sandbox.Config{MaxContent: 20}, body: goodBody, on: 1005},
		{name: "moderation", config: sandbox.Config{ModeratedWords: []string{"nine"}}, body: goodBody, reachesNobody: "moderated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := newWorld(t, sandbox.Config{}).send(t, c.body); got.Code != c.off {
				t.Errorf("without the switch: code %d, want %d", got.Code, c.off)
			}
			w := newWorld(t, c.config)
			if got := w.send(t, c.body); got.Code != c.on {
				t.Errorf("with the switch: code %d %s, want %d", got.Code, got.ErrorMessage, c.on)
			}
			if sent := w.Broadcasts(); c.on == 0 && (len(sent) != 1 || sent[0].Nobody != c.reachesNobody) {
				t.Errorf("sent %+v, want one that reaches nobody because %q", sent, c.reachesNobody)
			}
		})
	}
}

func TestSwitchesOfTheSignatureChangeWhatTheySay(t *testing.T) {
	resign := func(nonce, timestamp string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Nonce", nonce)
			r.Header.Set("Timestamp", timestamp)
			r.Header.Set("Signature", sign(nonce, timestamp))
		}
	}
	now := strconv.FormatInt(time.Date(2026, 3, 2, 10, 20, 0, 0, time.UTC).UnixMilli(), 10)
	old := strconv.FormatInt(time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC).UnixMilli(), 10)
	for _, c := range []struct {
		name    string
		config  sandbox.Config
		edit    func(*http.Request)
		off, on int
	}{
		{"seconds", sandbox.Config{AcceptSeconds: true}, resign("1", now[:10]), 1004, 0},
		{"tolerance", sandbox.Config{ClockTolerance: time.Hour}, resign("1", old), 1004, 0},
		{"long nonce", sandbox.Config{AcceptLongNonce: true}, resign("5577006791947779410", now), 1004, 0},
		{"replay", sandbox.Config{RejectReplay: true}, resign("1", now), 0, 1004},
	} {
		t.Run(c.name, func(t *testing.T) {
			for config, want := range map[*sandbox.Config]int{{}: c.off, &c.config: c.on} {
				w := newWorld(t, *config)
				do(t, w.Handler(), w.request(sandbox.SendPath, goodBody, resign("1", now)))
				if got := do(t, w.Handler(), w.request(sandbox.SendPath, goodBody, c.edit)); got.Code != want {
					t.Errorf("%+v: code %d %s, want %d", config, got.Code, got.ErrorMessage, want)
				}
			}
		})
	}
}

func TestPrefixedHeadersAreAsGood(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	got := do(t, w.Handler(), w.request(sandbox.SendPath, goodBody, func(r *http.Request) {
		for _, name := range []string{"App-Key", "Nonce", "Timestamp", "Signature"} {
			r.Header.Set("RC-"+name, r.Header.Get(name))
			r.Header.Del(name)
		}
	}))
	if got.Code != 0 || len(w.Broadcasts()) != 1 {
		t.Errorf("answer %+v", got)
	}
}
