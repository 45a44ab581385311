package workload

import (
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

func ferries() Workload {
	return Workload{Name: "ferries", About: "delays that spread through the timetable, now and then a boat that does not sail", Part: Fresh, Streams: []Stream{
		stream("islanders", "delays", mapping.High, habit(6, 22, 0.1, 0.15)).clustered(3, 20*time.Minute),
		stream("islanders", "delays", mapping.Urgent, habit(6, 22, 0.02, 0.03)),
		stream("islanders", "timetable", mapping.Normal, habit(8, 17, 0.4, 0.1)),
		stream("visitors", "weather", mapping.Low, habit(5, 20, 0.6, 0.9)),
	}}
}

func clinic() Workload {
	return Workload{Name: "clinic", About: "appointments move all day, results come before noon, and someone is on call", Part: Fresh, Streams: []Stream{
		stream("patients", "appointments", mapping.Normal, habit(7, 18, 3, 0)),
		stream("patients", "results", mapping.High, habit(9, 12, 0.6, 0)),
		stream("doctors", "rota", mapping.Normal, habit(12, 20, 0.3, 0.3)),
		stream("doctors", "on-call", mapping.Urgent, habit(0, 24, 0.01, 0.01)),
	}}
}

func radio() Workload {
	return Workload{Name: "radio", About: "a programme, the news on the hour, and breaking news that keep breaking", Part: Fresh, Streams: []Stream{
		stream("listeners", "programme", mapping.Low, habit(6, 24, 0.5, 0.7)),
		stream("listeners", "news", mapping.Normal, habit(6, 23, 0.8, 0.4)),
		stream("listeners", "breaking", mapping.High, habit(6, 23, 0.04, 0.03)).clustered(4, 30*time.Minute),
	}}
}

func estate() Workload {
	w := Workload{Name: "housing estate", About: "works in three houses, and water or heating that fails for an evening", Part: Fresh}
	for _, house := range []string{"north", "south", "tower"} {
		w.Streams = append(w.Streams,
			stream(house, "works", mapping.Normal, habit(8, 17, 0.2, 0)),
			stream(house, "failures", mapping.High, habit(0, 24, 0.01, 0.01)).clustered(6, time.Hour),
			stream(house, "notices", mapping.Low, habit(9, 20, 0.2, 0.1)))
	}
	return w
}

// fairNights differ by weekday, which the planner does not know: to it, Friday
// is a weekday and Sunday a day of the weekend.
func fairNights() Workload {
	nights := func(day time.Weekday, hour int) float64 {
		if (day == time.Friday || day == time.Saturday) && hour >= 18 {
			return 1
		}
		return 0
	}
	scaled := func(by float64) func(time.Weekday, int) float64 {
		return func(day time.Weekday, hour int) float64 { return by * nights(day, hour) }
	}
	return Workload{Name: "fair nights", About: "stages and stalls on Friday and Saturday nights, little else", Part: Fresh, Streams: []Stream{
		stream("guests", "stages", mapping.High, scaled(0.7)).clustered(2, 15*time.Minute),
		stream("guests", "stalls", mapping.Normal, also(scaled(3), habit(10, 22, 0.2, 0.4))),
		stream("crew", "duties", mapping.Normal, habit(10, 22, 0.3, 0.5)),
	}}
}

func twoShifts() Workload {
	jobs := also(habit(6, 8, 1.2, 0.3), habit(8, 14, 0.5, 0.2), habit(14, 16, 1.2, 0.2), habit(16, 22, 0.4, 0.1))
	return Workload{Name: "two shifts", About: "a warehouse: jobs at the change of shifts, stock all day, faults at any time", Part: Fresh, Streams: []Stream{
		stream("drivers", "jobs", mapping.Normal, jobs).clustered(3, 15*time.Minute),
		stream("store", "stock", mapping.Low, habit(6, 22, 8, 2)),
		stream("store", "faults", mapping.High, habit(6, 22, 0.1, 0.04)).clustered(1.5, 20*time.Minute),
	}}
}
