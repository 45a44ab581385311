package workload

import (
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// habit is how often something begins: so many times an hour between two
// hours of the day, on weekdays and on weekends.
func habit(from, to int, weekday, weekend float64) func(time.Weekday, int) float64 {
	return func(day time.Weekday, hour int) float64 {
		if hour < from || hour >= to {
			return 0
		}
		if day == time.Saturday || day == time.Sunday {
			return weekend
		}
		return weekday
	}
}

// also adds habits up.
func also(habits ...func(time.Weekday, int) float64) func(time.Weekday, int) float64 {
	return func(day time.Weekday, hour int) float64 {
		sum := 0.0
		for _, h := range habits {
			sum += h(day, hour)
		}
		return sum
	}
}

// shop is a day with a morning, a busy afternoon and an evening.
func shop(scale float64) func(time.Weekday, int) float64 {
	return also(habit(8, 12, 0.7*scale, 0.5*scale), habit(12, 18, scale, 1.2*scale), habit(18, 22, 0.6*scale, 0.8*scale))
}

func stream(audience, template string, p mapping.Priority, expires time.Duration, starts func(time.Weekday, int) float64) Stream {
	atMost := 15 * time.Minute
	if p == mapping.Urgent {
		atMost = 30 * time.Second
	}
	return Stream{Audience: audience, Template: template, Priority: p, AtMost: atMost, Expires: expires, Starts: starts, Size: 1}
}

func (s Stream) clustered(size float64, spread time.Duration) Stream {
	s.Size, s.Spread = size, spread
	return s
}

// Towns lists all workloads. Those kept aside come last.
func Towns() []Workload {
	return []Workload{
		steadyShop(), schoolBursts(), incidents(), lowFlood(), eveningGames(), twoRushes(),
		manyAudiences(), sparse(), urgentAfterQuota(), mixture(), weekendMarket(), nightShift(),
	}
}

func steadyShop() Workload {
	return Workload{Name: "steady shop", About: "orders all day, now and then something sold out", Streams: []Stream{
		stream("staff", "orders", mapping.Normal, 6*time.Hour, shop(5)),
		stream("staff", "catalogue", mapping.Low, 12*time.Hour, shop(2)),
		stream("buyers", "sold-out", mapping.High, 3*time.Hour, shop(0.15)),
	}}
}

func schoolBursts() Workload {
	lessons := also(habit(7, 8, 1.2, 0), habit(10, 11, 0.8, 0), habit(13, 14, 0.8, 0), habit(15, 16, 1, 0))
	return Workload{Name: "school bursts", About: "lessons change around the breaks, on weekdays", Streams: []Stream{
		stream("students", "lessons", mapping.High, 2*time.Hour, lessons).clustered(4, 10*time.Minute),
		stream("students", "notices", mapping.Normal, 8*time.Hour, habit(8, 17, 0.6, 0.05)),
		stream("teachers", "rooms", mapping.Normal, 4*time.Hour, lessons).clustered(3, 20*time.Minute),
		stream("students", "lessons", mapping.Urgent, 2*time.Hour, habit(7, 16, 0.04, 0)),
	}}
}

func incidents() Workload {
	return Workload{Name: "rare incidents", About: "a quiet trickle, and every third day a cluster of grave news", Streams: []Stream{
		stream("riders", "notices", mapping.Normal, 6*time.Hour, habit(6, 22, 0.5, 0.3)),
		stream("riders", "works", mapping.Low, 12*time.Hour, habit(6, 22, 0.8, 0.5)),
		stream("riders", "incidents", mapping.High, 2*time.Hour, habit(0, 24, 0.014, 0.014)).clustered(12, 45*time.Minute),
		stream("riders", "incidents", mapping.Urgent, time.Hour, habit(0, 24, 0.008, 0.008)).clustered(2, 30*time.Minute),
	}}
}

func lowFlood() Workload {
	return Workload{Name: "low flood", About: "hundreds of small things a day, and a few that matter", Streams: []Stream{
		stream("all", "likes", mapping.Low, 4*time.Hour, shop(45)),
		stream("all", "orders", mapping.Normal, 4*time.Hour, shop(1)),
		stream("all", "alerts", mapping.High, 2*time.Hour, shop(0.25)).clustered(3, 15*time.Minute),
	}}
}

func eveningGames() Workload {
	return Workload{Name: "evening games", About: "matches in the evening, much talk around them", Streams: []Stream{
		stream("fans", "goals", mapping.High, 90*time.Minute, habit(19, 22, 0.5, 0.8)).clustered(5, 25*time.Minute),
		stream("fans", "news", mapping.Normal, 8*time.Hour, habit(7, 23, 0.7, 1)),
		stream("club", "tickets", mapping.Normal, 6*time.Hour, habit(9, 18, 0.8, 0.3)),
	}}
}

func twoRushes() Workload {
	rush := also(habit(7, 9, 1.5, 0.3), habit(16, 19, 1.2, 0.4))
	return Workload{Name: "two rushes", About: "commuters in the morning and in the late afternoon", Streams: []Stream{
		stream("north", "delays", mapping.High, 90*time.Minute, rush).clustered(2, 15*time.Minute),
		stream("south", "delays", mapping.High, 90*time.Minute, rush).clustered(2, 15*time.Minute),
		stream("north", "notices", mapping.Normal, 6*time.Hour, habit(6, 22, 0.5, 0.3)),
		stream("north", "delays", mapping.Urgent, time.Hour, habit(6, 20, 0.02, 0.01)),
	}}
}

func manyAudiences() Workload {
	w := Workload{Name: "many audiences", About: "eight districts compete for the same three sends", Aside: true}
	for i, name := range []string{"east", "west", "port", "hill", "mill", "park", "quay", "dome"} {
		busy := 9 + i
		w.Streams = append(w.Streams,
			stream(name, "news", mapping.Normal, 5*time.Hour, also(habit(8, 20, 0.35, 0.2), habit(busy, busy+2, 1.5, 0.8))),
			stream(name, "alarms", mapping.High, 2*time.Hour, habit(7, 22, 0.02, 0.02)).clustered(2, 20*time.Minute))
	}
	return w
}

func sparse() Workload {
	return Workload{Name: "sparse", About: "two or three things a day, any of which could be the last", Aside: true, Streams: []Stream{
		stream("members", "news", mapping.Normal, 8*time.Hour, habit(8, 20, 0.12, 0.06)),
		stream("members", "calls", mapping.High, 3*time.Hour, habit(8, 22, 0.06, 0.04)),
		stream("board", "minutes", mapping.Low, 24*time.Hour, habit(9, 17, 0.1, 0)),
	}}
}

func urgentAfterQuota() Workload {
	return Workload{Name: "urgent late", About: "busy mornings, and urgent news in the evening when careless senders have nothing left", Aside: true, Streams: []Stream{
		stream("town", "market", mapping.Normal, 5*time.Hour, habit(6, 13, 4, 4)),
		stream("town", "notices", mapping.Low, 10*time.Hour, habit(6, 20, 2, 2)),
		stream("town", "warnings", mapping.Urgent, 2*time.Hour, habit(17, 22, 0.16, 0.16)).clustered(1.5, 20*time.Minute),
	}}
}

func mixture() Workload {
	w := Workload{Name: "mixture", About: "a shop, a school and a railway share one key", Aside: true}
	for _, part := range []Workload{steadyShop(), schoolBursts(), incidents()} {
		w.Streams = append(w.Streams, part.Streams...)
	}
	return w
}

func weekendMarket() Workload {
	return Workload{Name: "weekend market", About: "little during the week, crowds on Saturday and Sunday", Aside: true, Streams: []Stream{
		stream("visitors", "stalls", mapping.Normal, 3*time.Hour, habit(8, 15, 0.3, 8)),
		stream("visitors", "shows", mapping.High, 2*time.Hour, habit(10, 18, 0.02, 0.5)).clustered(3, 10*time.Minute),
		stream("traders", "places", mapping.Normal, 10*time.Hour, habit(6, 20, 0.5, 0.5)),
	}}
}

func nightShift() Workload {
	night := also(habit(21, 24, 0.8, 0.8), habit(0, 4, 1.1, 1.1))
	return Workload{Name: "night shift", About: "everything happens around midnight, when the quota's day turns", Aside: true, Streams: []Stream{
		stream("crew", "jobs", mapping.Normal, 4*time.Hour, night).clustered(2, 20*time.Minute),
		stream("crew", "faults", mapping.High, 2*time.Hour, night).clustered(1.5, 10*time.Minute),
		stream("crew", "stops", mapping.Urgent, time.Hour, habit(0, 24, 0.02, 0.02)),
	}}
}
