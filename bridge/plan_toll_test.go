package bridge

import (
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/internal/forecast"
	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

// friday is a town at seven of a Friday evening with one send left until
// midnight. News come all day until ten, on weekdays, and live half a day.
// Whether alarms come on the evenings of the weekend, beyond the plan's
// horizon, decides what tomorrow's sends are worth.
func friday(alarms bool) Situation {
	app := planApp(mapping.PolicyPrice)
	for _, r := range app.Rules {
		r.ExpiresAfter = 12 * time.Hour
	}
	midnight := planStart.AddDate(0, 0, 4)
	now := midnight.Add(19 * time.Hour)
	var f forecast.Forecast
	for day := -14; day <= 0; day++ {
		begin := midnight.AddDate(0, 0, day)
		free := begin.Weekday() == time.Saturday || begin.Weekday() == time.Sunday
		for at := begin; at.Before(begin.AddDate(0, 0, 1)) && !at.After(now); at = at.Add(10 * time.Minute) {
			hour := at.Sub(begin).Hours()
			if hour >= 8 && hour < 22 && !free {
				f.Observe(at, forecastKey("east", "news"), int(mapping.Normal))
			}
			for i := range 60 {
				if alarms && free && hour == 21 {
					f.Observe(at, forecastKey([]string{"east", "west", "port"}[i%3], "alarms"), int(mapping.High))
				}
			}
		}
	}
	d := &Digest{ID: "1", Audience: "east", Template: "news", Opened: midnight.Add(8 * time.Hour), ReadyBy: midnight.Add(9 * time.Hour)}
	for at := d.Opened; at.Before(now); at = at.Add(10 * time.Minute) {
		d.Items = append(d.Items, mapping.Item{Arrived: at, ReadyBy: at.Add(15 * time.Minute), Expires: at.Add(12 * time.Hour), Priority: mapping.Normal})
	}
	var led quota.Ledger
	led.External("", midnight.Add(7*time.Hour), "")
	led.External("", midnight.Add(13*time.Hour), "")
	return Situation{Now: now, App: app, Digests: []*Digest{d}, Ledger: &led, Forecast: &f}
}

func TestTheDaysLastSendWaitsWhereTomorrowsAreDear(t *testing.T) {
	if p := Decide(friday(true)); p.Send != nil {
		t.Errorf("sends at seven what could wait for the evening's news (%s), and leaves those to a send of tomorrow", p.Reason)
	}
}

func TestTheDaysLastSendGoesWhereTomorrowsAreIdle(t *testing.T) {
	if p := Decide(friday(false)); p.Send == nil {
		t.Errorf("holds the news although a send of tomorrow is free for the rest: %s", p.Explanations[0].Why)
	}
}
