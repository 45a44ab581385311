package bridge

import "time"

// CommitTimes says how long the commits of an owner took, from packing the
// state until it was certain that it is stored, tries included that failed.
type CommitTimes struct {
	Count  uint64
	Sum    time.Duration
	within [11]uint64 // how many took no longer than each of commitBounds
}

// commitBounds go from a server on the same machine to one that was away.
func commitBounds() [11]time.Duration {
	const ms = time.Millisecond
	return [...]time.Duration{5 * ms, 10 * ms, 25 * ms, 50 * ms, 100 * ms, 250 * ms, 500 * ms, 1000 * ms, 2500 * ms, 5000 * ms, 10000 * ms}
}

// Add counts one commit.
func (c *CommitTimes) Add(took time.Duration) {
	c.Count++
	c.Sum += took
	for i, bound := range commitBounds() {
		if took <= bound {
			c.within[i]++
		}
	}
}

// Within is how many took no longer than a bound, in seconds.
func (c *CommitTimes) Within() map[float64]uint64 {
	out := map[float64]uint64{}
	for i, bound := range commitBounds() {
		out[bound.Seconds()] = c.within[i]
	}
	return out
}
