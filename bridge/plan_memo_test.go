package bridge

import (
	"math"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/internal/forecast"
	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

// A day on which one audience had much and one on which another had: each is
// remembered with some of the other's, and the mean of both stays what it was.
func TestRememberedDaysAreDrawnTowardsTheirMean(t *testing.T) {
	app := planApp(mapping.PolicyPrice)
	for _, r := range app.Rules {
		r.Gather.AtMost = time.Hour // fresh items are worth all of it
	}
	var f forecast.Forecast
	keys := []string{forecastKey("east", "news"), forecastKey("west", "news")}
	f.Observe(planStart.AddDate(0, 0, -1), keys[0], int(mapping.Normal)) // so that the first day is seen from its beginning
	for day := range 4 {
		for range 10 {
			f.Observe(planStart.AddDate(0, 0, day).Truncate(24*time.Hour).Add(10*time.Hour), keys[day%2], int(mapping.Normal))
		}
	}
	at := planStart.AddDate(0, 0, 4)
	m := &Memo{}
	m.learn(newTable(Situation{Now: at, App: app, Ledger: &quota.Ledger{}, Forecast: &f}), at)
	weights, worth := 0.0, map[string][]float64{}
	for _, p := range m.paths {
		weights += p.weight
		for _, key := range keys {
			values, _ := p.of(m.number(key))
			worth[key] = append(worth[key], values.between(20, 21))
		}
	}
	if len(m.paths) != 4 || math.Abs(weights-1) > 1e-9 {
		t.Fatalf("%d paths that weigh %v", len(m.paths), weights)
	}
	for i, key := range keys {
		mean, plain := 0.0, 0.0
		for n, p := range m.paths {
			mean += p.weight * worth[key][n]
			if n%2 == i {
				plain += p.weight * 30 // ten items worth 3
			}
		}
		if math.Abs(mean-plain) > 1e-3 {
			t.Errorf("%s: the mean is %v, want %v", key, mean, plain)
		}
		for n := range m.paths {
			whole := 0.0
			if n%2 == i {
				whole = 30
			}
			if want := whole + 0.3*(plain-whole); math.Abs(worth[key][n]-want) > 1e-3 {
				t.Errorf("%s, day %d: a send is worth %v, want %v", key, n, worth[key][n], want)
			}
		}
	}
}
