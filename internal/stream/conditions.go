package stream

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

// ConditionName names a kind of trouble that operators can look up.
type ConditionName string

// The conditions, and how each is left.
const (
	// Disconnected holds while there is no connection to NATS; it is tried for ever.
	Disconnected ConditionName = "nats.disconnected"
	// Permissions holds for a subject that the server refused; it is cleared
	// when the subject was used with success, and on a new connection.
	Permissions ConditionName = "nats.permissions"
	// StreamMissing holds until the stream exists.
	StreamMissing ConditionName = "stream.missing"
	// StreamMismatch holds until a stream of ours is configured as it must be.
	StreamMismatch ConditionName = "stream.mismatch"
	// StreamUnavailable holds while a stream exists but cannot be used: no
	// leader, no JetStream, no answer in time.
	StreamUnavailable ConditionName = "stream.unavailable"
	// StreamRewound holds while a stream's end lies before our checkpoint,
	// until it has caught up or the loss is reported as a gap.
	StreamRewound ConditionName = "stream.rewound"
	// SourceNone holds for a subject that no stream stores, or none of those
	// that the rules name.
	SourceNone ConditionName = "source.none"
	// SourceRefused holds while a stream of our subjects is left out, because it
	// cannot be read as it is, or because nobody has said whether to read it.
	SourceRefused ConditionName = "source.refused"
	// SourceInterrupted holds while the events of a stream cannot be read.
	SourceInterrupted ConditionName = "source.interrupted"
	// ResultsUnavailable holds while results cannot be published.
	ResultsUnavailable ConditionName = "results.unavailable"
	// LeaseUnavailable holds while an app's lease can be neither read nor renewed.
	LeaseUnavailable ConditionName = "lease.unavailable"
	// AppUnnamed holds while our stream has the state of an app that the rules do
	// not name, with items that wait, broadcasts in doubt or sends that still count.
	// Whether the app was renamed, or given up, only people know.
	AppUnnamed ConditionName = "app.unnamed"
)

// maxConditions bounds what a flood of different subjects can pile up. Beyond it there
// is room for what is about all of NATS: a replica without a connection is not ready.
const maxConditions = 200

// Conditions is the set of troubles that hold at the moment. It is safe for
// use by several goroutines.
type Conditions struct {
	now    func() time.Time
	listen func(c bridge.Condition, active bool)

	telling sync.Mutex // held while listen runs, so that news stay in order
	mu      sync.Mutex // guards active
	active  map[conditionKey]bridge.Condition
}

type conditionKey struct {
	name  ConditionName
	about string
}

// NewConditions returns an empty set. listen may be nil; it is called when a
// condition begins (active) and when it ends, one call at a time, and must
// not change the set itself.
func NewConditions(now func() time.Time, listen func(c bridge.Condition, active bool)) *Conditions {
	if listen == nil {
		listen = func(bridge.Condition, bool) {}
	}
	return &Conditions{now: now, listen: listen, active: map[conditionKey]bridge.Condition{}}
}

// Set says that a condition holds. If it held already only its message changes.
func (c *Conditions) Set(name ConditionName, about, message string) {
	c.tell(name, about, message, true)
}

// setIfNew is Set, but leaves the message of a condition that holds already.
func (c *Conditions) setIfNew(name ConditionName, about, message string) {
	c.tell(name, about, message, false)
}

func (c *Conditions) tell(name ConditionName, about, message string, replace bool) {
	c.telling.Lock()
	defer c.telling.Unlock()
	if news, fresh := c.set(name, about, message, replace); fresh {
		c.listen(news, true)
	}
}

func (c *Conditions) set(name ConditionName, about, message string, replace bool) (bridge.Condition, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := conditionKey{name, about}
	held, ok := c.active[key]
	if ok && !replace || !ok && about != "" && len(c.active) >= maxConditions {
		return bridge.Condition{}, false
	}
	if !ok {
		held = bridge.Condition{Name: string(name), About: about, Since: c.now()}
	}
	held.Message = message
	c.active[key] = held
	return held, !ok
}

// hold is Set, or Clear where there is no message.
func (c *Conditions) hold(name ConditionName, about, message string) {
	if message == "" {
		c.Clear(name, about)
		return
	}
	c.Set(name, about, message)
}

// Clear says that a condition no longer holds.
func (c *Conditions) Clear(name ConditionName, about string) {
	c.clear(func(k conditionKey) bool { return k == conditionKey{name, about} })
}

// ClearAll says that a condition no longer holds about anything.
func (c *Conditions) ClearAll(name ConditionName) {
	c.clear(func(k conditionKey) bool { return k.name == name })
}

func (c *Conditions) clear(which func(conditionKey) bool) {
	c.telling.Lock()
	defer c.telling.Unlock()
	for _, ended := range c.remove(which) {
		c.listen(ended, false)
	}
}

func (c *Conditions) remove(which func(conditionKey) bool) []bridge.Condition {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ended []bridge.Condition
	for key, held := range c.active {
		if which(key) {
			ended = append(ended, held)
			delete(c.active, key)
		}
	}
	slices.SortFunc(ended, byNameAndAbout)
	return ended
}

// Active lists what holds at the moment, by name and then by what it is about.
func (c *Conditions) Active() []bridge.Condition {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]bridge.Condition, 0, len(c.active))
	for _, held := range c.active {
		list = append(list, held)
	}
	slices.SortFunc(list, byNameAndAbout)
	return list
}

// Find returns a condition if it holds.
func (c *Conditions) Find(name ConditionName, about string) (bridge.Condition, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, ok := c.active[conditionKey{name, about}]
	return held, ok
}

func byNameAndAbout(a, b bridge.Condition) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.About, b.About))
}
