package forecast

import (
	"math"
	"time"
)

// Ahead is how many hours an outlook covers, from the beginning of the hour
// that it was asked in.
const Ahead = 36

// Outlook is what may come: days like this one, replayed from this hour on.
type Outlook struct {
	From  time.Time // the full hour at or before now
	Paths []Path    // their weights add up to 1
}

// Path is one way that the coming hours may go.
type Path struct {
	Weight float64
	Rows   []PathRow
}

// PathRow is what arrives on a path, of one key and priority.
type PathRow struct {
	Key      string
	Priority int
	Hours    [Ahead]float64 // arrivals in each hour from Outlook.From on
}

// fadeDays is the age at which a day weighs 1/e.
const fadeDays = 14

// Outlook replays the remembered days that are like today, each continued
// with the day that followed it, from now's hour on. Paths are in the order
// of the days; the last one is the prior, on which nothing arrives.
func (f *Forecast) Outlook(now time.Time) Outlook {
	out := Outlook{From: now.Add(-time.Duration(now.Minute())*time.Minute - time.Duration(now.Second())*time.Second -
		time.Duration(now.Nanosecond()))}
	today, hour := dayNumber(now), now.Hour()
	total := 1.0
	for _, i := range f.alike(today) {
		d := &f.Days[i]
		w := math.Exp(-float64(max(0, today-d.Number)) / fadeDays)
		next := f.after(i, isWeekend(today+1))
		out.Paths = append(out.Paths, Path{Weight: w, Rows: f.join(d, next, hour)})
		total += w
	}
	out.Paths = append(out.Paths, Path{Weight: 1})
	for i := range out.Paths {
		out.Paths[i].Weight /= total
	}
	return out
}

// alike returns the days of today's kind, or all if there are none.
func (f *Forecast) alike(today int) []int {
	var same, all []int
	for i, d := range f.Days {
		if d.Number >= today {
			continue
		}
		all = append(all, i)
		if d.weekend() == isWeekend(today) {
			same = append(same, i)
		}
	}
	if len(same) == 0 {
		return all
	}
	return same
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

// join lays the rest of one day and the beginning of another end to end.
func (f *Forecast) join(d, next *Day, hour int) []PathRow {
	var rows []PathRow
	index := map[[2]byte]int{}
	lay := func(counts []byte, offset int) {
		for i := 0; i+rowBytes <= len(counts); i += rowBytes {
			id := [2]byte{counts[i], counts[i+1]}
			at, ok := index[id]
			if !ok {
				at = len(rows)
				index[id] = at
				rows = append(rows, PathRow{Key: f.Keys[id[0]], Priority: int(id[1])})
			}
			for h := range hours {
				if k := h + offset; k >= 0 && k < Ahead {
					rows[at].Hours[k] += unsqueeze(counts[i+2+h])
				}
			}
		}
	}
	lay(d.Counts, -hour)
	lay(next.Counts, hours-hour)
	if hour > 2*hours-Ahead {
		lay(next.Counts, 2*hours-hour) // a third day, for the few hours that are missing
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
	var out []Burst
	for _, r := range f.Recent {
		rate := r.faded(now) / fadesIn.Hours()
		if rate < 0.05 {
			continue
		}
		usual, lasts := f.habit(r.Key, r.Priority, now.Hour())
		if rate > usual && lasts > 0 {
			out = append(out, Burst{Key: f.Keys[r.Key], Priority: r.Priority, PerHour: rate - usual, Lasts: lasts})
		}
	}
	return out
}

// habit returns how many arrivals a key usually has in an hour of the day, and
// which share of a surplus the following hour had on the days remembered.
func (f *Forecast) habit(key, priority, hour int) (usual, lasts float64) {
	if len(f.Days) == 0 {
		return 0, 0
	}
	var mean [hours]float64
	var days [][]byte
	for _, d := range f.Days {
		for i := 0; i+rowBytes <= len(d.Counts); i += rowBytes {
			if int(d.Counts[i]) == key && int(d.Counts[i+1]) == priority {
				days = append(days, d.Counts[i+2:i+rowBytes])
				for h := range hours {
					mean[h] += unsqueeze(d.Counts[i+2+h]) / float64(len(f.Days))
				}
			}
		}
	}
	both, alone := 0.0, 4.0 // a prior of a surplus of two that did not go on
	for _, day := range days {
		for h := range hours - 1 {
			now, then := unsqueeze(day[h])-mean[h], unsqueeze(day[h+1])-mean[h+1]
			if now > 0 {
				both += now * then
				alone += now * now
			}
		}
	}
	return mean[hour], min(0.9, max(0, both/alone))
}

// Since returns how many arrivals of a key and priority have been seen in
// about the last half hour, earlier ones counting less.
func (f *Forecast) Since(now time.Time, key string, priority int) float64 {
	for _, r := range f.Recent {
		if f.Keys[r.Key] == key && r.Priority == priority {
			return r.faded(now)
		}
	}
	return 0
}
