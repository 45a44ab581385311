package bridgetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

// Fault is what goes wrong with one write.
type Fault int

// Every write can break twice: before it happened and after.
const (
	None       Fault = iota
	NotWritten       // an error, and nothing was stored
	Written          // an error, and yet it was stored
	Late             // an error; it is stored after the next read
)

// ErrInjected is the error of an injected fault.
var ErrInjected = errors.New("injected fault")

// Store is a bridge.Store in memory. Several owners may share one, as they
// share a stream. It is safe for concurrent use.
type Store struct {
	mu     sync.Mutex
	record bridge.Record
	last   uint64
	late   *bridge.Record
	expect uint64
	puts   int

	Fault   func(put int) Fault // of the n-th Put, from 1; nil: none
	ReadErr func() error        // nil: reading works
	OnPut   func(data []byte)   // called after every state that was stored
	Skew    time.Duration       // of its clock
}

// Put implements bridge.Store.
func (s *Store) Put(ctx context.Context, data []byte, token string, expect uint64) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts++
	fault := None
	if s.Fault != nil {
		fault = s.Fault(s.puts)
	}
	next := bridge.Record{Data: append([]byte(nil), data...), Token: token}
	switch fault {
	case NotWritten:
		return 0, ErrInjected
	case Late:
		s.late, s.expect = &next, expect
		return 0, ErrInjected
	case Written:
		s.store(next, expect)
		return 0, ErrInjected
	}
	if !s.store(next, expect) {
		return 0, errors.New("wrong last sequence")
	}
	return s.record.Sequence, nil
}

func (s *Store) store(r bridge.Record, expect uint64) bool {
	if s.record.Sequence != expect {
		return false
	}
	s.last++
	r.Sequence, r.Time = s.last, time.Now().Add(s.Skew)
	s.record = r
	if s.OnPut != nil {
		s.OnPut(r.Data)
	}
	return true
}

// Get implements bridge.Store.
func (s *Store) Get(ctx context.Context) (bridge.Record, error) {
	if err := ctx.Err(); err != nil {
		return bridge.Record{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ReadErr != nil {
		if err := s.ReadErr(); err != nil {
			return bridge.Record{}, err
		}
	}
	r := s.record
	if s.late != nil {
		s.store(*s.late, s.expect)
		s.late = nil
	}
	return r, nil
}

// Record returns what is stored.
func (s *Store) Record() bridge.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record
}

// Rewind puts an earlier record back, as a store does that has lost writes.
func (s *Store) Rewind(r bridge.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record, s.last = r, r.Sequence
}

// Set replaces what is stored, as another program would. A zero record
// empties the store.
func (s *Store) Set(data []byte, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if data == nil {
		s.record = bridge.Record{}
		return
	}
	s.last++
	s.record = bridge.Record{Data: data, Token: token, Sequence: s.last}
}
