package simulate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// Small towns of which anybody can say what ought to be sent when.

// kind is one kind of event. An audience may have more settings.
type kind struct {
	audience, template, priority, atMost, expires, settings string
}

func (k kind) subject() string { return "town." + k.audience + "." + k.template + "." + k.priority }

func smallTown(t *testing.T, quota string, kinds ...kind) *mapping.App {
	t.Helper()
	var audiences, templates []string
	rules := "rules:\n"
	for _, k := range kinds {
		audiences = append(audiences, fmt.Sprintf("  %s: {app: town, package: com.example.town, platforms: [ios], tags: {all: [%[1]s]}%s}\n", k.audience, k.settings))
		templates = append(templates, fmt.Sprintf("  %s: {gather: {at_most: %s}, keep: 50, expires_after: %s, "+
			"message: {type: \"RC:TxtMsg\", content: {content: \"{{ .Count }}\"}}, notification: {title: News, alert: \"{{ .Count }}\"}}\n", k.template, k.atMost, k.expires))
		name := k.audience + "-" + k.template
		rules += fmt.Sprintf("  - {name: %s, on: %s, audience: %s, template: %s, key: event.data.id, item: \"{{ .id }}\", priority: %s}\n",
			name, k.subject(), k.audience, k.template, k.priority)
		rules += fmt.Sprintf("  - {name: not-%s, on: not.%s, cancels: [%[1]s], key: event.data.id}\n", name, k.subject())
	}
	slices.Sort(audiences)
	slices.Sort(templates)
	return compiled(t, []byte("version: 1\napps:\n  town: {app_key: key, app_secret: secret-of-the-town, base_urls: [\"https://provider.example.com\"], "+
		"sender: town, packages: [com.example.town], quota: {"+quota+"}}\naudiences:\n"+strings.Join(slices.Compact(audiences), "")+
		"templates:\n"+strings.Join(slices.Compact(templates), "")+rules))
}

// diary is a history in the making.
type diary []mapping.Message

func (d *diary) add(at time.Time, subject, id string) {
	*d = append(*d, mapping.Message{Subject: subject, Stream: "TOWN", Time: at, Data: fmt.Appendf(nil, `{"id":%q}`, id),
		Header: map[string][]string{"Nats-Msg-Id": {fmt.Sprint(len(*d))}}})
}

// daily adds n items of a kind, a second apart, on each of some days.
func (d *diary) daily(days int, clock time.Duration, k kind, n int) {
	for day := range days {
		for i := range n {
			d.add(monday.AddDate(0, 0, day).Add(clock+time.Duration(i)*time.Second), k.subject(), fmt.Sprint(len(*d)))
		}
	}
}

func (d *diary) history() History {
	slices.SortStableFunc(*d, func(a, b mapping.Message) int { return a.Time.Compare(b.Time) })
	return func(yield func(mapping.Message, error) bool) {
		for i, m := range *d {
			m.Sequence = uint64(i + 1)
			if !yield(m, nil) {
				return
			}
		}
	}
}

func lived(t *testing.T, app *mapping.App, d diary, learn int) Report {
	t.Helper()
	r, err := Run(context.Background(), Config{App: app, Learn: learn, Keep: 1 << 20}, d.history())
	if err != nil || len(r.Failures) > 0 {
		t.Fatal(err, r.Failures)
	}
	return r
}

// wantScore shows the last days' sends if the score is too low.
func wantScore(t *testing.T, r Report, least float64) {
	t.Helper()
	if r.Score >= least {
		return
	}
	t.Errorf("score %.3f, want at least %.2f", r.Score, least)
	for _, b := range r.Broadcasts[max(0, len(r.Broadcasts)-9):] {
		t.Logf("%s %s/%s %d items, worth %.1f: %s", b.At.Format("Mon 15:04:05"), b.Audience, b.Template, b.Items, b.Worth, b.Reason)
	}
}

const hour = time.Hour

func TestTheDaysLastSendIsNotKeptPastTheDay(t *testing.T) {
	months(t)
	t.Parallel()
	steady := kind{"shop", "orders", "normal", "15m", "10h", ""}
	for _, zone := range []string{"UTC", "Asia/Kathmandu", "America/New_York"} {
		var d diary
		for i := range 24 * 6 * 20 {
			d.add(monday.Add(time.Duration(i)*10*time.Minute), steady.subject(), fmt.Sprint(i))
		}
		wantScore(t, lived(t, smallTown(t, "per_hour: 2, per_day: 3, timezone: "+zone, steady), d, 7), 0.94)
	}
	late, rush := kind{"night", "alerts", "normal", "15m", "90m", ""}, kind{"shop", "orders", "normal", "15m", "6h", ""}
	var d diary
	d.daily(18, 20*time.Minute, late, 20)
	d.daily(18, 15*hour, rush, 20)
	d.daily(18, 23*hour+20*time.Minute, late, 5)
	wantScore(t, lived(t, smallTown(t, "per_hour: 2, per_day: 3, timezone: UTC", late, rush), d, 7), 0.95)
}

func TestItemsThatReplaceOthersAreNotExpectedToAddUp(t *testing.T) {
	t.Parallel()
	score, order := kind{"fans", "score", "low", "15m", "1h", ""}, kind{"staff", "orders", "normal", "15m", "3h", ""}
	var d diary
	d.daily(21, 9*hour, order, 3)
	d.daily(21, 12*hour, order, 3)
	for day := range 21 {
		for i := range 120 {
			d.add(monday.AddDate(0, 0, day).Add(18*hour+time.Duration(i)*time.Minute), score.subject(), fmt.Sprint("game of day ", day))
		}
	}
	r := lived(t, smallTown(t, "per_hour: 2, per_day: 2, timezone: UTC", score, order), d, 14)
	wantScore(t, r, 0.8)
}

func TestItemsThatAreCancelledAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	alarm, order := kind{"staff", "alarms", "high", "15m", "2h", ""}, kind{"staff", "orders", "normal", "15m", "3h", ""}
	var d diary
	d.daily(21, 9*hour, order, 5)
	for day := range 21 {
		for i := range 50 {
			at, id := monday.AddDate(0, 0, day).Add(12*hour+time.Duration(i)*5*time.Minute), fmt.Sprint(day, " ", i)
			d.add(at, alarm.subject(), id)
			d.add(at.Add(2*time.Minute), "not."+alarm.subject(), id)
		}
	}
	r := lived(t, smallTown(t, "per_hour: 2, per_day: 1, timezone: UTC", alarm, order), d, 14)
	for _, p := range r.Priorities {
		if p.Priority == mapping.Normal && p.Delivered != p.Items {
			t.Errorf("%d of %d orders are delivered; the others waited for alarms that were called off", p.Delivered, p.Items)
		}
	}
}

// Were each counted that could have been sent for a moment, all sends would be kept for them.
func TestAlarmsThatAreClearedSoonDoNotKeepAllSendsToThemselves(t *testing.T) {
	months(t)
	t.Parallel()
	alarm, order := kind{"staff", "alarms", "high", "5m", "3h", ""}, kind{"shop", "orders", "normal", "5m", "3h", ""}
	var d diary
	for h := 8; h < 21; h += 3 {
		d.daily(21, time.Duration(h)*hour, order, 3)
	}
	for day := range 21 {
		for i := range 60 {
			at, id := monday.AddDate(0, 0, day).Add(7*hour+time.Duration(i)*15*time.Minute), fmt.Sprint(day, " ", i)
			d.add(at, alarm.subject(), id)
			d.add(at.Add(20*time.Minute), "not."+alarm.subject(), id)
		}
	}
	wantScore(t, lived(t, smallTown(t, "per_hour: 2, per_day: 3, policy: price, timezone: UTC", alarm, order), d, 7), 0.6)
}

// The end of an auction calls its reminders off: were they forgotten with that,
// days on which none was sent would teach that none is needed.
func TestASendIsKeptForWhatIsCalledOffWhenItsTimeIsOver(t *testing.T) {
	months(t)
	t.Parallel()
	ending, bid := kind{"bidders", "ending", "high", "5m", "1h", ""}, kind{"bidders", "bids", "normal", "15m", "3h", ""}
	var d diary
	for h := 8; h < 21; h++ {
		d.daily(21, time.Duration(h)*hour, bid, 4)
	}
	for day := range 21 {
		end := monday.AddDate(0, 0, day).Add(22*hour + 20*time.Minute)
		for i := range 12 {
			id := fmt.Sprint(day, " ", i)
			d.add(end.Add(-time.Duration(21+3*i)*time.Minute), ending.subject(), id)
			d.add(end, "not."+ending.subject(), id)
		}
	}
	r := lived(t, smallTown(t, "per_hour: 2, per_day: 3, policy: price, timezone: UTC", ending, bid), d, 7)
	for _, p := range r.Priorities {
		if p.Priority == mapping.High && 10*p.Delivered < 9*p.Items {
			t.Errorf("%d of %d reminders are delivered", p.Delivered, p.Items)
		}
	}
	wantScore(t, r, 0.8)
}

func TestAReserveThatNobodyNeedsIsLikeASmallerQuota(t *testing.T) {
	months(t)
	t.Parallel()
	batch := kind{"shop", "orders", "normal", "15m", "3h", ""}
	for _, day := range []string{"timezone: UTC", "policy: price"} {
		var d diary
		for i, at := range []int{8, 12, 16, 20} {
			d.daily(21, time.Duration(at)*hour, batch, 5*(i+1))
		}
		with := lived(t, smallTown(t, "per_hour: 2, per_day: 3, reserve: {urgent: 1}, "+day, batch), d, 14)
		less := lived(t, smallTown(t, "per_hour: 2, per_day: 2, "+day, batch), d, 14)
		if with.Earned < 0.999*less.Earned {
			t.Errorf("%s: with one of three sends reserved it earns %.1f, with two sends %.1f", day, with.Earned, less.Earned)
		}
	}
}

func TestASendIsKeptForUrgentNewsThatPassQuietHours(t *testing.T) {
	months(t)
	t.Parallel()
	alarm := kind{"staff", "alarms", "urgent", "30s", "2h", `, timezone: UTC, quiet_hours: "22:00-07:00"`}
	order := kind{"shop", "orders", "low", "15m", "6h", ""}
	var d diary
	for h := 8; h < 23; h++ {
		d.daily(21, time.Duration(h)*hour+10*time.Minute, order, 1)
	}
	d.daily(21, 22*hour+45*time.Minute, alarm, 1)
	d.daily(21, 23*hour+20*time.Minute, alarm, 1)
	wantScore(t, lived(t, smallTown(t, "per_hour: 2, per_day: 3, timezone: UTC", alarm, order), d, 14), 0.95)
}

func TestAmongManyDigestsTheOneThatWaitsIsWeighed(t *testing.T) {
	months(t)
	t.Parallel()
	late := kind{"late", "notes", "low", "15m", "2h", ""}
	kinds := []kind{late}
	var d diary
	d.daily(21, 20*hour, late, 3)
	for i := range 14 {
		k := kind{fmt.Sprintf("morning-%02d", i), "news", "normal", "15m", "45m", ""}
		kinds = append(kinds, k)
		d.daily(21, 9*hour, k, 5)
	}
	wantScore(t, lived(t, smallTown(t, "per_hour: 2, per_day: 3, timezone: UTC", kinds...), d, 14), 0.95)
}

func TestTheVeryFirstEventIsSent(t *testing.T) {
	months(t)
	t.Parallel()
	for _, priority := range []string{"low", "normal", "high"} {
		for _, day := range []string{"timezone: UTC", "policy: price"} {
			for _, at := range []int{9, 14, 20} {
				for _, expires := range []string{"2h", "6h"} {
					only := kind{"shop", "orders", priority, "10m", expires, ""}
					var d diary
					d.add(monday.Add(time.Duration(at)*hour), only.subject(), "first")
					if r := lived(t, smallTown(t, "per_hour: 2, per_day: 3, "+day, only), d, 0); len(r.Broadcasts) != 1 {
						t.Errorf("%s, %s: the first event of all, at %d:00, expires after %s", priority, day, at, expires)
					}
				}
			}
		}
	}
}

func TestOnDaysOnWhichClocksChangeTheRushIsExpectedByTheClock(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	rush := kind{"shop", "orders", "normal", "5m", "1h", ""}
	for _, change := range []time.Time{time.Date(2026, 3, 29, 0, 0, 0, 0, berlin), time.Date(2026, 10, 25, 0, 0, 0, 0, berlin)} {
		var d diary
		for day := -16; day <= 1; day++ {
			for i := range 20 {
				y, m, date := change.AddDate(0, 0, day).Date()
				d.add(time.Date(y, m, date, 15, i, 0, 0, berlin), rush.subject(), fmt.Sprint("a", day, " ", i))
				d.add(time.Date(y, m, date, 16, 30+i, 0, 0, berlin), rush.subject(), fmt.Sprint("b", day, " ", i))
			}
		}
		r := lived(t, smallTown(t, "per_hour: 2, per_day: 1, timezone: Europe/Berlin", rush), d, 10)
		for _, b := range r.Broadcasts {
			if local := b.At.In(berlin); local.YearDay() == change.YearDay() && local.Format("15:04") != "17:00" {
				t.Errorf("on the day of the change it goes at %s: %s", local.Format("15:04 on 2 Jan"), b.Reason)
			}
		}
	}
}

func TestNothingIsKeptForAMutedAudience(t *testing.T) {
	t.Parallel()
	rush, order := kind{"school", "news", "high", "15m", "2h", ""}, kind{"shop", "orders", "low", "15m", "3h", ""}
	var d diary
	d.daily(17, 10*hour, order, 10)
	d.daily(17, 15*hour, rush, 10)
	app := smallTown(t, "per_hour: 2, per_day: 1, timezone: UTC", rush, order)
	sent := map[string]int{}
	muted := monday.AddDate(0, 0, 14)
	driver := NewDriver(app, monday, Observer{Sent: func(b *bridge.Broadcast, _ []byte) {
		if b.Started.After(muted) {
			sent[b.Digest.Audience]++
		}
	}})
	for m, err := range d.history() {
		if err != nil {
			t.Fatal(err)
		}
		driver.AdvanceTo(m.Time)
		if m.Time.After(muted) && len(driver.State.Mutes) == 0 {
			driver.State.Mute(bridge.Mute{Audience: "school", Until: monday.AddDate(0, 1, 0), Why: "holidays"})
		}
		driver.Fold(&m)
		driver.plan()
	}
	driver.AdvanceTo(monday.AddDate(0, 0, 17))
	if sent["shop"] != 3 || sent["school"] != 0 {
		t.Errorf("in three days with the school muted, sent were %v, want 3 of the shop", sent)
	}
}

// Else the first thing that anybody tries waits for hours, or expires.
func TestTheFirstNewsOfANewAppGoAtOnce(t *testing.T) {
	months(t)
	t.Parallel()
	news := kind{"all", "news", "normal", "12s", "6h", ""}
	for _, quota := range []string{"per_hour: 2, per_day: 3", "per_hour: 2, per_day: 3, timezone: UTC"} {
		app := smallTown(t, quota, news)
		for h := range 24 {
			for _, within := range []time.Duration{0, 29*time.Minute + 55*time.Second} {
				for _, n := range []int{1, 5} {
					var d diary
					d.daily(1, time.Duration(h)*hour+within, news, n)
					r := lived(t, app, d, 0)
					if len(r.Broadcasts) != 1 || r.Broadcasts[0].Items != n || r.Broadcasts[0].At.Sub(d[0].Time) > time.Minute {
						t.Errorf("%s: %d at %d:00 and %s leave in %d broadcasts, late", quota, n, h, within, len(r.Broadcasts))
					}
				}
			}
		}
	}
}

// Silence tells that what came first was all: else what follows the first broadcast expires with sends left.
func TestWhatFollowsTheFirstNewsOfANewAppLeavesInTime(t *testing.T) {
	months(t)
	t.Parallel()
	for _, lives := range []string{"6h", "12h"} {
		news := kind{"all", "news", "normal", "12s", lives, ""}
		for _, quota := range []string{"per_hour: 2, per_day: 3", "per_hour: 2, per_day: 3, timezone: UTC"} {
			app := smallTown(t, quota, news)
			for h := 6; h < 20; h += 3 {
				for n := 2; n <= 6; n += 2 {
					var d diary
					for i := range n {
						d.daily(1, time.Duration(h)*hour+time.Duration(1+i)*time.Minute, news, 1)
					}
					r := lived(t, app, d, 0)
					sent := 0
					for _, b := range r.Broadcasts {
						sent += b.Items
					}
					if sent != n {
						t.Errorf("%s, %s: %d of %d from %d:01 on are sent, in %d broadcasts", quota, lives, sent, n, h, len(r.Broadcasts))
					}
				}
			}
		}
	}
}
