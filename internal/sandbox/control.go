package sandbox

import (
	"encoding/json"
	"net/http"
)

// controls are the page and the endpoints for whoever runs the simulation. They are the
// simulator's own and have no counterpart at the provider.
func (s *Server) controls() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_sandbox/broadcasts", func(w http.ResponseWriter, _ *http.Request) { writeList(w, s.Broadcasts()) })
	mux.HandleFunc("GET /_sandbox/requests", func(w http.ResponseWriter, _ *http.Request) { writeList(w, s.Requests()) })
	mux.HandleFunc("GET /_sandbox/script", func(w http.ResponseWriter, _ *http.Request) { writeList(w, s.Steps()) })
	mux.HandleFunc("POST /_sandbox/script", s.postScript)
	mux.HandleFunc("POST /_sandbox/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /{$}", s.page)
	return mux
}

func (s *Server) postScript(w http.ResponseWriter, r *http.Request) {
	steps, err := ParseScript(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.Script(steps...)
	writeList(w, s.Steps())
}

// writeList writes [] rather than null for an empty list.
func writeList[T any](w http.ResponseWriter, list []T) {
	if list == nil {
		list = []T{}
	}
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(list) // the caller left
}
