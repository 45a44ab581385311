package impact

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/simulate"
	"github.com/belfry-bridge/belfry/internal/unnamed"
	"github.com/belfry-bridge/belfry/mapping"
)

// No rule of those in force has opened it: nothing is grouped in another way.
func TestAnOrphanThatTheRulesNameAgainReturns(t *testing.T) {
	app := func(audience string) *mapping.App {
		return &mapping.App{
			Audiences: map[string]*mapping.Audience{audience: {Package: "com.example.student"}}, Templates: map[string]*mapping.Template{"lessons": {}},
			Rules: []*mapping.Rule{{Name: "cancelled", Audience: audience, Template: "lessons"}},
		}
	}
	d := bridge.DigestStatus{Explanation: bridge.Explanation{Audience: "students", Template: "lessons", State: bridge.StateOrphaned}}
	if x := on(d, app("pupils"), app("students"), nil, nil); x.Becomes != Returns || len(x.Why) > 0 {
		t.Errorf("it becomes %s because %q", x.Becomes, x.Why)
	}
}

func TestStreamsThatAreReadAnewOrNoLongerAreTold(t *testing.T) {
	school, annex := mapping.Source{Stream: "SCHOOL"}, mapping.Source{Stream: "ANNEX", Start: mapping.Start{Mode: mapping.StartAll}}
	state := &bridge.State{Sources: map[string]bridge.Checkpoint{"SCHOOL": {Sequence: 7}}}
	for want, x := range map[string]struct{ old, will []mapping.Source }{
		"": {[]mapping.Source{school}, []mapping.Source{school}},
		"stream SCHOOL: no longer read; where reading was is kept for when it is named again; stream ANNEX: read, too, from where its start says: all that it has": {
			[]mapping.Source{school}, []mapping.Source{annex}},
		"stream SCHOOL: read, too, from where reading was":                                 {[]mapping.Source{annex}, []mapping.Source{annex, school}},
		"stream ANNEX: read, too, from where its start says: all that it has":              {nil, []mapping.Source{school, annex}},
		"sources: none; the server is asked which stream stores each subject of the rules": {[]mapping.Source{school}, nil},
	} {
		if got := strings.Join(sourceChanges(x.old, x.will, state), "; "); got != want {
			t.Errorf("from %v to %v:\n%q, want\n%q", x.old, x.will, got, want)
		}
	}
}

func TestChangesOfRulesAreNamedAsTheRulesWriteThem(t *testing.T) {
	with := func(slots ...time.Duration) *mapping.App {
		return &mapping.App{Quota: mapping.Quota{Policy: mapping.PolicySlots, Slots: slots}}
	}
	if got := ruleChanges(with(9*time.Hour), with(9*time.Hour, 18*time.Hour+30*time.Minute), nil); len(got) != 1 || got[0] != "slots: 09:00, 18:30 UTC instead of 09:00 UTC" {
		t.Errorf("other slots are %q", got)
	}
	quiet := func(q *mapping.QuietHours) *mapping.App {
		return &mapping.App{Audiences: map[string]*mapping.Audience{"students": {QuietHours: q}}}
	}
	if got := ruleChanges(quiet(nil), quiet(&mapping.QuietHours{From: 22 * time.Hour, To: 7*time.Hour + 5*time.Minute, ForAll: true}), nil); len(got) != 1 || got[0] != "quiet hours of students: 22:00-07:05 UTC for all instead of none" {
		t.Errorf("other quiet hours are %q", got)
	}
	longer := ruleChange(&mapping.Rule{Name: "fees", ExpiresAfter: time.Hour}, &mapping.Rule{Name: "fees", ExpiresAfter: 2 * time.Hour, On: []string{"fees"}})
	if want := []string{"rule fees: expires_after 2h instead of 1h (later, for events to come)", "rule fees: listens to [fees] instead of []"}; !slices.Equal(longer, want) {
		t.Errorf("a longer life is %q, want %q", longer, want)
	}
	rules := func(rules ...*mapping.Rule) *mapping.App { return &mapping.App{Rules: rules} }
	waits := &bridge.State{Digests: []*bridge.Digest{{Items: []mapping.Item{{Rule: "moved"}, {Rule: "other"}}}}}
	back := &mapping.Rule{Name: "back", Cancels: []string{"moved"}}
	got := ruleChanges(rules(&mapping.Rule{Name: "moved"}, back), rules(&mapping.Rule{Name: "shifted"}, &mapping.Rule{Name: "back", Cancels: []string{"shifted"}}), waits)
	want := []string{"rule back: cancels shifted instead of moved", "rule shifted: new", "rule moved: gone; what it has gathered stays, and nothing cancels it any more: 1 item"}
	if !slices.Equal(got, want) {
		t.Errorf("a rule under another name is %q, want %q", got, want)
	}
}

func TestTheLogSaysWhatANewRulesFileChanges(t *testing.T) {
	old := `
apps: {campus: {app_secret: first, quota: {per_day: 3, slots: ["09:00"]}}}
templates: {news: {keep: 20}}
rules:
  - {name: closed, on: school.closed, when: event.data.n > 1}
  - {name: fees, on: school.fees}
`
	src := `
apps: {campus: {app_secret: second, quota: {per_day: 2, slots: ["09:00", "18:00"]}}}
templates: {news: {keep: 20}, menu: {keep: 5}}
rules:
  - {name: menu, on: school.menu}
  - {name: closed, on: school.closed, when: event.data.n > 2, priority: high}
`
	want := []string{
		"apps.campus.app_secret: another",
		"apps.campus.quota.per_day: 2 instead of 3",
		"apps.campus.quota.slots: [09:00 18:00] instead of [09:00]",
		"rules.closed.priority: high",
		"rules.closed.when: event.data.n > 2 instead of event.data.n > 1",
		"rules.fees: gone",
		"rules.menu: new",
		"templates.menu: new",
	}
	if got := rulesDiff([]byte(old), []byte(src)); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := rulesDiff([]byte(src), []byte(src)); len(got) != 0 {
		t.Errorf("without a change: %q", got)
	}
	for _, tt := range []struct{ old, src, want string }{
		{"keep: 1", "\ufeff# saved by another editor\nkeep: 2", "keep: 2 instead of 1"},
		{"rules: [{name: 404, on: a}]", "rules: [{name: 404, on: b}]", "rules.404.on: b instead of a"},
		{"list: [{name: a, of: 1}, {name: a, of: 2}]", "list: [{name: a, of: 3}, {name: a, of: 2}]",
			"list: [map[name:a of:3] map[name:a of:2]] instead of [map[name:a of:1] map[name:a of:2]]"},
		{"a: &a {x: 1}\nb: &b {y: 1}", "a: &a {x: 1}\nb: &b {y: 1}\nc: {<<: *a, <<: *b}", "cannot be told"},
	} {
		if got := rulesDiff([]byte(tt.old), []byte(tt.src)); len(got) != 1 || got[0] != tt.want {
			t.Errorf("from %q to %q: %q, want %q", tt.old, tt.src, got, tt.want)
		}
	}
}

const rules = `version: 1
apps:
  campus: {app_key: key, app_secret: secret-of-the-campus, region: singapore, sender: office, packages: [com.example.student], quota: {policy: asap}}
audiences:
  students: {app: campus, package: com.example.student, platforms: [ios]}
templates:
  lessons:
    gather: {at_most: 30m}
    expires_after: 1h
    message: {type: RC:TxtMsg, content: {content: "{{ .Count }}"}}
    notification: {title: "{{ .Count }} changes", alert: "{{ .Last.Text }}"}
rules:
  - {name: cancelled, on: school.cancelled, audience: students, template: lessons, key: event.data.id, item: "{{ .data.course }}"}
`

func compiled(t *testing.T, src string) *mapping.RuleSet {
	t.Helper()
	rs, problems := mapping.Compile("rules.yaml", []byte(src), mapping.Options{})
	if rs == nil {
		t.Fatal(problems.Text())
	}
	return rs
}

// waiting is campus with one digest that waits since now.
func waiting(rs *mapping.RuleSet, now time.Time) Live {
	return waitingFor(rs, now, `{"id": 7, "course": "Maths"}`)
}

func waitingFor(rs *mapping.RuleSet, now time.Time, data string) Live {
	state := func() *bridge.State {
		d := simulate.NewDriver(rs.Apps["campus"], now, simulate.Observer{})
		d.Fold(&mapping.Message{Subject: "school.cancelled", Sequence: 1, Time: now, Data: []byte(data)})
		return d.State
	}
	g := state().Digests[0]
	d := bridge.DigestStatus{Explanation: bridge.Explanation{Digest: g.ID, Audience: g.Audience, Template: g.Template, State: bridge.StateGathering}, Count: 1}
	return Live{State: state, Status: bridge.Status{App: "campus", Role: bridge.RoleOwner, At: now, Digests: []bridge.DigestStatus{d}}}
}

func TestAReloadIsForeseenFromWhatIsKnownAndSaysWhatIsNot(t *testing.T) {
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	old := compiled(t, rules)
	never := strings.Replace(rules, "policy: asap", "policy: asap, per_day: 0", 1)
	slots := strings.Replace(rules, "policy: asap", `policy: slots, slots: ["09:40"]`, 1)
	renamed := strings.ReplaceAll(rules, "campus", "annex")
	type seen struct {
		change, becomes, goes string // of the first digest; empty: there is none
		will                  time.Duration
		said                  string // among changes and what is unknown
	}
	for name, tt := range map[string]struct {
		was   *mapping.RuleSet
		rules string
		live  func(l *Live)
		want  []seen
	}{
		"the same rules":     {old, rules, nil, []seen{{"reloaded", Kept, Same, 30 * time.Minute, "the times hold if none arrives"}}},
		"later":              {old, slots, nil, []seen{{"reloaded", Kept, Later, 40 * time.Minute, "slots: 09:40 UTC instead of none"}}},
		"earlier than never": {compiled(t, never), rules, nil, []seen{{"reloaded", Kept, Earlier, 30 * time.Minute, ""}}},
		"fewer sends": {old, strings.Replace(rules, "policy: asap", "policy: asap, per_day: 1", 1), func(l *Live) {
			limits := bridge.LimitsFor(old.Apps["campus"].Quota)
			l.Status.Quota, l.Status.Left = limits.Usage(&l.State().Ledger, now), 2
		}, []seen{{"reloaded", Kept, Same, 30 * time.Minute, "quota of the day: 1 send instead of 3\n1 send left now instead of 2"}}},
		"another App Key": {old, strings.Replace(rules, "app_key: key", "app_key: other", 1), func(l *Live) {
			state := l.State
			l.State = func() *bridge.State {
				s := state()
				s.Key = "that of key"
				return s
			}
		}, []seen{{"reloaded", Kept, Never, 0, "its App Key is another one: it is paused until belfry resume"}}},
		"in doubt, for others now": {old, strings.Replace(rules, "[ios]", "[android]", 1), func(l *Live) {
			l.Status.InDoubt = []bridge.BroadcastStatus{{ID: "b-1", Audience: "students", Template: "lessons"}}
		}, []seen{{"reloaded", Kept, Same, 30 * time.Minute,
			"in doubt, b-1 (students / lessons): if it was not sent, it would go to the package com.example.student on android instead of the package com.example.student on ios"}}},
		"nobody said what is in force": {nil, rules, nil, []seen{
			{"reloaded", Kept, Unknown, 30 * time.Minute, "name their file with --was"}}},
		"a state that cannot be read": {old, slots, func(l *Live) {
			l.State, l.Unread = func() *bridge.State { return nil }, errors.New("no permission")
		}, []seen{{"reloaded", Kept, Unknown, 0, "when its digests would go: its state could not be read (no permission)"}}},
		"nobody owns it": {old, rules, func(l *Live) { l.Status.Role = bridge.RoleStandby }, []seen{
			{"reloaded", "", "", 0, "nobody owns the app at this moment: what waits in it"}}},
		"it is gone, and another is added": {old, renamed, func(l *Live) {
			l.Status.InDoubt = []bridge.BroadcastStatus{{ID: "b-1"}}
		}, []seen{{change: "added"}, {"removed", Orphaned, Never, 0, "in doubt, b-1"}}},
		"nobody runs it": {old, rules, func(l *Live) { l.Idle = true }, []seen{
			{change: "added", said: "the stream has a state of it, and it goes on from there"}}},
	} {
		t.Run(name, func(t *testing.T) {
			l := waiting(old, now)
			if tt.live != nil {
				tt.live(&l)
			}
			got := Of(tt.was, compiled(t, tt.rules), map[string]Live{"campus": l}, nil, now)
			if len(got) != len(tt.want) {
				t.Fatalf("%+v, want %d apps", got, len(tt.want))
			}
			for n, want := range tt.want {
				i, d := got[n], Digest{}
				if len(i.Digests) > 0 {
					d = i.Digests[0]
				}
				var will time.Duration
				if !d.Will.IsZero() {
					will = d.Will.Sub(now)
				}
				all := strings.Join(slices.Concat(i.Changes, i.Unknown), "\n")
				if i.Change != want.change || d.Becomes != want.becomes || d.Goes != want.goes || will != want.will || !strings.Contains(all, want.said) {
					t.Errorf("%+v, want %+v", i, want)
				}
			}
		})
	}
}

func TestADigestSaysWhyItDoesNotGoAsBefore(t *testing.T) {
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	old := compiled(t, rules)
	single := strings.Replace(rules, "package: com.example.student, platforms", "users: event.data.users, platforms", 1)
	for name, tt := range map[string]struct {
		was, rules string
		data       string // of the event that waits
		why        []string
	}{
		"it cannot be rendered": {rules, strings.Replace(rules, "{{ .Last.Text }}", "{{ .Last.Data.course.x }}", 1), `{"id": 7, "course": "Maths"}`,
			[]string{"it cannot be rendered: "}},
		"its template is gone": {rules, strings.ReplaceAll(rules, "lessons", "changes"), `{"id": 7, "course": "Maths"}`,
			[]string{`no rule uses the template "lessons" any more`}},
		"its users have become all": {single, rules, `{"id": 7, "course": "Maths", "users": ["u-1"]}`,
			[]string{`it is for 1 single user, and the audience "students" is wider now`}},
		"all have become users": {rules, single, `{"id": 7, "course": "Maths"}`,
			[]string{`it is for all of the audience "students", which addresses single users now`}},
		"no send is left": {rules, strings.Replace(rules, "policy: asap", "policy: asap, per_day: 0", 1), `{"id": 7, "course": "Maths"}`,
			[]string{"waiting for a send: the quota leaves no send"}},
	} {
		t.Run(name, func(t *testing.T) {
			was := compiled(t, tt.was)
			l := waitingFor(was, now, tt.data)
			d := Of(old, compiled(t, tt.rules), map[string]Live{"campus": l}, nil, now)[0].Digests[0]
			if d.Goes != Never || !d.Will.IsZero() || len(d.Why) != len(tt.why) {
				t.Fatalf("%+v, want that it never goes, because %q", d, tt.why)
			}
			for n, want := range tt.why {
				if !strings.HasPrefix(d.Why[n], want) {
					t.Errorf("because %q, want %q", d.Why[n], want)
				}
			}
		})
	}
}

func TestADigestIsReKeyedWhereNewEventsOpenOthers(t *testing.T) {
	app := func(by ...string) *mapping.App {
		a := &mapping.App{Rules: []*mapping.Rule{{Audience: "students", Template: "lessons", GroupBy: "cancelled", Cancels: []string{"moved"}}}}
		for _, group := range by {
			a.Rules = append(a.Rules, &mapping.Rule{Audience: "students", Template: "lessons", GroupBy: group})
		}
		return a
	}
	for _, tt := range []struct {
		group    string
		old, now *mapping.App
		why      string // empty: it is kept
	}{
		{"", app(""), app(""), ""},
		{"", nil, app("course", ""), ""},
		{"", app(""), app(), "no rule adds to it any more: none has both students and lessons"},
		{"", app(""), app("course"), "events are grouped by course now, and open digests of their own"},
		{"Maths", app("course"), app(""), "events are no longer grouped, and open a digest without a group"},
		{"Maths", nil, app("", "course"), ""},
		{"Maths", app("course"), app("", "course"), "events are grouped by [nothing course], no longer by [course]"},
	} {
		d := bridge.DigestStatus{Explanation: bridge.Explanation{Audience: "students", Template: "lessons", Group: tt.group}}
		if why := strings.Join(reKeyed(d, tt.old, tt.now), "; "); why != tt.why {
			t.Errorf("of the group %q: %q, want %q", tt.group, why, tt.why)
		}
	}
}

func TestAnAppThatTheRulesDoNotNameMayBeOneThatTheyDo(t *testing.T) {
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	old := compiled(t, rules)
	l := waiting(old, now)
	state := func(began time.Duration) *bridge.State {
		s := l.State()
		s.Began = now.Add(began)
		return s
	}
	for name, tt := range map[string]struct {
		runs, idle bool // campus is run; annex has a state that nobody runs
		left       func(s *bridge.State)
		change     string // of campus
		said       string
	}{
		"it is run, and another is added": {true, false, nil, "removed", "if campus goes on as annex, that one begins anew"},
		"it is run, and another is back":  {true, true, nil, "removed", "if campus goes on as annex, annex goes on from where it was left"},
		"nobody runs it": {false, false, nil, "unnamed",
			"the stream has its state, with 1 item waiting, and nobody runs it: if campus goes on as annex, that one begins anew"},
		"nothing of it waits":      {false, false, func(s *bridge.State) { s.Digests = nil }, "", ""},
		"it has another's App Key": {false, false, func(s *bridge.State) { s.Key = "another" }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			will := compiled(t, strings.ReplaceAll(rules, "campus", "annex"))
			apps, named, s := map[string]Live{}, map[string]*bridge.State{}, state(-time.Hour)
			if tt.runs {
				apps["campus"] = l
			}
			if tt.idle {
				named["annex"] = state(-2 * time.Hour)
				apps["annex"] = Live{Idle: true, State: func() *bridge.State { return state(-2 * time.Hour) }}
			}
			if tt.left != nil {
				tt.left(s)
			}
			all := Of(nil, will, apps, unnamed.Find(map[string]*bridge.State{"campus": s}, named, will, now), now)
			change, said := "", ""
			for _, i := range all {
				if i.App == "campus" {
					change, said = i.Change, strings.Join(i.Changes, "\n")
				}
			}
			if change != tt.change || !strings.Contains(said, tt.said) || strings.Count(said, "goes on as") > 1 {
				t.Errorf("campus is %s: %q, want %s: %q", change, said, tt.change, tt.said)
			}
		})
	}
}

func TestASecretOfAFileIsToldOfOnceAndWithoutItsText(t *testing.T) {
	app := func(secret string) *mapping.RuleSet {
		return &mapping.RuleSet{Apps: map[string]*mapping.App{"campus": {Secret: mapping.Secret(secret)}}}
	}
	inFile, other := []byte("apps: {campus: {app_secret: first}}"), []byte("apps: {campus: {app_secret: second}}")
	for name, tt := range map[string]struct {
		src  []byte
		will string
		want []string
	}{
		"the same":               {inFile, "first", nil},
		"only what it refers to": {inFile, "second", []string{"apps.campus.app_secret: another"}},
		"in the file itself":     {other, "second", []string{"apps.campus.app_secret: another"}},
	} {
		if got := Changes(inFile, tt.src, app("first"), app(tt.will)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	many := "x:"
	for n := range mostDifferences + 2 {
		many += fmt.Sprintf("\n  k%02d: 1", n)
	}
	if got := rulesDiff([]byte(strings.ReplaceAll(many, ": 1", ": 2")), []byte(many)); len(got) != mostDifferences+1 || got[mostDifferences] != "and 2 more" {
		t.Errorf("of many differences it names %q", got)
	}
}

func TestSlotsOfAnotherZoneAreOtherSlots(t *testing.T) {
	in := func(zone *time.Location) *mapping.App {
		return &mapping.App{Quota: mapping.Quota{Policy: mapping.PolicySlots, Slots: []time.Duration{9 * time.Hour}, SlotLocation: zone}}
	}
	got := ruleChanges(in(time.UTC), in(time.FixedZone("Asia/Singapore", 8*3600)), nil)
	if want := []string{"slots: 09:00 Asia/Singapore instead of 09:00 UTC"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
