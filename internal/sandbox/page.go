package sandbox

import (
	"bytes"
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
	t, err := template.New("page").Parse(pageSource)
	var b bytes.Buffer
	if err == nil {
		err = t.Execute(&b, broadcasts)
	}
	if err != nil {
		http.Error(w, "cannot draw the page", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = b.WriteTo(w)
}
