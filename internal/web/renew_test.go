package web

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/belfry-bridge/belfry/bridge"
)

// paused is a replica with many apps, of which some are paused.
func paused(which ...int) bridge.Overview {
	o := sample()
	campus := o.Apps[0]
	campus.InDoubt, o.Apps, o.Conditions = nil, nil, nil
	for i := range 9 {
		campus.App = fmt.Sprintf("app-%d", i)
		o.Apps = append(o.Apps, campus)
	}
	for _, i := range which {
		o.Apps[i].Paused = &bridge.Pause{Why: "exams", Since: time.Now()}
	}
	return o
}

func TestTheReadersPlaceAndFocusStayWhenThePageChanges(t *testing.T) {
	var more atomic.Bool
	server := httptest.NewServer(Handler(func() bridge.Overview {
		if more.Load() {
			return paused(1, 3, 5)
		}
		return paused(3, 5)
	}))
	defer server.Close()
	ctx := browser(t)
	look(ctx, t, chromedp.Navigate(server.URL))
	look(ctx, t, chromedp.WaitVisible("section.card"))
	const top = `document.querySelector("#app-6 h2").getBoundingClientRect().top`
	look(ctx, t, chromedp.Evaluate[bool](`document.querySelector("main a").focus(), document.getElementById("app-6").scrollIntoView(), window.title = document.querySelector("#app-6 h2"), true`))
	before := look(ctx, t, chromedp.Evaluate[float64](top))
	more.Store(true)
	look(ctx, t, chromedp.Poll[bool](`document.querySelectorAll("main a").length === 3`))
	if on := look(ctx, t, chromedp.Evaluate[string](`document.activeElement.textContent`)); on != "app-3" {
		t.Errorf("the focus was on the link to app-3, and is on %q", on)
	}
	if after := look(ctx, t, chromedp.Evaluate[float64](top)); after < before-2 || after > before+2 {
		t.Errorf("what was %.0f pixels from the top is at %.0f", before, after)
	}
	if !look(ctx, t, chromedp.Evaluate[bool](`window.title.isConnected`)) {
		t.Error("a screen reader that was at the title of app-6 has lost it")
	}
}

func TestARenewedPageIsTheNewOne(t *testing.T) {
	empty, moved := sample(), sample()
	empty.Apps[0].Digests, empty.Apps[0].InDoubt, empty.Apps[0].Mutes, empty.Conditions = nil, nil, nil, nil
	moved.Apps[0].Digests[0], moved.Apps[0].Digests[1] = moved.Apps[0].Digests[1], moved.Apps[0].Digests[0]
	moved.Apps[0], moved.Apps[1] = moved.Apps[1], moved.Apps[0]
	var pages []string
	for _, o := range []bridge.Overview{sample(), empty, moved, paused(), paused(3, 5), paused(1, 3, 8), {}} {
		pages = append(pages, ask(Handler(func() bridge.Overview { return o }), "/").Body.String())
	}
	all, err := json.Marshal(pages)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(Handler(sample))
	defer server.Close()
	ctx := browser(t)
	look(ctx, t, chromedp.Navigate(server.URL))
	look(ctx, t, chromedp.WaitVisible("section.card"))
	wrong := look(ctx, t, chromedp.Evaluate[string](`(() => {
		const pages = `+string(all)+`, wrong = [];
		const main = i => new DOMParser().parseFromString(pages[i], "text/html").querySelector("main");
		for (const i in pages) for (const j in pages) {
			const page = main(i);
			renew(page, main(j));
			if (!page.isEqualNode(main(j))) wrong.push(i + " to " + j);
		}
		return wrong.join(", ");
	})()`))
	if wrong != "" {
		t.Errorf("pages renewed are not what was asked for: %s", wrong)
	}
}
