package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/quota"
)

// sample is a replica on which everything happens at once.
func sample() bridge.Overview {
	now := time.Now()
	digest := func(audience, state, why string, texts ...string) bridge.DigestStatus {
		return bridge.DigestStatus{
			Explanation: bridge.Explanation{Digest: "d-" + audience, Audience: audience, Template: "lesson-changes", State: state, Why: why},
			Count:       len(texts), Events: len(texts), Priority: "high", Texts: texts,
		}
	}
	return bridge.Overview{
		Name: "belfry-0", Replica: "belfry-0-x7", Version: "v0.1.0", Started: now.Add(-3 * time.Hour), Ready: true, DryRun: true,
		Rules:      bridge.RulesStatus{File: "rules.yaml", Loaded: now.Add(-time.Hour), Problems: []string{"rules.yaml:7:3: unknown key \"audiance\"; did you mean audience?"}},
		Conditions: []bridge.Condition{{Name: "results.unavailable", About: "BELFRY_RESULTS", Message: "the stream is full", Since: now.Add(-time.Minute)}},
		Apps: []bridge.Status{{
			App: "campus", Role: bridge.RoleOwner, Since: now.Add(-time.Hour), Epoch: 4, Commit: 1234, Committed: now, CaughtUp: true,
			Left: 1, Quota: []quota.Usage{{Window: "hour", Max: 2, Used: 1, Left: 1, Frees: now.Add(30 * time.Minute)}, {Window: "day", Max: 3, Used: 2, Left: 1, Frees: now.Add(9 * time.Hour)}},
			Digests: []bridge.DigestStatus{
				digest("students", "held", "held: worth 12 now; the 15:00 lessons usually bring 40, and 1 send is left until midnight.", "Maths on Mon 10:00 is cancelled", "<script>document.title='owned'</script>"),
				digest("parents", "gathering", "gathering: 1 item until 10:15:00, when its window closes at the latest.", "Swimming lessons is due on Mon 16 Nov"),
			},
			InDoubt: []bridge.BroadcastStatus{{ID: "k3f9x2-17", Audience: "students", Template: "closure", Count: 1, Started: now.Add(-5 * time.Minute), Message: "no answer within 30 s after the request was written", Texts: []string{"NORTH campus is closed"}}},
			Counts:  bridge.Counts{Gaps: 1, Read: 4711, Matched: 120, Unmatched: 4590, Dead: 1, DeadLetters: 3, Items: 120, Sent: 80, Replaced: 20, Cancelled: 5, Expired: 12, Broadcasts: 2},
			Mutes:   []bridge.Mute{{ID: "m7", Audience: "parents", Until: now.Add(time.Hour), Why: "by Ann: move to the new building \u202e"}},
			Rules:   []string{"lesson-cancelled", "lesson-moved"},
			Failed:  map[string]int{"lesson-moved": 1}, FailedOn: map[string]bridge.FailedEvent{"lesson-moved": {Stream: "SCHOOL", Sequence: 4700, At: now, Part: "when", Error: "there is no field \"room\""}},
			External: []quota.Spend{{ID: "s1", At: now.Add(-time.Hour), Why: strings.Repeat("campaign", 30)}},
			Waiting:  3, Sources: map[string]bridge.SourceStatus{"SCHOOL": {Sequence: 4711}},
		}, {App: "clinic", Role: bridge.RoleStandby, Since: now.Add(-2 * time.Hour)}},
	}
}

// browser starts a headless Chromium. BELFRY_BROWSER names it; a machine that
// sets the variable must have it.
func browser(t *testing.T, flags ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path := os.Getenv("BELFRY_BROWSER")
	if path == "" {
		found, err := exec.LookPath("chromium")
		if err != nil {
			t.Skip("no chromium on this machine, and BELFRY_BROWSER is not set")
		}
		path = found
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1200, 1100),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.WSURLReadTimeout(time.Minute))
	opts = append(opts, flags...)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if _, err := chromedp.Run(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("cannot start the browser: %v", err)
	}
	return ctx
}

// look runs one action; the page must answer within its time.
func look[T any](ctx context.Context, t *testing.T, a chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatalf("cannot look at the page: %v", err)
	}
	return v
}

// readsOn is whether an order begins to the left of where it goes on.
const readsOn = `(() => {
	const order = [...document.querySelectorAll("code")].find(c => c.textContent.startsWith("belfry unmute")).firstChild;
	const left = i => {
		const letter = document.createRange();
		letter.setStart(order, i);
		letter.setEnd(order, i + 1);
		return letter.getBoundingClientRect().left;
	};
	return left(0) < left(5);
})()`

func TestBrowserShowsAnOperatorWhatMatters(t *testing.T) {
	server := httptest.NewServer(Handler(sample))
	defer server.Close()
	ctx := browser(t)
	for _, width := range []int64{1200, 390} {
		look(ctx, t, chromedp.EmulateViewport(width, 1100))
		look(ctx, t, chromedp.Navigate(server.URL))
		look(ctx, t, chromedp.WaitVisible("section.card"))
		text, title := look(ctx, t, chromedp.Text("body")), look(ctx, t, chromedp.Title())
		overflow := look(ctx, t, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`))
		if file := os.Getenv("BELFRY_SCREENSHOT"); file != "" && width == 1200 {
			if err := os.WriteFile(file, look(ctx, t, chromedp.FullScreenshot(100)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []string{
			"campus", "1 left now", "1 of 2", "2 of 3", "belfry resolve k3f9x2-17 --sent", "belfry resolve k3f9x2-17 --not-sent", "NORTH campus is closed",
			"usually bring 40", "the stream is full", "did you mean audience?", "<script>document.title='owned'</script>", "standby", "4711",
			"audience parents until", "move to the new building", "belfry unmute m7 --app campus", "lesson-moved: an expression failed on 1 event", "belfry explain --stream SCHOOL --seq 4700", "belfry quota take-back s1 --app campus", "Look at campus", "Dry run", "1 gap: events were lost",
			"2 broadcasts so far", time.Now().Format(" MST"),
		} {
			if !strings.Contains(text, want) {
				t.Errorf("at %d pixels the page does not show %q", width, want)
			}
		}
		if title != "Belfry · belfry-0" {
			t.Errorf("the title is %q; an event's text was run as a script, or the page is not ours", title)
		}
		if !look(ctx, t, chromedp.Evaluate[bool](readsOn)) {
			t.Errorf("at %d pixels a text that turns its direction turns around the order behind it", width)
		}
		if overflow {
			t.Errorf("at %d pixels the page must be scrolled sideways", width)
		}
	}
}

func TestThePageChangesUnderTheReaderWithoutBeingLoadedAgain(t *testing.T) {
	var left atomic.Int64 // less than none: it is a proxy that answers
	left.Store(1)
	page := Handler(func() bridge.Overview {
		o := sample()
		o.Apps[0].Left = int(left.Load())
		return o
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if left.Load() < 0 {
			http.Error(w, "<h1>Bad Gateway</h1>", http.StatusBadGateway)
			return
		}
		page.ServeHTTP(w, r)
	}))
	defer server.Close()
	ctx := browser(t)
	look(ctx, t, chromedp.Navigate(server.URL))
	look(ctx, t, chromedp.WaitVisible("section.card"))
	look(ctx, t, chromedp.Evaluate[bool](`window.mine = true`))
	left.Store(2)
	look(ctx, t, chromedp.Poll[bool](`document.body.innerText.includes("2 left now")`))
	if !look(ctx, t, chromedp.Evaluate[bool](`window.mine === true`)) {
		t.Error("the page was loaded again")
	}
	look(ctx, t, chromedp.Evaluate[bool](`getSelection().selectAllChildren(document.querySelector("h2")), true`))
	look(ctx, t, chromedp.WaitVisible("#held"))
	look(ctx, t, chromedp.Evaluate[bool](`getSelection().removeAllRanges(), true`))
	look(ctx, t, chromedp.Poll[bool](`document.getElementById("held").hidden`))
	left.Store(-1)
	look(ctx, t, chromedp.WaitVisible("#gone"))
	left.Store(3)
	look(ctx, t, chromedp.Poll[bool](`document.getElementById("gone").hidden && document.body.innerText.includes("3 left now")`))
	server.CloseClientConnections()
	server.Close()
	look(ctx, t, chromedp.WaitVisible("#gone"))
	if text := look(ctx, t, chromedp.Text("body")); !strings.Contains(text, "No answer since") || !strings.Contains(text, "campus") {
		t.Errorf("without its server the page says %q", text)
	}
}

// contrast is the least of WCAG between a text and what is behind it, over all that
// a selector finds.
const contrast = `(() => {
	const rgb = c => c.match(/[\d.]+/g).map(Number);
	const light = c => rgb(c).slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((l, v, i) => l + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = e => { const c = getComputedStyle(e).backgroundColor; return rgb(c)[3] === 0 ? behind(e.parentElement) : c };
	return Math.min(...[...document.querySelectorAll("main *")].filter(e => e.innerText && e.getClientRects().length).map(e => {
		const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
		return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
	}));
})()`

func TestEveryTextCanBeReadByDayAndNight(t *testing.T) {
	server := httptest.NewServer(Handler(sample))
	defer server.Close()
	for scheme, flag := range map[string]string{"dark": "preferredColorScheme=0", "light": "preferredColorScheme=1"} {
		ctx := browser(t, chromedp.Flag("blink-settings", flag))
		look(ctx, t, chromedp.Navigate(server.URL))
		look(ctx, t, chromedp.WaitVisible("section.card"))
		if !look(ctx, t, chromedp.Evaluate[bool](`matchMedia("(prefers-color-scheme: `+scheme+`)").matches`)) {
			t.Fatalf("the browser is not %s", scheme)
		}
		if least := look(ctx, t, chromedp.Evaluate[float64](contrast)); least < 4.5 {
			t.Errorf("%s: a text has a contrast of %.1f to what is behind it; WCAG wants 4.5", scheme, least)
		}
	}
}
