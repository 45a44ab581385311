package forecast

import (
	"math"
	"slices"
	"time"
)

// What a forecast may grow to: a full one encodes to less than 80 KiB of JSON
// and compresses well; one of a handful of keys takes some 10 KiB.
const (
	maxKeys     = 32 // of audience and template together
	maxRows     = 32 // of key and priority, in one day
	maxWeekdays = 20
	maxWeekends = 8
	rowBytes    = 2 + PerDay
)

// Arrivals are counted by half hours.
const (
	Slot   = 30 * time.Minute
	PerDay = 48 // slots
)

// Forecast is what was learnt so far. The zero value has learnt nothing. It
// belongs to one goroutine; what reads it may do so at any time between two
// observations.
type Forecast struct {
	Keys   []string `json:"keys,omitempty"`
	Today  *Day     `json:"today,omitempty"`
	Rows   []Row    `json:"rows,omitempty"`   // of today
	Days   []Day    `json:"days,omitempty"`   // complete ones, oldest first
	Recent []Recent `json:"recent,omitempty"` // of the last half hour

	Version uint64 `json:"version,omitempty"` // one more with every complete day
	First   int    `json:"first,omitempty"`   // slot of today's first arrival, from 1
}

// Day is one day's arrivals.
type Day struct {
	Number  int    `json:"number"`            // since 1 January 1970, in the zone of the arrivals
	Partial bool   `json:"partial,omitempty"` // watching began in the course of it, with its first arrival
	Counts  []byte `json:"counts,omitempty"`  // rows of key, priority and 48 rounded counts
}

// Row counts today's arrivals of one key and priority by half hour.
type Row struct {
	Key      int            `json:"key"` // index into Keys
	Priority int            `json:"priority"`
	Counts   [PerDay]uint32 `json:"counts"`
}

// Recent is a count that fades: an arrival half an hour ago counts 1/e.
type Recent struct {
	Key      int       `json:"key"`
	Priority int       `json:"priority"`
	Count    float64   `json:"count"`
	At       time.Time `json:"at"`
}

const fadesIn = 30 * time.Minute

// Observe takes in one item that has arrived and replaces none. Where streams
// are read side by side, one may be days behind another: its items count for
// the day on which they arrived, if that is still remembered.
func (f *Forecast) Observe(arrived time.Time, key string, priority int) {
	f.turn(arrived)
	k := f.key(key)
	if k < 0 || priority < 0 || priority > 255 {
		return
	}
	if number := dayNumber(arrived); number < f.Today.Number {
		f.observeLate(number, slotOf(arrived), byte(k), byte(priority))
		if f.recent(k, priority) >= 0 {
			f.echo(arrived, k, priority)
		}
		return
	}
	i := slices.IndexFunc(f.Rows, func(r Row) bool { return r.Key == k && r.Priority == priority })
	if i < 0 {
		if len(f.Rows) >= maxRows {
			return
		}
		f.Rows = append(f.Rows, Row{Key: k, Priority: priority})
		i = len(f.Rows) - 1
	}
	if f.First == 0 {
		f.First = slotOf(arrived) + 1
	}
	f.Rows[i].Counts[slotOf(arrived)]++
	f.echo(arrived, k, priority)
}

// observeLate counts an item for a day that is over. What was rounded can't
// be counted on exactly: beyond some 46 items in a half hour it stays.
func (f *Forecast) observeLate(number, slot int, key, priority byte) {
	i := slices.IndexFunc(f.Days, func(d Day) bool { return d.Number == number })
	if i < 0 {
		return
	}
	d := &f.Days[i]
	f.Version++
	for row := range slices.Chunk(d.Counts, rowBytes) {
		if row[0] == key && row[1] == priority {
			n := &row[2+slot]
			*n = squeeze(unsqueeze(*n) + 1)
			return
		}
	}
	if len(d.Counts) < maxRows*rowBytes {
		row := make([]byte, rowBytes)
		row[0], row[1], row[2+slot] = key, priority, 1
		d.Counts = append(d.Counts, row...)
	}
}

// Forget takes back one of today's items: what is cancelled soon is not worth
// waiting for. Of an earlier day it is left as it was.
func (f *Forecast) Forget(arrived time.Time, key string, priority int) {
	k := slices.Index(f.Keys, key)
	if k < 0 || f.Today == nil || f.Today.Number != dayNumber(arrived) {
		return
	}
	for i := range f.Rows {
		if r := &f.Rows[i]; r.Key == k && r.Priority == priority && r.Counts[slotOf(arrived)] > 0 {
			r.Counts[slotOf(arrived)]--
		}
	}
	if i := f.recent(k, priority); i >= 0 {
		r := &f.Recent[i]
		r.Count = rounded(max(0, r.Count-math.Exp(-float64(max(0, r.At.Sub(arrived)))/float64(fadesIn))))
	}
}

// recent is the index of a key and priority among the recent ones, or -1.
func (f *Forecast) recent(k, priority int) int {
	return slices.IndexFunc(f.Recent, func(r Recent) bool { return r.Key == k && r.Priority == priority })
}

func (f *Forecast) echo(arrived time.Time, k, priority int) {
	i := f.recent(k, priority)
	if i < 0 {
		f.Recent = append(f.Recent, Recent{Key: k, Priority: priority, At: arrived.UTC()})
		i = len(f.Recent) - 1
	}
	r := &f.Recent[i]
	if late := r.At.Sub(arrived); late > 0 {
		r.Count = rounded(r.Count + math.Exp(-float64(late)/float64(fadesIn)))
		return
	}
	r.Count = rounded(r.faded(arrived) + 1)
	r.At = arrived.UTC()
}

func (r Recent) faded(now time.Time) float64 {
	age := max(0, now.Sub(r.At))
	return r.Count * math.Exp(-float64(age)/float64(fadesIn))
}

// rounded keeps the state short.
func rounded(v float64) float64 { return math.Round(v*100) / 100 }

// key returns the index of a key, a new one if there is room, or -1.
func (f *Forecast) key(key string) int {
	if i := slices.Index(f.Keys, key); i >= 0 {
		return i
	}
	if len(f.Keys) >= maxKeys {
		return -1
	}
	f.Keys = append(f.Keys, key)
	return len(f.Keys) - 1
}

// turn closes the day when another one has begun. Days in between, on which
// nothing arrived, are days too.
func (f *Forecast) turn(now time.Time) {
	number := dayNumber(now)
	if f.Today == nil {
		f.Today = &Day{Number: number, Partial: slotOf(now) > 0}
		return
	}
	if number <= f.Today.Number {
		return
	}
	today := *f.Today
	today.Counts = pack(f.Rows)
	f.Days = append(f.Days, today)
	first := max(today.Number+1, number-2*(maxWeekdays+maxWeekends))
	for n := first; n < number; n++ {
		f.Days = append(f.Days, Day{Number: n})
	}
	f.Today, f.Rows, f.First = &Day{Number: number}, nil, 0
	f.Recent = slices.DeleteFunc(f.Recent, func(r Recent) bool { return r.faded(now) < 0.05 })
	f.forget()
	f.Version++
}

// Correct takes back days that have not come yet: an item said that it has
// arrived later than tomorrow, as after an error of a clock. What was learnt stays,
// as far as those days have not displaced it.
func (f *Forecast) Correct(now time.Time) {
	number := dayNumber(now)
	if f.Today == nil || f.Today.Number <= number+1 {
		return
	}
	f.Days = slices.DeleteFunc(f.Days, func(d Day) bool { return d.Number > number })
	f.Today, f.Rows, f.First, f.Recent = &Day{Number: number}, nil, 0, nil
	if last := len(f.Days) - 1; last >= 0 && f.Days[last].Number == number {
		today := f.Days[last]
		f.Days = f.Days[:last]
		f.Today.Partial, f.Rows = today.Partial, unpackRows(today.Counts)
		if first := (&Day{Partial: true, Counts: today.Counts}).first(); first < PerDay {
			f.First = first + 1
		}
	}
	f.Version++
}

// by is the forecast as of now: a day that is over is complete, although no
// arrival has closed it yet.
func (f *Forecast) by(now time.Time) *Forecast {
	if f.Today == nil || dayNumber(now) <= f.Today.Number {
		return f
	}
	turned := *f
	turned.Days, turned.Recent = slices.Clip(f.Days), slices.Clone(f.Recent)
	turned.turn(now)
	return &turned
}

// forget drops the days beyond the bound and the keys that no day has.
func (f *Forecast) forget() {
	room := map[bool]int{false: maxWeekdays, true: maxWeekends}
	kept := make([]Day, 0, len(f.Days))
	for _, d := range slices.Backward(f.Days) {
		if room[d.weekend()] > 0 {
			room[d.weekend()]--
			kept = append(kept, d)
		}
	}
	slices.Reverse(kept)
	f.Days = kept
	f.renumber()
}

// renumber gives the keys still in use the indices from 0 on.
func (f *Forecast) renumber() {
	used := make([]bool, len(f.Keys))
	for _, d := range f.Days {
		for c := range slices.Chunk(d.Counts, rowBytes) {
			used[c[0]] = true
		}
	}
	for _, r := range f.Recent {
		used[r.Key] = true
	}
	if !slices.Contains(used, false) {
		return
	}
	index, keys := make([]int, len(f.Keys)), make([]string, 0, len(f.Keys))
	for i, key := range f.Keys {
		if index[i] = len(keys); used[i] {
			keys = append(keys, key)
		}
	}
	for i, d := range f.Days {
		f.Days[i].Counts = slices.Clone(d.Counts)
		for c := range slices.Chunk(f.Days[i].Counts, rowBytes) {
			c[0] = byte(index[c[0]])
		}
	}
	for i := range f.Recent {
		f.Recent[i].Key = index[f.Recent[i].Key]
	}
	f.Keys = keys
}

// dayNumber counts the days since 1970 on the calendar that t carries.
func dayNumber(t time.Time) int {
	y, m, d := t.Date()
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// slotOf is the half hour of the day that t's clock shows.
func slotOf(t time.Time) int { return 2*t.Hour() + t.Minute()/30 }

// watched is the share of the day that was watched.
func (d *Day) watched() float64 { return 1 - float64(d.first())/PerDay }

// first is the slot from which the day was watched: a partial one with its
// first arrival.
func (d *Day) first() int {
	if !d.Partial {
		return 0
	}
	first := PerDay
	for c := range slices.Chunk(d.Counts, rowBytes) {
		if i := slices.IndexFunc(c[2:], func(n byte) bool { return n > 0 }); i >= 0 {
			first = min(first, i)
		}
	}
	return first
}

// weekend reports whether the day is a Saturday or a Sunday. 1 January 1970 was a Thursday.
func (d Day) weekend() bool { return isWeekend(d.Number) }

func isWeekend(number int) bool {
	weekday := (number + int(time.Thursday)) % 7
	return weekday == int(time.Saturday) || weekday == int(time.Sunday)
}

// pack rounds counts to a byte each.
func pack(rows []Row) []byte {
	var out []byte
	for _, r := range rows {
		out = append(out, byte(r.Key), byte(r.Priority))
		for _, n := range r.Counts {
			out = append(out, squeeze(float64(n)))
		}
	}
	return out
}

// unpackRows is the inverse of pack, as exactly as the rounding allows.
func unpackRows(counts []byte) []Row {
	var rows []Row
	for c := range slices.Chunk(counts, rowBytes) {
		r := Row{Key: int(c[0]), Priority: int(c[1])}
		for slot, n := range c[2:] {
			r.Counts[slot] = uint32(math.Round(unsqueeze(n)))
		}
		rows = append(rows, r)
	}
	return rows
}

// squeeze is exact up to 31 and within 2.2 % beyond, up to half a million.
func squeeze(n float64) byte {
	if n < 32 {
		return byte(n)
	}
	return byte(min(255, 32+math.Round(16*math.Log2(n/32))))
}

func unsqueeze(b byte) float64 { return counts[b] }

// counts is what each byte stands for.
var counts = func() (of [256]float64) {
	for b := range of {
		if of[b] = float64(b); b >= 32 {
			of[b] = 32 * math.Exp2(float64(b-32)/16)
		}
	}
	return of
}()
