package bridge

import (
	"fmt"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// Foresee reports, once for each digest, that it is not expected to leave
// before its first item expires, and whether there was such a digest.
func (s *State) Foresee(app *mapping.App, now time.Time) (found bool) {
	for _, d := range s.Digests {
		if d.Warned || d.foreseen.Equal(d.Latest) {
			continue
		}
		d.foreseen = d.Latest
		why, miss := WillMiss(app, d, &s.Ledger, now)
		if !miss {
			continue
		}
		d.Warned, found = true, true
		r := d.result(ResultWillMiss)
		r.Package, r.Reason, r.Quota = packageOf(app, d.Audience), why, LimitsFor(app.Quota).Usage(&s.Ledger, now)
		s.report(d.ID+"."+string(ResultWillMiss), r, now)
	}
	return found
}

// dayWindow is the window whose end subscribers are warned of. The hour's
// comes and goes with every send or two.
const dayWindow = "day"

// warnOfQuota reports that one send, and then that none, is left in the day's
// window: once each, until a send has come back. A window of one send has
// only the second. A send under way may yet be refunded.
func (s *State) warnOfQuota(app *mapping.App, now time.Time) {
	if s.Sending != nil {
		return
	}
	usage := LimitsFor(app.Quota).Usage(&s.Ledger, now)
	for _, u := range usage {
		if u.Window != dayWindow {
			continue
		}
		low := lowness(u.Left, u.Max)
		if low > s.Low {
			message := fmt.Sprintf("%d of %s of the %s left; the first comes back at %s", u.Left, Plural(u.Max, "send", "sends"), u.Window, u.Frees.In(zoneOf(app.Quota.Location)).Format("2 Jan 15:04 MST"))
			s.report(s.newID()+"."+string(ResultQuotaLow), Result{State: ResultQuotaLow, Message: message, Quota: usage}, now)
		}
		s.Low = low
	}
}

func lowness(left, most int) int {
	switch {
	case most == 0 || left > 1 || left == most:
		return 0
	case left == 1:
		return 1
	}
	return 2
}
