package sandbox_test

import (
	"bufio"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/internal/sandbox"
)

// replay hands a recorded request to a sandbox whose clock stands at the
// request's own time.
func replay(t *testing.T, file string, cfg sandbox.Config, edit func(*http.Request)) (*world, reply) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r, err := http.ReadRequest(bufio.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	timestamp := r.Header.Get("Timestamp") + r.Header.Get("RC-Timestamp")
	n, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(r)
	}
	w := newWorld(t, cfg)
	w.now = time.UnixMilli(n)
	if len(timestamp) == 10 {
		w.now = time.Unix(n, 0)
	}
	return w, do(t, w.Handler(), r)
}

// resigned makes the published example ours: its signature is a placeholder.
func resigned(r *http.Request) {
	r.Header.Set("App-Key", testKey)
	r.Header.Set("Signature", sign(r.Header.Get("Nonce"), r.Header.Get("Timestamp")))
}

func TestRecordedRequestsAreReadLikeTheProviderWouldByEitherSpelling(t *testing.T) {
	const ok, refused = 0, 1002
	for _, c := range []struct {
		file                 string
		edit                 func(*http.Request)
		camel, snake, either int // the code by Config.IsToAll
	}{
		{"../nexconn/testdata/request.http", nil, ok, refused, ok},
		{"testdata/sdk-go.http", nil, ok, refused, ok},
		{"testdata/sdk-node.http", nil, ok, refused, ok},
		{"testdata/parameter-table.http", nil, ok, refused, ok},
		{"testdata/published-example.http", resigned, refused, ok, ok},
	} {
		for spelling, want := range map[sandbox.Spelling]int{
			"": c.camel, sandbox.CamelCase: c.camel, sandbox.SnakeCase: c.snake, sandbox.EitherSpelling: c.either,
		} {
			t.Run(filepath.Base(c.file)+" read as "+string(spelling), func(t *testing.T) {
				w, got := replay(t, c.file, sandbox.Config{IsToAll: spelling}, c.edit)
				if got.Code != want || (len(w.Broadcasts()) == 1) != (want == ok) {
					t.Errorf("code %d %s, want %d", got.Code, got.ErrorMessage, want)
				}
				for _, b := range w.Broadcasts() {
					if b.ToAll || b.Package == "" {
						t.Errorf("it was read as a broadcast to %+v", b)
					}
				}
			})
		}
	}
}

func TestThePublishedSignatureIsAPlaceholder(t *testing.T) {
	w, got := replay(t, "testdata/published-example.http", sandbox.Config{IsToAll: sandbox.SnakeCase},
		func(r *http.Request) { r.Header.Set("App-Key", testKey) })
	if got.status != http.StatusUnauthorized || got.Code != 1004 || len(w.Broadcasts()) != 0 {
		t.Errorf("answer %+v", got)
	}
}

func TestLegacyHeadersNeedTheirSwitches(t *testing.T) {
	const file = "testdata/sdk-legacy-headers.http"
	if _, got := replay(t, file, sandbox.Config{}, nil); got.Code != 1004 {
		t.Errorf("without switches: code %d, want 1004", got.Code)
	}
	if _, got := replay(t, file, sandbox.Config{AcceptSeconds: true, AcceptLongNonce: true}, nil); got.Code != 0 {
		t.Errorf("with switches: code %d %s, want 0", got.Code, got.ErrorMessage)
	}
}
