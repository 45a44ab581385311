package bridge

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// reload takes the newest rules: the same digests, windows, mutes and ledger
// go on under them.
func (t *tenure) reload(ctx context.Context) error {
	rules := t.Bridge.rules.Load()
	provider, err := t.cfg.Provider(rules.App)
	if err != nil {
		t.log.Error("cannot use the new rules, keeping the old ones", "err", err)
		t.cfg.Note("provider.unusable", fmt.Errorf("the new rules are not in force, the old ones go on until this replica leaves the app: %w of %s: %w", errProvider, t.name, err))
		return nil
	}
	t.cfg.Note("provider.unusable", nil)
	t.reader.stop()
	was := t.rules.App
	t.rules, t.provider = rules, provider
	t.planner.forget()
	t.warnOfUncancelled(was)
	t.warnOfVoidMutes(time.Now())
	t.adopt(t.state, time.Now())
	t.cfg.Note("digest.unsendable", nil)
	t.touch()
	t.startReading(ctx)
	return nil
}

// adopt takes over the rules in force. With another App Key the app is another
// one to the provider: its users and its quota are not those of the ledger.
func (t *tenure) adopt(s *State, now time.Time) {
	if changed := s.adopt(t.rules.App); !changed {
		return
	}
	s.pause("its App Key has changed: what it has sent and the quota that it has used were another's, and what was sent with this one is not known here", now)
	t.log.Error("the App Key has changed; the app is paused", "why", s.Paused.Why,
		"remedy", "if it was a mistake, put the App Key of before back; else record what was sent with this one (belfry quota spend) and see what waits (belfry digests); then, either way, belfry resume --app "+t.name)
}

// adopt notes what the rules in force are, and forgets the failures of those
// that are gone. It reports whether the App Key is another than before.
func (s *State) adopt(app *mapping.App) (changed bool) {
	changed = s.OtherKey(app)
	s.Key = keyHash(app)
	maps.DeleteFunc(s.Failed, func(rule string, _ int) bool { return !hasRule(app, rule) })
	maps.DeleteFunc(s.FailedOn, func(rule string, _ FailedEvent) bool { return !hasRule(app, rule) })
	return changed
}

func (t *tenure) warnOfVoidMutes(now time.Time) {
	for _, m := range t.state.VoidMutes(t.rules.App, now) {
		t.log.Warn("a mute mutes nothing: the rules do not have what it names", "mute", m.ID, "of", m.Scope(),
			"remedy", "if it was renamed, belfry mute the new name")
	}
}

func (t *tenure) warnOfUncancelled(was *mapping.App) {
	n := t.state.Uncancelled(was, t.rules.App)
	for _, rule := range slices.Sorted(maps.Keys(n)) {
		t.log.Warn("a rule is gone or renamed, and nothing cancels any more what it has gathered", "rule", rule, "items", n[rule],
			"remedy", "give the rule its old name again for as long as they wait; or see them with belfry digests, and keep them with belfry mute")
	}
}
