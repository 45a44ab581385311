package contract_test

import (
	"cmp"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

// exampleID is an id as the bridge makes it.
func exampleID(r *bridge.Result) string {
	return cmp.Or(r.Broadcast, r.Digest, "k3v9ta-12") + "." + string(r.State)
}

// examples has one result of every state, with everything that it may hold.
func examples() map[bridge.ResultState]bridge.Result {
	morning := time.Date(2026, 11, 2, 6, 40, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return morning.Add(time.Duration(minutes) * time.Minute) }
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	usage := []quota.Usage{
		{Window: "hour", Max: 2, Used: 1, Left: 1, Frees: at(76)},
		{Window: "day", Max: 3, Used: 2, Left: 1, Frees: at(25 * 60)},
	}
	digest := bridge.Result{
		App: "campus", Audience: "students", Template: "lessons", Package: "com.example.student", Digest: "k3v9ta-7",
		Rules: map[string]int{"cancelled": 3, "moved": 1}, Items: 3, Events: 3,
		EventIDs: []string{"lesson-1041", "lesson-1043", "SCHOOL:88"}, Trace: trace, Quota: usage,
		Times: bridge.ResultTimes{FirstEvent: at(0), WindowClosed: at(15), Reported: at(17)},
	}
	broadcast := digest
	broadcast.Broadcast, broadcast.RequestHash = "k3v9ta-9", "0f8f1f5a3b6c7a4de15f4c0d3a6f4e3b2f7f5b1f0a9c8d7e6f5a4b3c2d1e0f9a"
	broadcast.Reason = "its window has closed, and waiting earns nothing"
	broadcast.Times.Sent, broadcast.Times.Answered = at(16), at(16).Add(240*time.Millisecond)
	broadcast.Attempts = []bridge.Attempt{{Host: "https://api.example.com", At: at(16), Written: true, Result: "HTTP 200 code 0"}}

	out := map[bridge.ResultState]bridge.Result{}
	add := func(state bridge.ResultState, r bridge.Result, change func(*bridge.Result)) {
		r.State = state
		change(&r)
		out[state] = r
	}
	add(bridge.ResultSent, broadcast, func(r *bridge.Result) {
		r.ProviderID, r.MessageID, r.HTTPStatus, r.Message = "B-1", "M-1", 200, "accepted (HTTP 200 code 0)"
		r.Code = new(0)
		r.Cuts = []mapping.Cut{{Field: "notification.title", Was: 61, Limit: 50}}
	})
	add(bridge.ResultRejected, broadcast, func(r *bridge.Result) {
		r.HTTPStatus, r.Code, r.Message = 400, new(1005), "refused (HTTP 400 code 1005)"
		r.Attempts = []bridge.Attempt{{Host: "https://api.example.com", At: at(16), Written: true, Result: "HTTP 400 code 1005"}}
	})
	add(bridge.ResultInDoubt, broadcast, func(r *bridge.Result) {
		r.Message = "the connection ended before an answer came"
		r.Attempts = []bridge.Attempt{{Host: "https://api.example.com", At: at(16), Written: true, Result: "EOF"}}
	})
	add(bridge.ResultNotSent, broadcast, func(r *bridge.Result) {
		r.Message = "no connection"
		r.Attempts = []bridge.Attempt{
			{Host: "https://api.example.com", At: at(16), Result: "connection refused"},
			{Host: "https://api-b.example.com", At: at(16), Result: "connection refused"},
		}
	})
	add(bridge.ResultThrottled, broadcast, func(r *bridge.Result) {
		r.HTTPStatus, r.Code, r.Message = 429, new(1008), "the provider allows no send for now"
		r.Attempts = []bridge.Attempt{{Host: "https://api.example.com", At: at(16), Written: true, Result: "HTTP 429 code 1008"}}
	})
	add(bridge.ResultDryRun, broadcast, func(r *bridge.Result) {
		r.App, r.Message, r.Attempts = "campus~dry", "dry run: nothing was sent", nil
	})
	for _, state := range []bridge.ResultState{bridge.ResultExpired, bridge.ResultMuted, bridge.ResultOverflowed} {
		add(state, digest, func(r *bridge.Result) {
			r.Events, r.Items, r.EventIDsLeftOut, r.Reason = 1200, 1200, 1197, "waits for a send: none is left before 07:41"
		})
	}
	add(bridge.ResultCancelled, digest, func(r *bridge.Result) { r.Items, r.Events, r.EventIDs = 1, 1, r.EventIDs[:1] })
	add(bridge.ResultWillMiss, digest, func(r *bridge.Result) {
		r.Reason = "the next send is free at 07:56, and its first item expires at 07:30 UTC"
	})
	app := bridge.Result{App: "campus", Times: bridge.ResultTimes{Reported: at(17)}}
	add(bridge.ResultBlocked, app, func(r *bridge.Result) {
		r.HTTPStatus, r.Code, r.Message, r.Attempts = 401, new(1001), "the App Key is unknown", broadcast.Attempts
	})
	add(bridge.ResultGap, app, func(r *bridge.Result) {
		r.Gap = &bridge.Gap{Stream: "SCHOOL", From: 41, To: 97, Why: "truncated", At: at(17)}
		r.Message = r.Gap.Why
	})
	add(bridge.ResultQuotaLow, app, func(r *bridge.Result) {
		r.Quota, r.Message = usage, "1 of 3 sends of the day left; the first comes back at 3 Nov 07:40 UTC"
	})
	return out
}
