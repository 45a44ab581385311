package forecast

import (
	"math"
	"slices"
	"time"
)

// Ahead is how many slots an outlook covers, from the midnight before now.
const Ahead = 100

// Outlook is what may come: days like this one, replayed.
type Outlook struct {
	Paths []Path // their weights add up to 1
}

// Path is one way that today and tomorrow may go.
type Path struct {
	Weight float64
	Rows   []PathRow
}

// PathRow is what arrives on a path, of one key and priority.
type PathRow struct {
	Key      string
	Priority int
	Counts   [Ahead]float64 // arrivals in each slot from the midnight before now on
}

const (
	// fadeDays is the age at which a day weighs 1/e.
	fadeDays = 40
	// knownAfter is how many complete days of today's kind make the prior superfluous.
	knownAfter = 3
	// priorWeight is what the prior weighs beside remembered days, the less the more
	// of them there are.
	priorWeight = 0.6
	// hush is how much silence makes it likelier that no more come today: silence for as long
	// as something has come before by two to its power.
	hush = 4
	// firstOfAll is how much likelier it is of an app's very first slot with arrivals, in it and
	// in the next, that they were all than that things go on: what somebody tries first would
	// wait for hours.
	firstOfAll = 6
	// cautious is how many slots the prior adds to those in which something has come today.
	cautious = 3
	// otherKind is what a day of the other kind weighs while few of today's are known,
	// if today has gone like it so far.
	otherKind = 0.3
	// bursty is how much more than independent arrivals the counts of days vary,
	// and varied by which share of themselves besides.
	bursty, varied = 4, 0.5
	// The waking hours, in slots: the prior expects nothing at night.
	wakes, sleeps = 14, 44
)

// Outlook replays the remembered days that are like today, each continued
// with the day that followed it. Paths are in the order of the days; while
// few are known, the last two are the prior: more comes, or nothing.
func (f *Forecast) Outlook(now time.Time) Outlook {
	f = f.by(now)
	var out Outlook
	today, total := dayNumber(now), 0.0
	learning := f.Learning(now)
	for i := range f.Days {
		day := &f.Days[i]
		w := math.Exp(-float64(max(0, today-day.Number)) / fadeDays)
		switch {
		case day.Number >= today || (day.Partial && !learning):
			continue
		case day.weekend() != isWeekend(today) && learning:
			w *= otherKind * f.likeness(day, now)
		case day.weekend() != isWeekend(today):
			continue
		}
		w *= day.watched()
		next := f.after(i, isWeekend(today+1))
		out.Paths = append(out.Paths, Path{Weight: w, Rows: f.join(day, next)})
		total += w
	}
	if w := priorWeight * (1 - total/knownAfter); learning && w > 0 {
		over := f.over(now, total == 0)
		out.Paths = append(out.Paths, Path{Weight: w * (1 - over), Rows: f.prior(now)}, Path{Weight: w * over})
		total += w
	}
	for i := range out.Paths {
		out.Paths[i].Weight /= total
	}
	return out
}

// over is how likely it is by the prior that no more comes today, from 0 to 1: the
// likelier, the fewer have come and the longer ago.
func (f *Forecast) over(now time.Time, first bool) float64 {
	lasted, silent := f.heard(now)
	odds := 0.0
	switch {
	case lasted == 1 && silent == 0 && first:
		odds = firstOfAll
	case lasted > 0:
		odds = math.Pow(1+float64(silent)/float64(cautious+lasted), hush) / f.arrived(0, PerDay)
	}
	return odds / (1 + odds)
}

// heard returns for how many slots something has come today, from the first with
// arrivals to the last, and how many whole ones have passed in silence since.
func (f *Forecast) heard(now time.Time) (lasted, silent int) {
	first, last := PerDay, -1
	for slot := range slotOf(now) + 1 {
		if f.arrived(slot, slot+1) > 0 {
			first, last = min(first, slot), slot
		}
	}
	if last < 0 {
		return 0, 0
	}
	return last - first + 1, max(0, slotOf(now)-last-1)
}

// arrived counts today's arrivals in the slots from one to before another.
func (f *Forecast) arrived(from, to int) (n float64) {
	for i := range f.Rows {
		for slot := from; slot < to; slot++ {
			n += float64(f.Rows[i].Counts[slot])
		}
	}
	return n
}

// Learning reports whether the outlook still leans on what arrived today, and
// so changes in the course of the day: until a few whole days of its kind are known.
func (f *Forecast) Learning(now time.Time) bool {
	f = f.by(now)
	n, today := 0, dayNumber(now)
	for _, d := range f.Days {
		if d.Number < today && !d.Partial && d.weekend() == isWeekend(today) {
			n++
		}
	}
	return n < knownAfter
}

// likeness is 1 if as much has arrived today as on another day until the same
// hour, and the less the more they differ. Of a day that was watched in part
// only that part is compared.
func (f *Forecast) likeness(d *Day, now time.Time) float64 {
	from, to := d.first(), slotOf(now)
	today, then := f.arrived(from, to), 0.0
	for c := range slices.Chunk(d.Counts, rowBytes) {
		for slot := from; slot < to; slot++ {
			then += unsqueeze(c[2+slot])
		}
	}
	// The root of a count of independent arrivals has a variance of a quarter;
	// of one that varies by a share of itself, the root varies by half that share.
	differ := math.Sqrt(today) - math.Sqrt(then)
	variance := bursty*0.5 + varied*varied*(today+then)/4
	return math.Exp(-differ * differ / (2 * variance))
}

// after returns the day that followed day i if it is of the wanted kind, else
// the latest remembered one that is, else day i itself.
func (f *Forecast) after(i int, weekend bool) *Day {
	if i+1 < len(f.Days) && f.Days[i+1].Number == f.Days[i].Number+1 && f.Days[i+1].weekend() == weekend {
		return &f.Days[i+1]
	}
	for j := len(f.Days) - 1; j >= 0; j-- {
		if f.Days[j].weekend() == weekend {
			return &f.Days[j]
		}
	}
	return &f.Days[i]
}

// join lays two days end to end.
func (f *Forecast) join(d, next *Day) []PathRow {
	var rows []PathRow
	lay := func(counts []byte, offset int) {
		for c := range slices.Chunk(counts, rowBytes) {
			key, priority := f.Keys[c[0]], int(c[1])
			i := slices.IndexFunc(rows, func(r PathRow) bool { return r.Key == key && r.Priority == priority })
			if i < 0 {
				i = len(rows)
				rows = append(rows, PathRow{Key: key, Priority: priority})
			}
			for k, n := range c[2:] {
				if k+offset < Ahead {
					rows[i].Counts[k+offset] += unsqueeze(n)
				}
			}
		}
	}
	lay(d.Counts, 0)
	lay(next.Counts, PerDay)
	lay(next.Counts, 2*PerDay)
	return rows
}

// prior expects that things go on through the waking hours as they have gone
// today so far. Some slots more than have passed are counted, so that the first
// arrivals of all do not look like a flood.
func (f *Forecast) prior(now time.Time) []PathRow {
	if f.Today == nil || f.Today.Number != dayNumber(now) || f.First == 0 {
		return nil
	}
	passed := float64(max(1, slotOf(now)-f.First+1) + cautious)
	rows := make([]PathRow, 0, len(f.Rows))
	for _, r := range f.Rows {
		row, sum := PathRow{Key: f.Keys[r.Key], Priority: r.Priority}, 0.0
		for _, n := range r.Counts {
			sum += float64(n)
		}
		for k := range row.Counts {
			if s := k % PerDay; s >= wakes && s < sleeps {
				row.Counts[k] = sum / passed
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// Burst is what a key's latest arrivals let expect beyond the usual.
type Burst struct {
	Key      string
	Priority int
	PerHour  float64 // arrivals an hour beyond the usual, now
	Lasts    float64 // the share that remains an hour later, 0 to 1
}

// Bursts lists the keys of which more has arrived in the last half hour than
// usual, where such a surplus has gone on before.
func (f *Forecast) Bursts(now time.Time) []Burst {
	f = f.by(now)
	var out []Burst
	for _, r := range f.Recent {
		rate := r.faded(now) / fadesIn.Hours()
		if rate < 0.05 {
			continue
		}
		usual, lasts := f.habit(r.Key, r.Priority, slotOf(now))
		if rate > usual && lasts > 0 {
			out = append(out, Burst{Key: f.Keys[r.Key], Priority: r.Priority, PerHour: rate - usual, Lasts: lasts})
		}
	}
	return out
}

// habit returns how many arrivals a key usually has in an hour at a time of
// day, and which share of a surplus is left an hour later, read off how much
// of one the following half hour had on the days remembered.
func (f *Forecast) habit(key, priority, slot int) (usual, lasts float64) {
	if len(f.Days) == 0 {
		return 0, 0
	}
	var mean [PerDay]float64
	var days [][]byte
	for _, d := range f.Days {
		for c := range slices.Chunk(d.Counts, rowBytes) {
			if int(c[0]) == key && int(c[1]) == priority {
				days = append(days, c[2:])
				for k, n := range c[2:] {
					mean[k] += unsqueeze(n) / float64(len(f.Days))
				}
			}
		}
	}
	both, alone := 0.0, 4.0 // a prior of a surplus of two that did not go on
	for _, day := range days {
		for k := range PerDay - 1 {
			now, then := unsqueeze(day[k])-mean[k], unsqueeze(day[k+1])-mean[k+1]
			if now > 0 {
				both += now * then
				alone += now * now
			}
		}
	}
	share := min(0.9, max(0, both/alone))
	return 2 * mean[slot], share * share
}
