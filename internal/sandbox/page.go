package sandbox

import (
	_ "embed"
	"html/template"
	"net/http"
	"slices"
)

//go:embed page.html
var pageSource string

// page shows the broadcasts as phones would. It needs no assets and no script.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	broadcasts := s.Broadcasts()
	slices.Reverse(broadcasts)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
	w.Header().Set("Cache-Control", "no-store")
	_ = template.Must(template.New("page").Parse(pageSource)).Execute(w, broadcasts) // the caller left
}
