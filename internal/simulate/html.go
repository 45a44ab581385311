package simulate

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

//go:embed report.html
var page string

// mark is what arrived or expired in one half hour of one day.
type mark struct {
	date     string
	slot     int // of 48
	priority mapping.Priority
	count    int
	worth    float64
}

// marks sums up arrivals and expiries for the picture, however many there are.
func (t *tally) marks(loc *time.Location) (arrivals, expiries []mark) {
	sums := [2]map[mark]int{{}, {}} // by what they have before they are counted
	note := func(which int, at time.Time, p mapping.Priority) {
		local := at.In(loc)
		sums[which][mark{date: local.Format(time.DateOnly), slot: 2*local.Hour() + local.Minute()/30, priority: p}]++
	}
	for _, o := range t.items {
		note(0, o.arrived, o.priority)
		if o.came == Expired {
			note(1, o.ended, o.priority)
		}
	}
	var out [2][]mark
	for which, counted := range sums {
		for m, n := range counted {
			m.count, m.worth = n, float64(n)*t.worth[m.priority]
			out[which] = append(out[which], m)
		}
		slices.SortFunc(out[which], func(a, b mark) int {
			return cmp.Or(cmp.Compare(a.date, b.date), cmp.Compare(a.slot, b.slot), cmp.Compare(a.priority, b.priority))
		})
	}
	return out[0], out[1]
}

// The picture, in pixels: a row for each day, 24 hours from left to right.
const (
	leftEdge  = 98.0
	hourWidth = 33.0
	rowHeight = 30.0
	topEdge   = 26.0
	sideWidth = 200.0
	barHeight = 17.0

	discRadius = 7.5
)

// WriteHTML writes the report as one self-contained page.
func (r *Report) WriteHTML(w io.Writer) error {
	return writePage(w, []section{r.section("", laneNames(r))})
}

// WriteHTML writes both runs on one self-contained page, one below the other,
// with the same letters and colours.
func (c *Comparison) WriteHTML(w io.Writer) error {
	names := laneNames(&c.Runs[0], &c.Runs[1])
	return writePage(w, []section{c.Runs[0].section(c.Names[0], names), c.Runs[1].section(c.Names[1], names)})
}

// section is what the page says of one run.
type section struct {
	Name                   string // of its rules file; empty when it is the only one
	R                      *Report
	Counted                string // from which day on, if not from the first
	From, To, Zone         string
	Picture                template.HTML
	Lanes                  []laneRow
	Percent, Earned, Bound float64
	Reached                float64
	Rows                   []textRow
}

func (r *Report) section(name string, names []string) section {
	lanes, counted := r.lanes(names), ""
	if midnight(r.From, r.location).Before(r.Since) {
		counted = r.day(r.Since)
	}
	return section{
		Counted: counted,
		Name:    name, R: r, From: r.day(r.From), To: r.day(r.To), Zone: r.location.String(),
		Picture: template.HTML(r.picture(lanes)), Lanes: lanes, //nolint:gosec // drawn below, texts escaped
		Percent: math.Round(100 * r.Score), Earned: math.Round(r.Earned), Bound: math.Round(r.Bound), Reached: math.Round(r.Reached),
		Rows: r.rows(lanes),
	}
}

func writePage(w io.Writer, sections []section) error {
	return template.Must(template.New("report").Parse(page)).Execute(w, sections)
}

// laneRow is one audience and template in the legend.
type laneRow struct {
	Letter, Name string
	Colour       template.CSS // ours, never an event's
	Sent         int
}

// laneNames lists the audiences and templates that were sent in any of the runs.
func laneNames(runs ...*Report) (names []string) {
	for _, r := range runs {
		for _, b := range r.Broadcasts {
			names = append(names, b.lane())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (b *Broadcast) lane() string { return b.Audience + "/" + b.Template }

// lanes sums up the run's broadcasts, a row for each of the names.
func (r *Report) lanes(names []string) []laneRow {
	out := make([]laneRow, len(names))
	for i, name := range names {
		out[i] = laneRow{Letter: letter(i), Name: name, Colour: hue(i)}
	}
	for _, b := range r.Broadcasts {
		laneOf(out, &b).Sent++
	}
	return out
}

func laneOf(lanes []laneRow, b *Broadcast) *laneRow {
	i := slices.IndexFunc(lanes, func(l laneRow) bool { return l.Name == b.lane() })
	return &lanes[i]
}

func letter(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return fmt.Sprint(i + 1)
}

// hue spreads colours that stay apart from each other and from the bars.
func hue(i int) template.CSS {
	return template.CSS(fmt.Sprintf("hsl(%d 65%% 34%%)", (210+i*137)%360)) // a number is all that varies
}

func colourOf(p mapping.Priority) string {
	return [...]string{"#c3ccd6", "#7fa8d1", "#e8a33d", "#d64545"}[min(int(p), 3)]
}

// textRow is one broadcast in the table below the picture.
type textRow struct {
	Day, Clock, Letter string
	Colour             template.CSS
	Name, Why          string
	Items              int
	Worth              float64
}

func (r *Report) rows(lanes []laneRow) []textRow {
	out := make([]textRow, 0, len(r.Broadcasts))
	for _, b := range r.Broadcasts {
		l := laneOf(lanes, &b)
		at := b.At.In(r.location)
		out = append(out, textRow{at.Format("Mon 2 Jan"), at.Format("15:04"), l.Letter, l.Colour, l.Name + dashed(b.Group),
			b.Reason, b.Items, math.Round(10*b.Worth) / 10})
	}
	return out
}

// picture draws the timeline.
func (r *Report) picture(lanes []laneRow) string {
	var b strings.Builder
	width, height := leftEdge+24*hourWidth+sideWidth, topEdge+float64(len(r.Days))*rowHeight+8
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img" aria-label="timeline">`, width, height, width, height)
	for h := 0; h <= 24; h += 2 {
		x := leftEdge + float64(h)*hourWidth
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="hour"/><text x="%.1f" y="16" class="axis">%02d:00</text>`,
			x, topEdge-4, x, height-8, x, h%24)
	}
	for i, title := range []string{"sends", "earned", "expired"} {
		fmt.Fprintf(&b, `<text x="%.1f" y="16" class="side">%s</text>`, leftEdge+24*hourWidth+[]float64{24, 92, 144}[i], title)
	}
	row := map[string]float64{}
	for i, d := range r.Days {
		y := topEdge + float64(i)*rowHeight
		row[d.Date] = y
		date, _ := time.Parse(time.DateOnly, d.Date) // days has written it
		r.drawDay(&b, d, date, y)
		r.drawQuiet(&b, date, y)
	}
	r.drawMarks(&b, row)
	r.drawSends(&b, row, lanes)
	b.WriteString("</svg>")
	return b.String()
}

func (r *Report) drawDay(b *strings.Builder, d Day, date time.Time, y float64) {
	class := "day"
	if w := date.Weekday(); w == time.Saturday || w == time.Sunday {
		class = "weekend"
	}
	fmt.Fprintf(b, `<rect x="0" y="%.1f" width="%.1f" height="%.1f" class="%s"/>`, y, leftEdge+24*hourWidth, rowHeight-2, class)
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" class="label">%s</text>`, leftEdge-14, y+19, date.Format("Mon 2 Jan"))
	x := leftEdge + 24*hourWidth + 24
	boxes := max(r.quota.PerDay, d.Broadcasts)
	if boxes > 5 { // more have no room
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" class="side">%d of %d</text>`, x, y+19, d.Broadcasts, boxes)
		boxes = 0
	}
	for i := range boxes {
		used := "free"
		if i < d.Broadcasts {
			used = "used"
		}
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="10" height="10" class="%s"/>`, x+float64(i)*13, y+9, used)
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" class="side">%.0f</text>`, x+76, y+19, d.Earned)
	if d.Expired > 0 {
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" class="lost">%d</text>`, x+130, y+19, d.Expired)
	}
}

// Quiet reports whether any audience is ever left alone.
func (r *Report) Quiet() bool {
	for _, a := range r.audiences {
		if a.QuietHours != nil {
			return true
		}
	}
	return false
}

// drawQuiet shades the half hours in which audiences are left alone, the
// darker the more of them are.
func (r *Report) drawQuiet(b *strings.Builder, date time.Time, y float64) {
	began, quiet := 0, ""
	draw := func(until int) {
		if n := strings.Count(quiet, ", ") + 1; quiet != "" {
			fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s" opacity="%.2f"><title>quiet hours of %s</title></rect>`,
				leftEdge+float64(began)*hourWidth/2, y, float64(until-began)*hourWidth/2, rowHeight-2, quietColour,
				0.15+0.25*float64(n)/float64(len(r.audiences)), template.HTMLEscapeString(quiet))
		}
	}
	for slot := range 48 {
		if now := r.quietAt(date, slot); now != quiet {
			draw(slot)
			began, quiet = slot, now
		}
	}
	draw(48)
}

const quietColour = "#6d6a9c"

// quietAt names the audiences that are left alone in the whole of a half hour.
func (r *Report) quietAt(date time.Time, slot int) string {
	y, m, d := date.Date()
	at := time.Date(y, m, d, slot/2, slot%2*30, 0, 0, r.location)
	var names []string
	for _, name := range slices.Sorted(maps.Keys(r.audiences)) {
		if bridge.QuietThrough(r.audiences[name], mapping.High, at, at.Add(30*time.Minute)) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// drawMarks stacks what arrived in every half hour; what expired is a line
// below it.
func (r *Report) drawMarks(b *strings.Builder, row map[string]float64) {
	most := 1.0
	height := map[string]float64{}
	key := func(m mark) string { return fmt.Sprint(m.date, " ", m.slot) }
	for _, m := range r.arrivals {
		height[key(m)] += m.worth
		most = max(most, height[key(m)])
	}
	clear(height)
	for _, m := range r.arrivals {
		base := row[m.date] + rowHeight - 7
		from, to := math.Sqrt(height[key(m)]/most), math.Sqrt((height[key(m)]+m.worth)/most)
		height[key(m)] += m.worth
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"><title>%s: %s arrived</title></rect>`,
			leftEdge+float64(m.slot)*hourWidth/2+1, base-to*barHeight, hourWidth/2-2, max(1, (to-from)*barHeight), colourOf(m.priority),
			slotClock(m), count(m.count, m.priority.String()+" item"))
	}
	for _, m := range r.expiries {
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="2.5" fill="#a3262a" opacity="%.2f"><title>%s: %s expired</title></rect>`,
			leftEdge+float64(m.slot)*hourWidth/2+1, row[m.date]+rowHeight-6, hourWidth/2-2, min(1, 0.25+m.worth/40),
			slotClock(m), count(m.count, m.priority.String()+" item"))
	}
}

func slotClock(m mark) string { return fmt.Sprintf("%s %02d:%02d", m.date, m.slot/2, m.slot%2*30) }

// drawSends draws a disc for each broadcast, in order of time, those at almost the
// same time beside each other.
func (r *Report) drawSends(b *strings.Builder, row map[string]float64, lanes []laneRow) {
	free := map[float64]float64{} // by row: where the next disc has room
	for _, s := range r.Broadcasts {
		at := s.At.In(r.location)
		l := laneOf(lanes, &s)
		x := leftEdge + (float64(at.Hour())+float64(at.Minute())/60)*hourWidth
		y := row[at.Format(time.DateOnly)]
		disc := min(max(x, free[y]), leftEdge+24*hourWidth+discRadius)
		free[y] = disc + 2*discRadius
		fmt.Fprintf(b, `<g><title>%s %s: %s, worth %.1f. %s</title><line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="1.5"/>`+
			`<circle cx="%.1f" cy="%.1f" r="%.1f" fill="%s"/><text x="%.1f" y="%.1f" class="send">%s</text></g>`,
			at.Format("15:04"), template.HTMLEscapeString(l.Name), count(s.Items, "item"), s.Worth, template.HTMLEscapeString(s.Reason),
			disc, y+9, x, y+rowHeight-4, l.Colour, disc, y+8.5, discRadius, l.Colour, disc, y+12, l.Letter)
	}
}
