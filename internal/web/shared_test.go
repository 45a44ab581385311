package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

func TestManyReadersShareAPageThatTakesLong(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/status"} {
		var made, making, most atomic.Int64
		h := Handler(func() bridge.Overview {
			made.Add(1)
			most.Store(max(most.Load(), making.Add(1)))
			defer making.Add(-1)
			time.Sleep(2 * cheap)
			return bridge.Overview{}
		})
		var readers sync.WaitGroup
		for range 100 {
			readers.Go(func() {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
				if w.Code != http.StatusOK || w.Body.Len() == 0 {
					t.Errorf("%s: %d, %d bytes", path, w.Code, w.Body.Len())
				}
			})
		}
		readers.Wait()
		if made.Load() > 10 || most.Load() > 1 {
			t.Errorf("%s was made %d times for 100 readers, %d of them at once", path, made.Load(), most.Load())
		}
	}
}

func TestManyWhoScrapeWaitForEachOther(t *testing.T) {
	t.Parallel()
	var making, most atomic.Int64
	h := Handler(func() bridge.Overview {
		most.Store(max(most.Load(), making.Add(1)))
		defer making.Add(-1)
		time.Sleep(time.Millisecond)
		return bridge.Overview{}
	})
	var scrapes sync.WaitGroup
	for range 100 {
		scrapes.Go(func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			if w.Code != http.StatusOK || w.Body.Len() == 0 {
				t.Errorf("%d, %d bytes", w.Code, w.Body.Len())
			}
		})
	}
	scrapes.Wait()
	if most.Load() > maxScrapes {
		t.Errorf("%d at once", most.Load())
	}
}

// stuck is a reader who takes nothing until it is let go.
type stuck struct {
	http.ResponseWriter
	reached chan<- bool
	letGo   <-chan bool
}

func (s stuck) Write(p []byte) (int, error) {
	s.reached <- true
	<-s.letGo
	return s.ResponseWriter.Write(p)
}

func TestWhoReadsSlowlyKeepsNobodyElseFromScraping(t *testing.T) {
	t.Parallel()
	h := Handler(func() bridge.Overview { return bridge.Overview{} })
	reached, letGo := make(chan bool, 1000), make(chan bool)
	var readers sync.WaitGroup
	for range maxScrapes {
		readers.Go(func() {
			h.ServeHTTP(stuck{httptest.NewRecorder(), reached, letGo}, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		})
		<-reached
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil))
	if w.Body.Len() == 0 || w.Header().Get("Content-Type") == "" {
		t.Errorf("beside %d slow readers there is no answer", maxScrapes)
	}
	close(letGo)
	readers.Wait()
}
