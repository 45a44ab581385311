package bridge

import (
	"cmp"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// Digest is the items gathered for one (audience, template, group). It
// becomes one broadcast, or ends empty when its items expire.
//
// Only Items carry text and data, at most the template's keep; what comes on
// top is counted in Rest. Count and Events stay true whatever is left out.
type Digest struct {
	ID       string         `json:"id"`
	Audience string         `json:"audience"`
	Template string         `json:"template"`
	Group    string         `json:"group,omitempty"`
	Part     int            `json:"part,omitempty"`     // of a user audience that outgrew 1,000 ids: 1, 2 …
	Personal bool           `json:"personal,omitempty"` // for Users, and never for anybody else
	Opened   time.Time      `json:"opened"`             // arrival of the first item
	Latest   time.Time      `json:"latest"`             // arrival of the last item
	IdleBy   time.Time      `json:"idle_by,omitzero"`   // Latest + idle; zero: no idle window
	ReadyBy  time.Time      `json:"ready_by"`           // the earliest arrival + at_most
	Full     bool           `json:"full,omitempty"`     // max_items reached: ready since Filled
	Filled   time.Time      `json:"filled,omitzero"`    // zero: not full, or as old as a state that does not tell
	Items    []mapping.Item `json:"items"`              // the kept items, in order of arrival
	Rest     []Bucket       `json:"rest,omitempty"`     // what is counted only, in order of expiry
	Last     *mapping.Item  `json:"last,omitempty"`     // the latest item, when it is one of Rest
	Gone     []Gone         `json:"gone,omitempty"`     // of Rest, while its broadcast is under way
	Keys     keySet         `json:"keys"`               // of Items and Rest
	Seen     int            `json:"seen,omitempty"`     // distinct keys counted so far; follows Keys' estimate
	Events   int            `json:"events"`             // events that stand behind Items and Rest
	Rules    map[string]int `json:"rules"`              // events by rule, replaced ones included
	Users    []string       `json:"users,omitempty"`    // of a user audience, in order of arrival
	Closed   bool           `json:"closed,omitempty"`   // to further users: one of its events has left with another part
	Missing  bool           `json:"missing,omitempty"`  // text or data was left out for want of room
	Trace    string         `json:"trace,omitempty"`    // traceparent of the first event that had one
	Warned   bool           `json:"warned,omitempty"`   // will_miss was reported
	Wanted   string         `json:"wanted,omitempty"`   // by an operator, with the next send that is left: who, and why
	WantedAt time.Time      `json:"wanted_at,omitzero"` // since when; its window ends with that

	foreseen   time.Time       // the Latest at which will_miss was last looked into
	users      map[string]bool // of Users, made when it is needed
	userBytes  int             // that Users take in the encoded state, of the first usersSized
	usersSized int
}

// Ready is when the gathering window closes: the digest may be sent from then on.
func (d *Digest) Ready() time.Time {
	at := earlier(d.IdleBy, d.ReadyBy)
	if d.Full {
		at = earlier(at, later(d.Filled, d.Opened))
	}
	if d.Wanted != "" {
		at = earlier(at, later(d.WantedAt, d.Opened))
	}
	return at
}

// Count is how many distinct keys the digest stands for; see Approximate.
func (d *Digest) Count() int { return len(d.Items) + d.restCount() }

// Approximate reports whether Count is an estimate, as it is beyond 1,024 keys.
func (d *Digest) Approximate() bool { return !d.Keys.exact() }

// Priority is the highest of all items.
func (d *Digest) Priority() mapping.Priority {
	p := mapping.Low
	for i := range d.Items {
		p = max(p, d.Items[i].Priority)
	}
	for i := range d.Rest {
		p = max(p, d.Rest[i].Priority)
	}
	return p
}

// expires is when the first item expires; zero for an empty digest.
func (d *Digest) expires() time.Time {
	var first time.Time
	for i := range d.Items {
		first = earlier(first, d.Items[i].Expires)
	}
	for i := range d.Rest {
		first = earlier(first, d.Rest[i].ends())
	}
	return first
}

// Ends is when the last item expires; zero for an empty digest.
func (d *Digest) Ends() time.Time {
	var last time.Time
	for i := range d.Items {
		last = later(last, d.Items[i].Expires)
	}
	for i := range d.Rest {
		last = later(last, d.Rest[i].ends())
	}
	return last
}

// EventIDs lists the events behind the digest as far as they were kept, at most limit.
func (d *Digest) EventIDs(limit int) []string {
	var ids []string
	for i := range d.Items {
		if id := d.Items[i].EventID; id != "" {
			ids = append(ids, id)
		}
	}
	for i := range d.Rest {
		ids = append(ids, d.Rest[i].IDs...)
	}
	return ids[:min(len(ids), limit)]
}

// View is the digest as templates see it.
func (d *Digest) View(app string, now time.Time) mapping.View {
	v := mapping.View{
		ID: d.ID, App: app, Audience: d.Audience, Template: d.Template, Group: d.Group,
		Count: d.Count(), Items: d.Items, Last: d.latest(), Users: d.Users, Now: now,
	}
	if len(d.Items) > 0 {
		v.First = d.Items[0]
	}
	return v
}

func (d *Digest) key() digestKey {
	return digestKey{d.Audience, d.Template, d.Group, d.Part, d.Personal}
}

func (d *Digest) restCount() int {
	n := 0
	for i := range d.Rest {
		n += d.Rest[i].Count
	}
	return n
}

// gather extends the window for an item that has just arrived. ReadyBy only
// ever comes nearer: a steady trickle can't put a digest off for ever.
func (d *Digest) gather(it *mapping.Item, g mapping.Gather) {
	d.Opened = earlier(d.Opened, it.Arrived)
	d.ReadyBy = earlier(d.ReadyBy, it.ReadyBy)
	before := d.Latest
	d.Latest = later(d.Latest, it.Arrived)
	switch {
	case g.Idle > 0:
		d.IdleBy = d.Latest.Add(g.Idle)
	case !d.IdleBy.IsZero(): // an item without an idle window of its own is an arrival, too
		d.IdleBy = d.IdleBy.Add(d.Latest.Sub(before))
	}
	if g.MaxItems > 0 && !d.Full && d.Count() >= g.MaxItems {
		d.Full, d.Filled = true, d.Latest
	}
}

// put adds an item, or lets it replace the one with its key. keep is how many
// items keep their text and data; with 0 this one is only counted.
func (d *Digest) put(it mapping.Item, keep int) (replaced bool) {
	if i := d.kept(it.Key); i >= 0 {
		d.Items = append(slices.Delete(d.Items, i, i+1), it)
		d.Last = nil
		return true
	}
	h := hashKey(it.Key)
	replaced = d.countKey(h)
	if replaced {
		d.uncount(h)
	} else {
		d.Events++
	}
	d.place(it, keep)
	return replaced
}

// countKey notes a key that no kept item has, and says whether one of Rest
// (probably) has it already.
func (d *Digest) countKey(h uint64) (known bool) {
	switch d.Keys.find(h) {
	case absent:
	case present:
		known = d.mayCount(h)
	case unknown:
		i, _ := d.counted(h)
		known = i >= 0 || d.Seen >= d.Keys.count() && d.unmarked() >= 0
	}
	d.Keys.add(h)
	if !known {
		d.Seen++
	}
	return known
}

// place finds the item's room: among the kept ones, perhaps instead of a less
// pressing one, or in Rest.
func (d *Digest) place(it mapping.Item, keep int) {
	d.Last = nil
	if keep == 0 {
		d.countOnly(it)
		return
	}
	if len(d.Items) < keep {
		d.Items = append(d.Items, it)
		return
	}
	least := d.leastPressing()
	if least >= 0 && d.Items[least].Priority < it.Priority {
		d.countOnly(d.Items[least])
		d.Items = append(slices.Delete(d.Items, least, least+1), it)
		return
	}
	d.countOnly(it)
	d.Last = &it
}

// leastPressing is the newest of the kept items with the lowest priority.
func (d *Digest) leastPressing() int {
	least := -1
	for i := range d.Items {
		if least < 0 || d.Items[i].Priority <= d.Items[least].Priority {
			least = i
		}
	}
	return least
}

// cancel removes the pending item with the key if one of the rules made it.
func (d *Digest) cancel(key string, rules []string) (gone []mapping.Item) {
	h := hashKey(key)
	if i := d.kept(key); i >= 0 {
		if !slices.Contains(rules, d.Items[i].Rule) {
			return nil
		}
		it := d.Items[i]
		d.Items = slices.Delete(d.Items, i, i+1)
		d.forget(h)
		return []mapping.Item{it}
	}
	if d.Last != nil && d.Last.Key == key && !slices.Contains(rules, d.Last.Rule) { // another rule's
		return nil
	}
	switch i, j := d.counted(h); {
	case i >= 0 && !d.Rest[i].Marks[j].by(rules):
		return nil
	case i < 0 && (!d.anyRule(rules) || !d.has(key)):
		return nil
	}
	id := d.uncount(h)
	d.forget(h)
	if d.Last != nil && d.Last.Key == key {
		d.Last = nil
	}
	return []mapping.Item{{Key: key, EventID: id}}
}

// countRule counts events by rule. Each digest, drop and waiting result has these
// names, and nothing else bounds how many rules feed one template.
func (d *Digest) countRule(rule string, events int) {
	if _, named := d.Rules[rule]; !named && len(d.Rules) >= maxRules {
		rule = otherRules
	}
	d.Rules[rule] += events
}

func (d *Digest) anyRule(rules []string) bool {
	return d.Rules[otherRules] > 0 || slices.ContainsFunc(rules, func(r string) bool { return d.Rules[r] > 0 })
}

// forget takes an item with a key out of the counts.
func (d *Digest) forget(h uint64) {
	d.forgetKey(h)
	d.Events--
}

func (d *Digest) forgetKey(h uint64) {
	d.Keys.remove(h)
	d.Seen = max(0, d.Seen-1)
}

func (d *Digest) kept(key string) int {
	return slices.IndexFunc(d.Items, func(it mapping.Item) bool { return it.Key == key })
}

// has reports whether an item with a key waits, as far as that is known.
func (d *Digest) has(key string) bool {
	h := hashKey(key)
	return d.kept(key) >= 0 || d.Keys.find(h) == present && d.mayCount(h)
}

// expire removes what has expired and says how many events that were.
func (d *Digest) expire(now time.Time) (events int, ids []string) {
	for _, it := range d.Items {
		if !it.Expires.After(now) {
			d.forget(hashKey(it.Key))
			events, ids = events+1, append(ids, it.EventID)
		}
	}
	d.Items = slices.DeleteFunc(d.Items, func(it mapping.Item) bool { return !it.Expires.After(now) })
	d.Rest = slices.DeleteFunc(d.Rest, func(b Bucket) bool {
		if b.ends().After(now) {
			return false
		}
		events, ids = events+b.Count, append(ids, b.IDs...)
		d.Events -= b.Count
		for _, m := range b.Marks {
			if m != (mark{}) {
				d.forgetKey(m.key)
			}
		}
		return true
	})
	if d.Last != nil && !d.Last.Expires.After(now) {
		d.Last = nil
	}
	if events > 0 && len(d.Rest) == 0 {
		d.recountKeys()
	}
	return events, ids
}

// recountKeys starts the key set afresh from the kept items: the keys of Rest
// that expired are not known one by one.
func (d *Digest) recountKeys() {
	d.Keys = keySet{bound: d.Keys.bound}
	for i := range d.Items {
		d.Keys.add(hashKey(d.Items[i].Key))
	}
	d.Seen = len(d.Items)
}

// latest is the item that has arrived last, as far as it is known.
func (d *Digest) latest() (it mapping.Item) {
	if d.Last != nil {
		return *d.Last
	}
	if len(d.Items) > 0 {
		it = d.Items[len(d.Items)-1]
	}
	return it
}

type digestKey struct {
	audience, template, group string
	part                      int
	personal                  bool // what waits for single users stays theirs, whatever a reload makes of the audience
}

func (k digestKey) compare(o digestKey) int {
	return cmp.Or(cmp.Compare(k.audience, o.audience), cmp.Compare(k.template, o.template),
		cmp.Compare(k.group, o.group), cmp.Compare(k.part, o.part), compareBools(k.personal, o.personal))
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
