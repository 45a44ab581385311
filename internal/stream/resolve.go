package stream

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/mapping"
)

// plan is what to read: per stream, its filters and where to begin without a
// checkpoint.
type plan map[string]streamPlan

type streamPlan struct {
	subjects []string // as the rules have them
	filters  []string // what the consumer gets: the same without overlaps
	start    mapping.Start
	named    bool // by the rules file: waited for while it is missing
}

func (p plan) equal(other plan) bool {
	return maps.EqualFunc(p, other, func(a, b streamPlan) bool { return slices.Equal(a.filters, b.filters) })
}

// clockMargin covers how far our clock may be ahead of the server's.
const clockMargin = time.Minute

// startAwaited replaces "what is new" for a stream that was not there when we
// began: what it stored before we found it is new as well.
func startAwaited(start mapping.Start, since time.Time) mapping.Start {
	if start.Mode == mapping.StartNew {
		start = mapping.Start{Mode: mapping.StartAtTime, Time: since.Add(-clockMargin).UTC()}
	}
	return start
}

// resolved is what a look at the server's streams gave.
type resolved struct {
	plan    plan
	missing []string // subjects that no stream stores
	none    string   // the same for people; empty: nothing is missing
	refused []string // for people: what is left out, why, and the remedy
	partial []string // subjects of which a stream is left out, or the stream itself if the rules name it
	lossy   []string // streams that may drop events in their midst, where no gap shows
}

// resolve finds the streams to read. Streams that cannot be read in place are
// refused here, before anything is consumed.
//
// Where nothing was ever read, what needs a decision is a permanent error. An
// app that has been reading goes on with the streams that it knows, in this
// process and in the next: a stream that somebody adds must not stop it.
func (l *search) resolve(ctx context.Context) (resolved, error) {
	if len(l.sources) > 0 {
		return l.resolveNamed(ctx)
	}
	found, err := l.planSubjects(ctx)
	if err != nil {
		return resolved{}, err
	}
	for name, sp := range found.plan {
		cfg, err := l.inspect(ctx, &found, name, sp.subjects...)
		if err != nil {
			return resolved{}, err
		}
		if cfg != nil {
			found.noteTransformed(name, sp.subjects, *cfg)
		}
	}
	return found, nil
}

// inspect looks at a stream that is to be read, and leaves it out, with what is not
// read then, where it cannot be. Without a configuration its reader waits for it, or
// finds out what became of it.
func (l *search) inspect(ctx context.Context, found *resolved, name string, unread ...string) (*jetstream.StreamConfig, error) {
	info, err := l.js.streamInfo(ctx, name)
	switch {
	case err != nil && !isMissing(err) && (ctx.Err() != nil || !l.js.nc.IsConnected()):
		return nil, fmt.Errorf("cannot look at stream %s: %w", name, err)
	case err != nil:
		return nil, nil //nolint:nilerr // its own trouble: one without a leader, say, must not keep the others from being read
	}
	if info.Config.MaxMsgsPerSubject > 0 {
		found.lossy = append(found.lossy, name)
	}
	if err := readable(name, info.Config); err != nil {
		if len(l.known) == 0 {
			return nil, err
		}
		delete(found.plan, name)
		found.leaveOut(err, unread...)
	}
	return &info.Config, nil
}

// resolveNamed plans to read every subject from every stream that the rules
// name. As long as one of them does not exist, it may be the one that stores
// a subject which the others don't.
func (l *search) resolveNamed(ctx context.Context) (resolved, error) {
	found, stored, all := resolved{plan: plan{}}, map[string]bool{}, true
	for _, source := range l.sources {
		found.plan[source.Stream] = streamPlan{subjects: l.subjects, filters: Filters(l.subjects), start: source.Start, named: true}
		cfg, err := l.inspect(ctx, &found, source.Stream, source.Stream)
		if err != nil {
			return resolved{}, err
		}
		if cfg == nil {
			all = false
			continue
		}
		for _, subject := range mayHave(l.subjects, *cfg) {
			stored[subject] = true
		}
	}
	if all {
		found.missing = slices.DeleteFunc(slices.Clone(l.subjects), func(s string) bool { return stored[s] })
		found.none = l.elsewhere(ctx, found.missing)
	}
	return found, nil
}

// elsewhere says of subjects that none of the named streams stores which
// stream does.
func (l *search) elsewhere(ctx context.Context, missing []string) string {
	if len(missing) == 0 {
		return ""
	}
	said := make([]string, len(missing))
	for i, subject := range missing {
		said[i] = subject
		if names, err := l.streamsOf(ctx, subject); err == nil && len(names) > 0 {
			said[i] += " (stored by " + strings.Join(names, ", ") + ")"
		}
	}
	return "none of the streams under sources: in the rules file stores " + strings.Join(said, ", ") +
		": these events are not read; name the stream that stores them there too, or mend the rule's subject"
}

// mayHave leaves out what a stream cannot have. One that copies others, or has
// no subjects of its own, may have anything.
func mayHave(subjects []string, cfg jetstream.StreamConfig) []string {
	stored := storedSubjects(cfg)
	if cfg.Mirror != nil || len(cfg.Sources) > 0 || len(stored) == 0 {
		return subjects
	}
	return slices.DeleteFunc(slices.Clone(subjects), func(subject string) bool {
		return !slices.ContainsFunc(stored, func(s string) bool { return overlap(subject, s) })
	})
}

// storedSubjects are those under which a stream's messages are found.
func storedSubjects(cfg jetstream.StreamConfig) []string {
	t := cfg.SubjectTransform
	if t == nil || len(cfg.Subjects) == 0 {
		return cfg.Subjects
	}
	var out []string
	for _, s := range cfg.Subjects {
		if t.Source != "" && !mapping.Covers(t.Source, s) { // some of it is stored as it is
			out = append(out, s)
		}
	}
	tokens := strings.Split(t.Destination, ".")
	for i, token := range tokens {
		if strings.Contains(token, "{") && !strings.Contains(strings.ToLower(token), "wildcard") && !strings.Contains(strings.ToLower(token), "partition") {
			tokens = append(tokens[:i], ">") // a function that may give several tokens
			break
		}
		if strings.ContainsAny(token, "{$") { // a part of the original, or a number
			tokens[i] = "*"
		}
	}
	return append(out, strings.Join(tokens, "."))
}

// noteTransformed tells of subjects that a stream takes, and stores under another name.
func (r *resolved) noteTransformed(name string, subjects []string, cfg jetstream.StreamConfig) {
	if cfg.SubjectTransform == nil {
		return
	}
	stored := mayHave(subjects, cfg)
	for _, subject := range subjects {
		if !slices.Contains(stored, subject) {
			r.missing = append(r.missing, subject)
			r.none = strings.TrimPrefix(r.none+fmt.Sprintf("; the stream %s stores %s as %s: use that subject in the rules, and name the stream under sources:",
				name, subject, cfg.SubjectTransform.Destination), "; ")
		}
	}
}

func (r *resolved) leaveOut(why error, subjects ...string) {
	r.refused = append(r.refused, strings.TrimSuffix(why.Error(), ": "+ErrPermanent.Error()))
	slices.Sort(r.refused)
	r.partial = append(r.partial, subjects...)
}

// planSubjects asks the server which stream stores each subject.
func (l *search) planSubjects(ctx context.Context) (resolved, error) {
	found, wanted := resolved{plan: plan{}}, map[string][]string{}
	for _, subject := range l.subjects {
		names, err := l.streamsOf(ctx, subject)
		if err != nil {
			return resolved{}, fmt.Errorf("cannot look for the stream of %s: %w", subject, err)
		}
		if len(names) == 0 {
			found.missing = append(found.missing, subject)
		}
		if len(names) > 1 {
			read, err := l.choose(subject, names)
			switch {
			case err != nil && len(l.known) == 0:
				return resolved{}, err
			case err != nil:
				found.leaveOut(err, subject)
			}
			names = read
		}
		for _, name := range names {
			wanted[name] = append(wanted[name], subject)
		}
	}
	for name, list := range wanted {
		found.plan[name] = streamPlan{subjects: list, filters: Filters(list)}
	}
	if len(found.missing) > 0 {
		found.none = "no stream stores " + strings.Join(found.missing, ", ") + "; create one, or name one under sources: in the rules file"
	}
	return found, nil
}

// choose takes, of several streams, those that were read before. What else
// there is may hold copies of the same events, or others that nobody wants.
func (l *search) choose(subject string, names []string) (read []string, err error) {
	for _, name := range names {
		if l.known[name] {
			read = append(read, name)
		}
	}
	if len(read) == len(names) {
		return read, nil
	}
	so := ""
	if len(read) > 0 {
		so = ", and only " + strings.Join(read, ", ") + " is read, as before"
	}
	return read, fmt.Errorf("cannot choose a stream for %s: %s all have it%s; name the ones to read under sources: in the rules file: %w",
		subject, strings.Join(names, ", "), so, ErrPermanent)
}

// streamsOf lists the streams that store something of subject, without our own.
func (s *source) streamsOf(ctx context.Context, subject string) ([]string, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	lister := s.js.js.StreamNames(ctx, jetstream.WithStreamListSubject(subject))
	var names []string
	for name := range lister.Name() {
		if name != s.js.cfg.StateStream && name != s.js.cfg.ResultStream {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, s.js.cfg.Conditions.explain("$JS.API.STREAM.NAMES", lister.Err())
}

// readable refuses streams of ours, which would feed on what they bring about,
// and those in which reading without acknowledgements is not harmless: there a
// message lives until each consumer has acknowledged it.
func readable(name string, cfg jetstream.StreamConfig) error {
	if slices.ContainsFunc(cfg.Subjects, func(s string) bool {
		return strings.HasPrefix(s, ResultSubjects) || strings.HasPrefix(s, StateSubjects)
	}) {
		return fmt.Errorf("cannot read stream %s: Belfry stores in it what becomes of events, and each broadcast would bring about the next: %w", name, ErrPermanent)
	}
	if cfg.Retention == jetstream.LimitsPolicy {
		return nil
	}
	kind := "Interest"
	if cfg.Retention == jetstream.WorkQueuePolicy {
		kind = "WorkQueue"
	}
	return fmt.Errorf("cannot read stream %s: it has %s retention, where messages exist only until they are acknowledged, and Belfry reads without acknowledging; "+
		"create a stream with limits retention that has %s as its source (nats stream add %s_EVENTS --source %s --retention limits --defaults) and name that one under sources: in the rules file: %w",
		name, kind, name, name, name, ErrPermanent)
}
