package simulate

import (
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/bound"
	"github.com/belfry-bridge/belfry/internal/forecast"
	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/internal/simulate/workload"
	"github.com/belfry-bridge/belfry/mapping"
)

var seeds = flag.Int("study.seeds", 2, "")
var studyRolling = flag.Bool("study.rolling", false, "")
var studyAside = flag.Bool("study.aside", false, "")
var studyTown = flag.String("study.town", "", "")

type study struct {
	app  *mapping.App
	ev   []workload.Event
	from time.Time
	days int
}

func newStudy(w *workload.Workload, seed uint64, days int) *study {
	s := &study{from: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), days: days}
	s.app = &mapping.App{Audiences: map[string]*mapping.Audience{}, Templates: map[string]*mapping.Template{}}
	s.app.Quota = mapping.Quota{PerHour: 2, PerDay: 3, UrgentAtOnce: true, Worth: map[mapping.Priority]float64{mapping.Low: 1, mapping.Normal: 3, mapping.High: 10, mapping.Urgent: 30}}
	if !*studyRolling {
		s.app.Quota.Location = time.UTC
	}
	for _, st := range w.Streams {
		s.app.Audiences[st.Audience] = &mapping.Audience{Name: st.Audience}
		s.app.Templates[st.Template] = &mapping.Template{Name: st.Template, Keep: 20, ExpiresAfter: st.Expires}
		s.app.Rules = append(s.app.Rules, &mapping.Rule{Audience: st.Audience, Template: st.Template, Priority: st.Priority, Gather: mapping.Gather{Idle: workload.Idle, AtMost: st.AtMost}, ExpiresAfter: st.Expires})
	}
	s.ev = w.Generate(seed, s.from, days)
	return s
}

type studyResult struct {
	earned         float64
	urgent, late   int
	expiredU, left int
}

func (s *study) run(policy mapping.Policy, reserve map[mapping.Priority]int) studyResult {
	app := *s.app
	app.Quota.Policy, app.Quota.Reserve = policy, reserve
	if policy == mapping.PolicySlots {
		app.Quota.Slots = []time.Duration{9 * time.Hour, 13 * time.Hour, 18 * time.Hour}
	}
	var f forecast.Forecast
	var led quota.Ledger
	memo := bridge.NewMemo()
	limits := bridge.LimitsFor(app.Quota)
	var ds []*bridge.Digest
	var r studyResult
	i, id := 0, 0
	now := s.from
	end := s.from.AddDate(0, 0, s.days+1)
	wake := time.Time{}
	for {
		next := end
		if i < len(s.ev) {
			next = s.ev[i].At
		}
		if !wake.IsZero() && wake.Before(next) {
			next = wake
		}
		if !next.Before(end) {
			break
		}
		now = next
		if i < len(s.ev) && !s.ev[i].At.After(now) {
			e := s.ev[i]
			i++
			st := e.Stream
			var d *bridge.Digest
			for _, o := range ds {
				if o.Audience == st.Audience && o.Template == st.Template {
					d = o
				}
			}
			if d == nil {
				id++
				d = &bridge.Digest{ID: fmt.Sprint(id), Audience: st.Audience, Template: st.Template, Opened: e.At, ReadyBy: e.At.Add(st.AtMost)}
				ds = append(ds, d)
			}
			it := mapping.Item{Key: e.Key, Arrived: e.At, ReadyBy: e.At.Add(st.AtMost), Expires: e.At.Add(st.Expires), Priority: st.Priority}
			d.Items = append(d.Items, it)
			d.Latest, d.IdleBy = e.At, e.At.Add(workload.Idle)
			if it.ReadyBy.Before(d.ReadyBy) {
				d.ReadyBy = it.ReadyBy
			}
			f.Observe(e.At, st.Audience+"/"+st.Template, int(st.Priority))
		}
		for k := 0; k < len(ds); k++ {
			d := ds[k]
			n := 0
			for _, it := range d.Items {
				if it.Expires.After(now) {
					d.Items[n] = it
					n++
				} else if it.Priority == mapping.Urgent {
					r.expiredU++
				}
			}
			d.Items = d.Items[:n]
			if n == 0 {
				ds = append(ds[:k], ds[k+1:]...)
				k--
			}
		}
		led.Prune(now, limits)
		for {
			p := bridge.Choose(bridge.Situation{Now: now, App: &app, Digests: ds, Ledger: &led, Forecast: &f, Memo: memo})
			wake = p.WakeAt
			if p.Send == nil {
				break
			}
			r.earned += p.Send.Worth(app.Quota.Worth, now)
			for _, it := range p.Send.Items {
				if it.Priority == mapping.Urgent {
					r.urgent++
					if now.Sub(it.Arrived) > 5*time.Minute {
						r.late++
					}
				}
			}
			led.ChargeAs(p.Send.ID, now, uint8(3), bridge.ForecastKey(p.Send.Audience, p.Send.Template))
			for k, d := range ds {
				if d == p.Send {
					ds = append(ds[:k:k], ds[k+1:]...)
					break
				}
			}
		}
	}
	return r
}

func (s *study) bound() bound.Result {
	p := bound.Problem{From: s.from, To: s.from.AddDate(0, 0, s.days), Limits: bridge.LimitsFor(s.app.Quota)}
	p.Limits.Guard = 0
	idx := map[string]int{}
	for _, e := range s.ev {
		k := e.Stream.Audience + "/" + e.Stream.Template
		if _, ok := idx[k]; !ok {
			idx[k] = len(idx)
		}
		p.Arrivals = append(p.Arrivals, bound.Arrival{Digest: idx[k], At: e.At, Ready: e.At.Add(e.Stream.AtMost), Expires: e.At.Add(e.Stream.Expires), Worth: s.app.Quota.Worth[e.Stream.Priority]})
	}
	return bound.Upper(p)
}

func TestStudy(t *testing.T) {
	towns := workload.Towns()
	type line struct {
		bound, gap, fifo, prio, res, slots, price float64
		urgent, late, exp                         int
		n                                         int
	}
	lines := make([]line, len(towns))
	var wg sync.WaitGroup
	sem := make(chan int, 2)
	var priceTime time.Duration
	var mu sync.Mutex
	for i := range towns {
		if towns[i].Aside != *studyAside || (*studyTown != "" && towns[i].Name != *studyTown) {
			continue
		}
		for seed := range *seeds {
			wg.Add(1)
			go func() {
				defer wg.Done()
				sem <- 1
				defer func() { <-sem }()
				s := newStudy(&towns[i], uint64(seed+1), 30)
				b := s.bound()
				fifo := s.run(bridge.PolicyFIFO, nil).earned / b.Bound
				prio := s.run(mapping.PolicyASAP, nil).earned / b.Bound
				res := s.run(mapping.PolicyASAP, map[mapping.Priority]int{mapping.High: 1}).earned / b.Bound
				sl := s.run(mapping.PolicySlots, nil).earned / b.Bound
				start := time.Now()
				pr := s.run(mapping.PolicyPrice, nil)
				took := time.Since(start)
				mu.Lock()
				defer mu.Unlock()
				l := &lines[i]
				l.n++
				priceTime += took
				l.bound += b.Bound
				l.gap += b.Gap()
				l.fifo += fifo
				l.prio += prio
				l.res += res
				l.slots += sl
				l.price += pr.earned / b.Bound
				l.urgent += pr.urgent
				l.late += pr.late
				l.exp += pr.expiredU
			}()
		}
	}
	wg.Wait()
	sum, cnt := 0.0, 0.0
	for i, l := range lines {
		if l.n == 0 {
			continue
		}
		n := float64(l.n)
		t.Logf("%-16s bound %6.0f gap %.3f | fifo %.3f prio %.3f res %.3f slots %.3f PRICE %.3f | urgent %d late %d expired %d",
			towns[i].Name, l.bound/n, l.gap/n, l.fifo/n, l.prio/n, l.res/n, l.slots/n, l.price/n, l.urgent, l.late, l.exp)
		sum += l.price / n
		cnt++
	}
	t.Logf("mean price %.4f  price time %s", sum/cnt, priceTime)
}
