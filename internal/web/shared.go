package web

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"time"
)

// cheap is what making a page may take without being shared.
const cheap = 10 * time.Millisecond

// shared makes one page at a time, and one that took long for all who ask for it
// within the next moment: whoever may look must not take the processor from the
// renewal of leases, however many they are.
type shared struct {
	mu    sync.Mutex // guards what follows, and is held while the page is made
	page  []byte
	until time.Time
}

func (s *shared) get(write func(io.Writer)) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	began := time.Now()
	if began.Before(s.until) {
		return s.page
	}
	var out bytes.Buffer
	write(&out)
	s.page = out.Bytes()
	if took := time.Since(began); took >= cheap {
		s.until = time.Now().Add(3 * took)
	}
	return s.page
}

// handler serves a page that is made by write.
func (s *shared) handler(header func(http.Header), write func(io.Writer)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		page := s.get(write)
		header(w.Header())
		_, _ = w.Write(page) // the reader has gone
	}
}
