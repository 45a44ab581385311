// Package workload makes up histories for judging the planner: eighteen kinds
// of town, each a handful of streams with their habits and bursts, reproducible
// from a seed.
//
// A third of the workloads was looked at while the planner was built. Another was
// kept aside, and measured so often that it has been seen, too. The last was made
// up when the planner was finished: nothing was chosen by its scores.
package workload

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// Stream is one kind of event. Its arrivals come in clusters: a cluster
// begins at random, as often as Starts says, and its items spread after it.
type Stream struct {
	Audience, Template string
	Priority           mapping.Priority
	AtMost, Expires    time.Duration
	Starts             func(day time.Weekday, hour int) float64 // clusters an hour
	Size               float64                                  // mean items of a cluster, 1 for none
	Spread             time.Duration                            // mean delay of an item after its cluster began
}

// Workload is a town.
type Workload struct {
	Name    string
	About   string
	Part    Part
	Streams []Stream
}

// Part says what a workload was used for.
type Part uint8

// The parts of the workloads.
const (
	LookedAt Part = iota // while building
	Aside                // measured with every version of the planner
	Fresh                // made up after the planner was finished: nothing was chosen by them
)

// Event is one arrival.
type Event struct {
	At     time.Time
	Stream *Stream
	Key    string
}

// Idle is the gathering window's idle time of every stream.
const Idle = 10 * time.Minute

// Generate makes up a history, in order of time. The same seed gives the same one.
func (w *Workload) Generate(seed uint64, from time.Time, days int) []Event {
	rng := rand.New(rand.NewPCG(seed, uint64(len(w.Name))*7919+uint64(w.Name[0])))
	var out []Event
	end := from.AddDate(0, 0, days)
	for hour := from; hour.Before(end); hour = hour.Add(time.Hour) {
		for i := range w.Streams {
			s := &w.Streams[i]
			for range poisson(rng, s.Starts(hour.Weekday(), hour.Hour())) {
				start := hour.Add(time.Duration(rng.Float64() * float64(time.Hour)))
				out = append(out, s.cluster(rng, start, end)...)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Event) int { return a.At.Compare(b.At) })
	for i := range out {
		out[i].Key = fmt.Sprintf("%s-%d", w.Name, i)
	}
	return out
}

func (s *Stream) cluster(rng *rand.Rand, start, end time.Time) []Event {
	out := []Event{{At: start.Truncate(time.Millisecond), Stream: s}}
	for range poisson(rng, s.Size-1) {
		at := start.Add(time.Duration(rng.ExpFloat64() * float64(s.Spread))).Truncate(time.Millisecond)
		if at.Before(end) {
			out = append(out, Event{At: at, Stream: s})
		}
	}
	return out
}

// poisson draws by counting, which is exact and fast enough for small means.
func poisson(rng *rand.Rand, mean float64) int {
	n := 0
	for limit, product := math.Exp(-min(mean, 500)), rng.Float64(); product > limit; n++ {
		product *= rng.Float64()
	}
	return n
}
