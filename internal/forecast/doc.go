// Package forecast remembers what usually arrives when, in some KiB that are
// part of an app's durable state.
//
// It keeps whole days instead of averages: for each of the last twenty weekdays
// and eight weekend days, how many items arrived in each half hour, per key and
// priority. A day replayed has its bursts where an average has a smear, and a
// planner that must decide whether to wait can ask what waiting would have
// come to on each of those days. Older days weigh less. Weekdays are expected
// to be like weekdays, weekend days like weekend days.
//
// Bursts announce themselves: what arrived in the last half hour beyond the
// usual is expected to echo, in as far as it did on the days remembered.
//
// On the first three days of a kind little is known. The day on which watching
// began stands in for a whole one, by the share of it that was seen. Days of
// the other kind count for less, and hardly at all once today has gone
// otherwise. The stated prior, which beside one remembered day weighs two fifths
// of it and beside three nothing, is that things go on through the waking hours,
// 7 to 22, as they have gone today so far; or that nothing more comes, which is
// the likelier the less has come.
//
// The hours are those of the location that the arrival times carry: pass times
// in the zone whose days the app lives by. Only items that matched a rule are
// to be observed, so an event that matches nothing costs nothing.
package forecast
