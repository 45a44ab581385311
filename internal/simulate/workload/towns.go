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

// stream gives items the windows that an operator with three sends a day would
// choose: the less pressing, the longer they gather and the longer they live.
func stream(audience, template string, p mapping.Priority, starts func(time.Weekday, int) float64) Stream {
	s := Stream{Audience: audience, Template: template, Priority: p, Starts: starts, Size: 1}
	switch p {
	case mapping.Low:
		s.AtMost, s.Expires = 3*time.Hour, 24*time.Hour
	case mapping.Normal:
		s.AtMost, s.Expires = time.Hour, 12*time.Hour
	case mapping.High:
		s.AtMost, s.Expires = 15*time.Minute, 4*time.Hour
	case mapping.Urgent:
		s.AtMost, s.Expires = 30*time.Second, 2*time.Hour
	}
	return s
}

func (s Stream) clustered(size float64, spread time.Duration) Stream {
	s.Size, s.Spread = size, spread
	return s
}

// Towns lists all workloads, in the order of their parts.
func Towns() []Workload {
	return []Workload{
		steadyShop(), schoolBursts(), incidents(), lowFlood(), eveningGames(), twoRushes(),
		manyAudiences(), sparse(), urgentAfterQuota(), mixture(), weekendMarket(), nightShift(),
		ferries(), clinic(), radio(), estate(), fairNights(), twoShifts(),
	}
}

func steadyShop() Workload {
	return Workload{Name: "steady shop", About: "orders all day, now and then something sold out", Streams: []Stream{
		stream("staff", "orders", mapping.Normal, shop(5)),
		stream("staff", "catalogue", mapping.Low, shop(2)),
		stream("buyers", "sold-out", mapping.High, shop(0.15)),
	}}
}

func schoolBursts() Workload {
	lessons := also(habit(7, 8, 1.2, 0), habit(10, 11, 0.8, 0), habit(13, 14, 0.8, 0), habit(15, 16, 1, 0))
	return Workload{Name: "school bursts", About: "lessons change around the breaks, on weekdays", Streams: []Stream{
		stream("students", "lessons", mapping.High, lessons).clustered(4, 10*time.Minute),
		stream("students", "notices", mapping.Normal, habit(8, 17, 0.6, 0.05)),
		stream("teachers", "rooms", mapping.Normal, lessons).clustered(3, 20*time.Minute),
		stream("students", "lessons", mapping.Urgent, habit(7, 16, 0.04, 0)),
	}}
}

func incidents() Workload {
	return Workload{Name: "rare incidents", About: "a quiet trickle, and every third day a cluster of grave news", Streams: []Stream{
		stream("riders", "notices", mapping.Normal, habit(6, 22, 0.5, 0.3)),
		stream("riders", "works", mapping.Low, habit(6, 22, 0.8, 0.5)),
		stream("riders", "incidents", mapping.High, habit(0, 24, 0.014, 0.014)).clustered(12, 45*time.Minute),
		stream("riders", "incidents", mapping.Urgent, habit(0, 24, 0.008, 0.008)).clustered(2, 30*time.Minute),
	}}
}

func lowFlood() Workload {
	return Workload{Name: "low flood", About: "hundreds of small things a day, and a few that matter", Streams: []Stream{
		stream("all", "likes", mapping.Low, shop(45)),
		stream("all", "orders", mapping.Normal, shop(1)),
		stream("all", "alerts", mapping.High, shop(0.25)).clustered(3, 15*time.Minute),
	}}
}

func eveningGames() Workload {
	return Workload{Name: "evening games", About: "matches in the evening, much talk around them", Streams: []Stream{
		stream("fans", "goals", mapping.High, habit(19, 22, 0.5, 0.8)).clustered(5, 25*time.Minute),
		stream("fans", "news", mapping.Normal, habit(7, 23, 0.7, 1)),
		stream("club", "tickets", mapping.Normal, habit(9, 18, 0.8, 0.3)),
	}}
}

func twoRushes() Workload {
	rush := also(habit(7, 9, 1.5, 0.3), habit(16, 19, 1.2, 0.4))
	return Workload{Name: "two rushes", About: "commuters in the morning and in the late afternoon", Streams: []Stream{
		stream("north", "delays", mapping.High, rush).clustered(2, 15*time.Minute),
		stream("south", "delays", mapping.High, rush).clustered(2, 15*time.Minute),
		stream("north", "notices", mapping.Normal, habit(6, 22, 0.5, 0.3)),
		stream("north", "delays", mapping.Urgent, habit(6, 20, 0.02, 0.01)),
	}}
}

func manyAudiences() Workload {
	w := Workload{Name: "many audiences", About: "eight districts compete for the same three sends", Part: Aside}
	for i, name := range []string{"east", "west", "port", "hill", "mill", "park", "quay", "dome"} {
		busy := 9 + i
		w.Streams = append(w.Streams,
			stream(name, "news", mapping.Normal, also(habit(8, 20, 0.35, 0.2), habit(busy, busy+2, 1.5, 0.8))),
			stream(name, "alarms", mapping.High, habit(7, 22, 0.02, 0.02)).clustered(2, 20*time.Minute))
	}
	return w
}

func sparse() Workload {
	return Workload{Name: "sparse", About: "two or three things a day, any of which could be the last", Part: Aside, Streams: []Stream{
		stream("members", "news", mapping.Normal, habit(8, 20, 0.12, 0.06)),
		stream("members", "calls", mapping.High, habit(8, 22, 0.06, 0.04)),
		stream("board", "minutes", mapping.Low, habit(9, 17, 0.1, 0)),
	}}
}

func urgentAfterQuota() Workload {
	return Workload{Name: "urgent late", About: "busy mornings, and urgent news in the evening when careless senders have nothing left", Part: Aside, Streams: []Stream{
		stream("town", "market", mapping.Normal, habit(6, 13, 4, 4)),
		stream("town", "notices", mapping.Low, habit(6, 20, 2, 2)),
		stream("town", "warnings", mapping.Urgent, habit(17, 22, 0.16, 0.16)).clustered(1.5, 20*time.Minute),
	}}
}

func mixture() Workload {
	w := Workload{Name: "mixture", About: "a shop, a school and a railway share one key", Part: Aside}
	for _, part := range []Workload{steadyShop(), schoolBursts(), incidents()} {
		w.Streams = append(w.Streams, part.Streams...)
	}
	return w
}

func weekendMarket() Workload {
	return Workload{Name: "weekend market", About: "little during the week, crowds on Saturday and Sunday", Part: Aside, Streams: []Stream{
		stream("visitors", "stalls", mapping.Normal, habit(8, 15, 0.3, 8)),
		stream("visitors", "shows", mapping.High, habit(10, 18, 0.02, 0.5)).clustered(3, 10*time.Minute),
		stream("traders", "places", mapping.Normal, habit(6, 20, 0.5, 0.5)),
	}}
}

func nightShift() Workload {
	night := also(habit(21, 24, 0.8, 0.8), habit(0, 4, 1.1, 1.1))
	return Workload{Name: "night shift", About: "everything happens around midnight, when the quota's day turns", Part: Aside, Streams: []Stream{
		stream("crew", "jobs", mapping.Normal, night).clustered(2, 20*time.Minute),
		stream("crew", "faults", mapping.High, night).clustered(1.5, 10*time.Minute),
		stream("crew", "stops", mapping.Urgent, habit(0, 24, 0.02, 0.02)),
	}}
}
