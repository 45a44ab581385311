package mapping

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Bounds of what an event contributes, so that the durable state stays small.
const (
	maxItemData = 8 << 10 // bytes of Item.Data
	maxItemText = 4 << 10 // bytes of Item.Text
	maxKey      = 256     // bytes of a key, a group, an event's id or type
)

// Reasons of dead letters, one token of their subject each.
const (
	DeadUndecodable = "undecodable" // not JSON, or not a valid CloudEvent, and a rule asks for its data
	DeadBatch       = "batch"       // a batch of CloudEvents
	DeadExpression  = "expression"  // an expression failed, and the rule says on_error: deadletter
	DeadOversized   = "oversized"   // what templates would see as .Data is more than 8 KiB
)

// matcher is what an app needs to decide, made once per reload.
type matcher struct {
	subjects    subjectTree
	rules       []*compiledRule // as in App.Rules
	templates   map[string]*compiledTemplate
	maxBody     int
	exprs       *expressions // for explanations
	evaluations sync.Pool
}

// Subjects lists the NATS subjects that the app's rules ask for, without
// duplicates and without those that another of them covers.
func (a *App) Subjects() []string {
	var all []string
	for _, r := range a.Rules {
		all = append(all, r.On...)
	}
	return WithoutCovered(all)
}

func (m *matcher) evaluation() *evaluation {
	if e, ok := m.evaluations.Get().(*evaluation); ok {
		return e
	}
	return newEvaluation()
}

// release forgets the message, whose memory belongs to its reader.
func (m *matcher) release(e *evaluation) {
	clear(e.env.body)
	clear(e.env.members)
	clear(e.fields)
	e.env = envelope{body: e.env.body[:0], members: e.env.members[:0]}
	m.evaluations.Put(e)
}

// Map decides what a message means for the app. It never fails: what cannot
// be decoded or evaluated is part of the decision.
//
// The event of the decision is filled in only when there is something to
// decide about it.
func (a *App) Map(m *Message) Decision {
	e := a.matcher.evaluation()
	defer a.matcher.release(e)
	e.rules = a.matcher.subjects.match(m.Subject, e.rules[:0])
	if len(e.rules) == 0 {
		return Decision{Foreign: true}
	}
	if isMarker(m) {
		return Decision{}
	}
	var d Decision
	undecodable := e.open(m)
	for _, i := range e.rules {
		a.matcher.rules[i].decide(e, undecodable, &d)
	}
	return e.named(d)
}

// EventOf reads who a message says that it is, for those that Map has nothing to say about.
func (a *App) EventOf(m *Message) Event {
	e := a.matcher.evaluation()
	defer a.matcher.release(e)
	_ = e.open(m) // what cannot be read has the name of its place in the stream
	return e.env.event()
}

// isMarker tells from an event what is for the server: its note that a message was removed,
// by its age, say, which it stores under the message's subject (nats-server 2.11, stream
// option subject_delete_marker_ttl), and the definition of a schedule (2.12).
func isMarker(m *Message) bool {
	_, marked := m.Header["Nats-Marker-Reason"]
	_, schedule := m.Header["Nats-Schedule"] // of a message that the server is to publish later
	return marked && len(m.Data) == 0 || schedule
}

// named adds the event to a decision that has something to say about it.
func (e *evaluation) named(d Decision) Decision {
	if len(d.Matches)+len(d.Failures)+len(d.Dead) > 0 {
		d.Event = e.env.event()
	}
	return d
}

func (r *compiledRule) decide(e *evaluation, undecodable error, d *Decision) {
	var m Match
	part, dead, err := r.judge(e, undecodable, &m)
	switch {
	case errors.Is(err, errNoMatch): // what most rules say
	case err == nil:
		d.Matches = append(d.Matches, m)
	case dead == DeadBatch || dead == DeadUndecodable: // of the event: once, whatever the number of rules that ask
		if !slices.ContainsFunc(d.Dead, func(l DeadLetter) bool { return l.Reason == dead }) {
			d.Dead = append(d.Dead, DeadLetter{Reason: dead, Err: err})
		}
	case dead == DeadOversized:
		d.Dead = append(d.Dead, DeadLetter{dead, r.Name, err})
	default:
		d.Failures = append(d.Failures, Failure{r.Name, part, err})
		if dead != "" {
			d.Dead = append(d.Dead, DeadLetter{dead, r.Name, fmt.Errorf("%s: %w", part, err)})
		}
	}
}

// judge says whether an event matches the rule, or why not: which part failed, if
// one did, and the reason of the dead letter, if there is to be one.
func (r *compiledRule) judge(e *evaluation, undecodable error, m *Match) (part, dead string, err error) {
	switch {
	case errors.Is(undecodable, errBatch):
		return "", DeadBatch, undecodable
	case undecodable != nil && r.needs:
		return "", DeadUndecodable, undecodable
	}
	part, err = r.match(e, m)
	switch {
	case err == nil || errors.Is(err, errNoMatch):
	case errors.Is(err, errOversized):
		dead = DeadOversized
	case r.needs && e.env.garbled():
		dead, err = DeadUndecodable, e.env.dataErr
	case r.dead:
		dead = DeadExpression
	}
	return part, dead, err
}

var (
	errNoMatch   = errors.New("the condition does not hold")
	errOversized = errors.New("what templates would see as .Data is more than 8 KiB: choose what they need with \"with\"")
)

// match evaluates a rule, part by part. part names the one that failed.
func (r *compiledRule) match(e *evaluation, m *Match) (part string, err error) {
	if r.when != nil {
		ok, err := r.when.evalBool(e)
		if err != nil {
			return "when", err
		}
		if !ok {
			return "", errNoMatch
		}
	}
	key := e.env.id()
	if r.key != nil {
		if key, err = r.key.evalText(e); err != nil {
			return "key", err
		}
	}
	*m = Match{Rule: r.Name, Audience: r.Audience, Template: r.Template, Gather: r.Gather, Cancels: r.Cancels}
	m.Item.Key = bounded(key)
	if len(r.Cancels) > 0 {
		return "", nil
	}
	if part, err = r.reach(e, m); err != nil {
		return part, err
	}
	return r.fill(e, &m.Item)
}

// reach evaluates whom the item goes to.
func (r *compiledRule) reach(e *evaluation, m *Match) (part string, err error) {
	if r.group != nil {
		group, err := r.group.evalText(e)
		if err != nil {
			return "group_by", err
		}
		m.Group = bounded(group)
	}
	if r.users == nil {
		return "", nil
	}
	if m.Users, err = r.users.evalUsers(e); err != nil {
		return "users", err
	}
	if len(m.Users) == 0 {
		return "users", errors.New("the list of users is empty")
	}
	return "", nil
}

// fill evaluates what the item says.
func (r *compiledRule) fill(e *evaluation, it *Item) (part string, err error) {
	msg := e.env.msg
	it.Rule, it.EventID, it.Type, it.Time = r.Name, bounded(e.env.id()), bounded(e.env.eventType()), e.env.time()
	it.Arrived, it.ReadyBy, it.Expires = msg.Time, msg.Time.Add(r.Gather.AtMost), msg.Time.Add(r.ExpiresAfter)
	it.Priority = r.Priority
	if it.Data, err = r.data(e); err != nil {
		return "with", err
	}
	if len(it.Data) > maxItemData {
		return "with", errOversized
	}
	if r.item != nil {
		text, err := r.item.run(eventDot(e, &r.item.uses), r.audience.Location)
		if err != nil {
			return "item", err
		}
		text = strings.ToValidUTF8(text, "\uFFFD")
		if it.Text = cutBytes(text, maxItemText); len(text) > maxItemText {
			it.Was = len(text)
		}
	}
	return "", nil
}

// data is what templates see as .Data: the default is event.data, if there is any.
func (r *compiledRule) data(e *evaluation) ([]byte, error) {
	switch {
	case r.with != nil:
		v, err := r.with.eval(e)
		if err != nil {
			return nil, err
		}
		return appendJSON(nil, v)
	case r.withKeys != nil:
		return r.members(e)
	}
	if len(e.env.data) > maxItemData {
		return nil, errOversized
	}
	return bytes.Clone(e.env.data), nil
}

func (r *compiledRule) members(e *evaluation) ([]byte, error) {
	out := []byte{'{'}
	for i, name := range r.withKeys {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendJSONString(out, name), ':')
		v, err := r.withVals[i].eval(e)
		if err == nil {
			out, err = appendJSON(out, v)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return append(out, '}'), nil
}

// bounded keeps long keys distinct in few bytes, and those that are no UTF-8
// in what JSON can hold.
func bounded(key string) string {
	if len(key) <= maxKey && utf8.ValidString(key) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return cutBytes(strings.ToValidUTF8(key, "\uFFFD"), maxKey-40) + hex.EncodeToString(sum[:16])
}
