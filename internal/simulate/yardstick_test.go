package simulate

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// What is told of the best schedule has to be possible.

const shared = `version: 1
apps:
  town: {app_key: key, app_secret: secret-of-the-town, base_urls: ["https://provider.example.com"], sender: town, packages: [com.example.town],
    quota: {per_hour: 2, per_day: 3, timezone: UTC}}
audiences:
  all: {app: town, package: com.example.town, timezone: UTC, quiet_hours: "22:00-07:00"}
templates:
  news: {gather: {at_most: 15m}, expires_after: 2h, %s
    message: {type: "RC:TxtMsg", content: {content: "{{ .Count }}"}}, notification: {title: News, alert: "{{ .Count }}"}}
rules:
  - {name: news, on: town.news, audience: all, template: news, item: "{{ .id }}"}
  - {name: alarm, on: town.alarm, audience: all, template: news, item: "{{ .id }}", priority: urgent}
`

func sharedTown(t *testing.T, more string) *mapping.App {
	t.Helper()
	return compiled(t, fmt.Appendf(nil, shared, more))
}

func TestTheBestScheduleKeepsQuietHours(t *testing.T) {
	t.Parallel()
	var d diary
	for i := range 20 { // they expire unsent, whatever is done
		d.add(monday.Add(23*hour+time.Duration(i)*time.Second), "town.news", fmt.Sprint(i))
	}
	d.add(monday.Add(12*hour), "town.alarm", "fire")
	r := lived(t, sharedTown(t, ""), d, 0)
	if r.Earned != 30 || r.Reached != 30 {
		t.Errorf("earned %v, reached %v: want the 30 of the urgent item", r.Earned, r.Reached)
	}
}

func TestTheBestScheduleDoesNotCountNewsBesideWhatReplacedThem(t *testing.T) {
	t.Parallel()
	news := kind{"students", "news", "normal", "15m", "12h", ""}
	var d diary
	d.add(monday.Add(8*hour), news.subject(), "7")
	d.add(monday.Add(9*hour), news.subject(), "7")
	r := lived(t, smallTown(t, "per_hour: 1, per_day: 1, timezone: UTC, policy: asap", news), d, 0)
	if r.Bound > 3.001 || r.Reached > 3.001 || r.Score > 1 {
		t.Errorf("bound %v, reached %v, score %v: one send carries one of the two at most", r.Bound, r.Reached, r.Score)
	}
	var c diary
	c.add(monday.Add(8*hour), news.subject(), "7")
	c.add(monday.Add(8*hour+20*time.Minute), "not."+news.subject(), "7")
	c.add(monday.Add(9*hour), news.subject(), "8")
	r = lived(t, smallTown(t, "per_hour: 1, per_day: 1, timezone: UTC, policy: asap", news), c, 0)
	if r.Bound > 3.001 {
		t.Errorf("bound %v: what was cancelled after its send can't wait for the other", r.Bound)
	}
}

func TestGroupsThatShareADigestForWantOfRoomShareItsSend(t *testing.T) {
	t.Parallel()
	var d diary
	for i := range 300 {
		d.add(monday.Add(8*hour+time.Duration(i)*time.Second), "town.news", fmt.Sprint(i))
	}
	if r := lived(t, sharedTown(t, "group_by: event.data.id,"), d, 0); r.Score > 1 || r.Score < 0.5 {
		t.Errorf("earned %v of %v: score %v", r.Earned, r.Bound, r.Score)
	}
}

func TestTheReportSaysWhyAnEventDidNotBecomeAnItem(t *testing.T) {
	t.Parallel()
	d := diary{{Subject: "town.news", Stream: "TOWN", Time: monday.Add(9 * hour), Data: []byte(`{}`)}}
	r := lived(t, sharedTown(t, "group_by: event.data.id,"), d, 0)
	for name, write := range map[string]func(io.Writer) error{
		"the report": r.WriteText,
		"its page":   r.WriteHTML,
		"a comparison": func(w io.Writer) error {
			c := Compare("now", r, "then", r)
			return c.WriteText(w)
		},
		"tuning": func(w io.Writer) error {
			trials, err := Tune(t.Context(), Config{App: sharedTown(t, "group_by: event.data.id,")}, Tuning{}, d.history)
			if err != nil {
				return err
			}
			return WriteTrials(w, trials)
		},
	} {
		var text strings.Builder
		if err := write(&text); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"no event became an item: none matched a rule", "rule news failed on 1 event, which counts as no match"} {
			if !strings.Contains(text.String(), want) {
				t.Errorf("%s lacks %q:\n%s", name, want, text.String())
			}
		}
	}
}

func TestTuningSaysOfAWindowThatNoFileCanHave(t *testing.T) {
	t.Parallel()
	var d diary
	d.add(monday.Add(9*hour), "town.news", "7")
	trials, err := Tune(t.Context(), Config{App: sharedTown(t, "")}, Tuning{Windows: []float64{2, 8}}, d.history) // of 15m, where all expires after 2h
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range trials[1:] {
		if refused := strings.Contains(r.Name, "(too long: news expires after 2h)"); refused != strings.Contains(r.Name, "× 8") {
			t.Errorf("a trial is called %s", r.Name)
		}
	}
}

func TestADelayIsShownWhereSomethingWasDelivered(t *testing.T) {
	t.Parallel()
	var d diary
	d.add(monday.Add(23*hour), "town.news", "7") // expires in quiet hours
	r := lived(t, sharedTown(t, ""), d, 0)
	var text strings.Builder
	if err := r.WriteText(&text); err != nil || !strings.HasSuffix(strings.TrimSpace(text.String()), " -") {
		t.Errorf("%v, it says\n%s", err, text.String())
	}
	var page strings.Builder
	if err := r.WriteHTML(&page); err != nil || !strings.Contains(page.String(), "<td>-</td><td>-</td></tr>") {
		t.Errorf("%v, the page says that nothing took 0s", err)
	}
}
