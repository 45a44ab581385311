package impact

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// quotaChanges compares the new quota with what the daemon reports of its own.
func quotaChanges(app *mapping.App, now bridge.Status, s *bridge.State) []string {
	if s == nil {
		return nil
	}
	var out []string
	limits := bridge.LimitsFor(app.Quota)
	for _, will := range limits.Usage(&s.Ledger, now.At) {
		for _, was := range now.Quota {
			if was.Window == will.Window && was.Max != will.Max {
				out = append(out, fmt.Sprintf("quota of the %s: %s instead of %d", will.Window, bridge.Plural(will.Max, "send", "sends"), was.Max))
			}
		}
	}
	if left := limits.Left(&s.Ledger, now.At); left != now.Left {
		out = append(out, fmt.Sprintf("%s left now instead of %d", bridge.Plural(left, "send", "sends"), now.Left))
	}
	return out
}

// ruleChanges lists what differs for events to come. Items that wait keep the
// window and the expiry that they arrived with.
func ruleChanges(old, app *mapping.App, s *bridge.State) []string {
	if old == nil {
		return nil
	}
	var out []string
	if old.Quota.Policy != app.Quota.Policy {
		out = append(out, fmt.Sprintf("policy: %s instead of %s", app.Quota.Policy, old.Quota.Policy))
	}
	if old.Sender != app.Sender {
		out = append(out, fmt.Sprintf("sender: %s instead of %s", app.Sender, old.Sender))
	}
	if slotsOf(old) != slotsOf(app) {
		out = append(out, fmt.Sprintf("slots: %s instead of %s", slotsOf(app), slotsOf(old)))
	}
	for _, name := range slices.Sorted(maps.Keys(app.Audiences)) {
		if was := old.Audiences[name]; was != nil && quiet(was) != quiet(app.Audiences[name]) {
			out = append(out, fmt.Sprintf("quiet hours of %s: %s instead of %s", name, quiet(app.Audiences[name]), quiet(was)))
		}
	}
	before, after := ruleNames(old), ruleNames(app)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if before[name] == nil {
			out = append(out, "rule "+name+": new")
			continue
		}
		out = append(out, ruleChange(before[name], after[name])...)
	}
	var uncancelled map[string]int
	if s != nil {
		uncancelled = s.Uncancelled(old, app)
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if after[name] == nil {
			said := "rule " + name + ": gone; what it has gathered stays"
			if n := uncancelled[name]; n > 0 {
				said += ", and nothing cancels it any more: " + bridge.Plural(n, "item", "items")
			}
			out = append(out, said)
		}
	}
	return out
}

// sourceChanges lists the streams that an app would read, or would not any more.
func sourceChanges(old, will []mapping.Source, s *bridge.State) (out []string) {
	names := func(list []mapping.Source, stream string) bool {
		return slices.ContainsFunc(list, func(src mapping.Source) bool { return src.Stream == stream })
	}
	read := map[string]bool{} // so far; without sources the streams that it has a checkpoint of
	for _, src := range old {
		read[src.Stream] = true
	}
	if s != nil && len(old) == 0 && len(will) > 0 {
		for stream := range s.Sources {
			read[stream] = true
		}
	}
	if len(old) > 0 && len(will) == 0 {
		return []string{"sources: none; the server is asked which stream stores each subject of the rules"}
	}
	for _, stream := range slices.Sorted(maps.Keys(read)) {
		if !names(will, stream) {
			out = append(out, fmt.Sprintf("stream %s: no longer read; where reading was is kept for when it is named again", stream))
		}
	}
	for _, src := range will {
		if read[src.Stream] {
			continue
		}
		from := "where its start says: " + startOf(src.Start)
		if s != nil {
			if _, known := s.Sources[src.Stream]; known {
				from = "where reading was"
			}
		}
		out = append(out, fmt.Sprintf("stream %s: read, too, from %s", src.Stream, from))
	}
	return out
}

func startOf(s mapping.Start) string {
	switch s.Mode {
	case mapping.StartAll:
		return "all that it has"
	case mapping.StartAtTime:
		return "what was stored since " + s.Time.Format(time.RFC3339)
	}
	return "what is stored from then on"
}

func ruleNames(a *mapping.App) map[string]*mapping.Rule {
	out := map[string]*mapping.Rule{}
	for _, r := range a.Rules {
		out[r.Name] = r
	}
	return out
}

func ruleChange(was, will *mapping.Rule) (out []string) {
	for _, d := range []struct {
		what      string
		was, will any
	}{
		{"when", cmp.Or(was.When, "always"), cmp.Or(will.When, "always")}, {"key", cmp.Or(was.Key, "event.id"), cmp.Or(will.Key, "event.id")},
		{"item", was.Item, will.Item}, {"cancels", strings.Join(was.Cancels, ", "), strings.Join(will.Cancels, ", ")},
		{"audience", was.Audience, will.Audience}, {"template", was.Template, will.Template},
		{"priority", was.Priority, will.Priority}, {"gather idle", was.Gather.Idle, will.Gather.Idle},
		{"gather at_most", was.Gather.AtMost, will.Gather.AtMost}, {"gather max_items", was.Gather.MaxItems, will.Gather.MaxItems},
		{"expires_after", was.ExpiresAfter, will.ExpiresAfter},
	} {
		if d.was != d.will {
			out = append(out, fmt.Sprintf("rule %s: %s %s instead of %s%s", will.Name, d.what, asWritten(d.will), asWritten(d.was), direction(d.was, d.will)))
		}
	}
	if !slices.Equal(was.On, will.On) {
		out = append(out, fmt.Sprintf("rule %s: listens to %v instead of %v", will.Name, will.On, was.On))
	}
	return out
}

// direction is what a longer or shorter time means for the events to come.
func direction(was, will any) string {
	a, ok1 := was.(time.Duration)
	b, ok2 := will.(time.Duration)
	switch {
	case !ok1 || !ok2:
		return ""
	case b < a:
		return " (earlier, for events to come)"
	}
	return " (later, for events to come)"
}

func quiet(a *mapping.Audience) string {
	q := a.QuietHours
	if q == nil {
		return "none"
	}
	all := ""
	if q.ForAll {
		all = " for all"
	}
	return fmt.Sprintf("%s-%s %s%s", clockOf(q.From), clockOf(q.To), a.Location, all)
}

// moved says that what waits for an audience would go to other people than before.
func moved(audience string, old, app *mapping.App) []string {
	if old == nil || old.Audiences[audience] == nil || app.Audiences[audience] == nil {
		return nil
	}
	was, will := reachOf(old.Audiences[audience]), reachOf(app.Audiences[audience])
	if was == will {
		return nil
	}
	return []string{fmt.Sprintf("it would go to %s instead of %s", will, was)}
}

func sortedList(words []string) string {
	return strings.Join(slices.Sorted(slices.Values(words)), ", ")
}

// reachOf says in words whom an audience is.
func reachOf(a *mapping.Audience) string {
	out := "everyone"
	switch {
	case a.HasUsers && a.Package != "":
		out = "users with the package " + a.Package
	case a.HasUsers:
		out = "users"
	case !a.Everyone:
		out = "the package " + a.Package
	}
	if len(a.TagsAll) > 0 {
		out += " with all of the tags " + sortedList(a.TagsAll)
	}
	if len(a.TagsAny) > 0 {
		out += " with any of the tags " + sortedList(a.TagsAny)
	}
	return out + " on " + sortedList(a.Platforms)
}

// asWritten is a value as rules files have it.
func asWritten(v any) string {
	if d, ok := v.(time.Duration); ok {
		return mapping.FormatSpan(d)
	}
	return fmt.Sprint(v)
}

func slotsOf(app *mapping.App) string {
	var slots []string
	for _, s := range app.Quota.Slots {
		slots = append(slots, clockOf(s))
	}
	if len(slots) == 0 {
		return "none"
	}
	return strings.Join(slots, ", ") + " " + app.Quota.SlotLocation.String()
}

func clockOf(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60)
}

// lost says why what waits for an audience, or for so many single users of it,
// would not be sent.
func lost(audience, template string, users int, app *mapping.App) (why []string) {
	if app.Audiences[audience] == nil {
		why = append(why, fmt.Sprintf("the audience %q is gone", audience))
	}
	if app.Templates[template] == nil {
		why = append(why, fmt.Sprintf("no rule uses the template %q any more", template))
	}
	switch a := app.Audiences[audience]; {
	case a == nil || a.HasUsers == (users > 0):
	case a.HasUsers:
		why = append(why, fmt.Sprintf("it is for all of the audience %q, which addresses single users now", audience))
	default:
		why = append(why, fmt.Sprintf("it is for %s, and the audience %q is wider now", bridge.Plural(users, "single user", "single users"), audience))
	}
	return why
}

// stateChanges says what the rules mean for what the state has beside its digests.
func stateChanges(app *mapping.App, s *bridge.State, now time.Time) (out []string) {
	if s.OtherKey(app) {
		out = append(out, "its App Key is another one: it is paused until belfry resume, since nobody here knows what was sent with that")
	}
	for _, m := range s.VoidMutes(app, now) {
		out = append(out, fmt.Sprintf("mute %s (%s) mutes nothing: the rules do not have what it names", m.ID, m.Scope()))
	}
	return out
}
