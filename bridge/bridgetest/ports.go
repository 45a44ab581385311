package bridgetest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// Lease is a bridge.Lease that grants at once, until Revoke.
type Lease struct {
	mu       sync.Mutex
	lost     chan struct{}
	over     bool
	emptied  chan struct{}
	vanished string
	away     chan struct{} // nil: no other replica has the lease
	given    bool          // away since the latest Acquire
	alone    bool
	Acquired int
	Released int
}

// Acquire implements bridge.Lease.
func (l *Lease) Acquire(ctx context.Context) (<-chan struct{}, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	away := l.away
	l.mu.Unlock()
	if away != nil {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-away:
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alone, l.given = !l.given, false
	l.Acquired++
	l.over = false
	l.lost = make(chan struct{})
	return l.lost, nil
}

// Holds implements bridge.Lease.
func (l *Lease) Holds() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.over
}

// Emptied implements bridge.Lease.
func (l *Lease) Emptied() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.signal()
}

func (l *Lease) signal() chan struct{} {
	if l.emptied == nil {
		l.emptied = make(chan struct{}, 1)
	}
	return l.emptied
}

// Alone implements bridge.Lease.
func (l *Lease) Alone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.alone
}

// Vanished implements bridge.Lease.
func (l *Lease) Vanished() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.vanished
}

// Empty tells the owner of a store that has lost what it had; Store.Set does
// the emptying itself.
func (l *Lease) Empty() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.signal() <- struct{}{}:
	default:
	}
}

// Vanish lets the replica know whose state the store has lost.
func (l *Lease) Vanish(owner string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.vanished = owner
}

// Oversleep lets the lease be over without anyone having been told yet, as
// after a suspension of the process.
func (l *Lease) Oversleep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

// Release implements bridge.Lease.
func (l *Lease) Release(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Released++
	return nil
}

// Revoke takes the lease away.
func (l *Lease) Revoke() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.lost)
	l.lost, l.over = make(chan struct{}), true
}

// GiveAway lets another replica have the lease from the next Acquire on, until
// the returned function is called.
func (l *Lease) GiveAway() (back func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	away := make(chan struct{})
	l.away, l.given = away, true
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.away = nil
		close(away)
	}
}

// Source is one stream in memory: a bridge.Source that follows what Append adds.
type Source struct {
	mu       sync.Mutex
	stream   string
	created  time.Time
	messages []mapping.Message
	grown    chan struct{}
	reads    int
	Fault    func() error // of Get; nil: never
}

// NewSource returns an empty stream.
func NewSource(stream string, created time.Time) *Source {
	return &Source{stream: stream, created: created, grown: make(chan struct{})}
}

// Append stores messages at the given time; sequence and stream are filled in.
func (s *Source) Append(at time.Time, messages ...mapping.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range messages {
		m.Stream, m.Sequence, m.Time = s.stream, uint64(len(s.messages)+1), at
		s.messages = append(s.messages, m)
	}
	close(s.grown)
	s.grown = make(chan struct{})
}

// Reads is how often reading was begun.
func (s *Source) Reads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// Read implements bridge.Source.
func (s *Source) Read(ctx context.Context, subjects []string, _ []mapping.Source, from map[string]bridge.Checkpoint, out chan<- bridge.Batch) error {
	s.mu.Lock()
	s.reads++
	s.mu.Unlock()
	for stream, at := range from {
		if stream == s.stream {
			continue
		}
		select { // it is not read any more
		case out <- bridge.Batch{Stream: stream, Checkpoint: at}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	next, greeted := from[s.stream].Sequence, false
	for {
		s.mu.Lock()
		fresh, grown := slices.Clone(s.messages[next:]), s.grown
		s.mu.Unlock()
		if len(fresh) > 0 || !greeted {
			next += uint64(len(fresh))
			batch := bridge.Batch{
				Stream: s.stream, Messages: slices.DeleteFunc(fresh, func(m mapping.Message) bool { return !slices.Contains(subjects, m.Subject) }),
				Checkpoint: bridge.Checkpoint{Created: s.created, Sequence: next},
			}
			greeted = true
			select {
			case out <- batch:
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Get implements bridge.Source.
func (s *Source) Get(_ context.Context, stream string, sequence uint64) (mapping.Message, error) {
	if s.Fault != nil {
		if err := s.Fault(); err != nil {
			return mapping.Message{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stream != s.stream || sequence == 0 || sequence > uint64(len(s.messages)) {
		return mapping.Message{}, bridge.ErrMessageGone
	}
	return s.messages[sequence-1], nil
}

// Publisher is a bridge.Publisher that keeps what was published, once for each id.
type Publisher struct {
	mu     sync.Mutex
	all    []bridge.Publication
	latest map[string]bridge.LatestResult // of each app
	Fail   func(bridge.Publication) error // nil: never
}

// Latest implements bridge.Publisher.
func (p *Publisher) Latest(_ context.Context, app string) (bridge.LatestResult, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Fail != nil {
		if err := p.Fail(bridge.Publication{}); err != nil {
			return bridge.LatestResult{}, err
		}
	}
	return p.latest[app], nil
}

// Publish implements bridge.Publisher.
func (p *Publisher) Publish(ctx context.Context, m bridge.Publication) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Fail != nil {
		if err := p.Fail(m); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(p.all, func(o bridge.Publication) bool { return o.ID == m.ID }) {
		p.all = append(p.all, m)
		p.note(m)
	}
	return nil
}

func (p *Publisher) note(m bridge.Publication) {
	rest, isResult := strings.CutPrefix(m.Subject, "belfry.result.")
	if !isResult {
		return
	}
	if p.latest == nil {
		p.latest = map[string]bridge.LatestResult{}
	}
	app, _, _ := strings.Cut(rest, ".")
	p.latest[app] = bridge.LatestResult{At: time.Now(), Commit: strings.Join(m.Header[bridge.CommitHeader], "")}
}

// Published returns everything that was published, in order.
func (p *Publisher) Published() []bridge.Publication {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.all)
}

// Forget loses everything that was published.
func (p *Publisher) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all, p.latest = nil, nil
}

// Provider is a bridge.Provider that answers as it is told and remembers
// every send that reached it.
type Provider struct {
	mu     sync.Mutex
	sends  []bridge.Send
	Answer func(ctx context.Context, n int, s bridge.Send) bridge.Outcome // of the n-th send, from 1; nil: accepted
}

// Send implements bridge.Provider.
func (p *Provider) Send(ctx context.Context, s bridge.Send) bridge.Outcome {
	if err := s.Permit(); err != nil {
		return bridge.Outcome{Kind: bridge.NotSent, Message: err.Error(), At: time.Now()}
	}
	p.mu.Lock()
	p.sends = append(p.sends, s)
	n, answer := len(p.sends), p.Answer
	p.mu.Unlock()
	if answer != nil {
		return answer(ctx, n, s)
	}
	return bridge.Outcome{Kind: bridge.Accepted, ProviderID: "p-" + s.ID, MessageID: "p-" + s.ID, HTTPStatus: 200, At: time.Now()}
}

// Sends returns the sends so far.
func (p *Provider) Sends() []bridge.Send {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.sends)
}
