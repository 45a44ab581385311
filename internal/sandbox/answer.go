package sandbox

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// reply is an answer before it is written.
type reply struct {
	status int
	code   int
	text   []byte
	header map[string]string
	form   string // of the body
}

// compose puts the verdict and the step together. The step shapes the answer
// only where the request itself was in order.
func (s *Server) compose(r *http.Request, c *call, v verdict) reply {
	date := s.cfg.Clock().Add(time.Duration(c.step.DateSkew))
	out := reply{header: map[string]string{
		"Content-Type": "application/json; charset=utf-8",
		"Date":         date.UTC().Format(http.TimeFormat),
	}}
	if v.objection == nil {
		composeScripted(r, c.step, v, &out)
		return out
	}
	out.status, out.code = statusOf(v.objection.code), v.objection.code
	out.text = errorBody(r, out.code, v.objection.message)
	if out.code == 1008 && s.cfg.RetryAfter {
		out.header["Retry-After"] = strconv.Itoa(int((c.wait + time.Second - 1) / time.Second))
	}
	return out
}

func composeScripted(r *http.Request, step *Step, v verdict, out *reply) {
	out.status, out.code, out.form = step.Status, step.Code, step.Body
	if out.status == 0 {
		out.status = statusOf(step.Code)
		if step.Redirect != "" {
			out.status = http.StatusTemporaryRedirect
		}
	}
	switch {
	case step.Code != 0:
		out.text = errorBody(r, step.Code, cmp.Or(step.Message, "scripted"))
	case out.status < 300:
		out.text = successBody(cmp.Or(v.id, "SIMU-NOT-SENT"), v.bare)
	}
	if step.Redirect != "" {
		out.header["Location"] = step.Redirect
	}
	if step.RetryAfter != "" {
		out.header["Retry-After"] = step.RetryAfter
	}
	out.shape()
}

// shape gives the body its scripted form.
func (out *reply) shape() {
	switch out.form {
	case "html":
		out.header["Content-Type"] = "text/html"
		out.text = []byte("<html><head><title>Gateway</title></head><body><h1>" + http.StatusText(out.status) + "</h1></body></html>")
	case "truncated":
		out.text = out.text[:len(out.text)/2]
	case "empty":
		out.text = nil
	case "huge":
		out.text = padded()
	case "gzip_bomb":
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(padded()) // a buffer does not fail
		_ = z.Close()
		out.text, out.header["Content-Encoding"] = b.Bytes(), "gzip"
	}
}

// padded is a success of 4 MiB.
func padded() []byte {
	return []byte(`{"padding":"` + strings.Repeat("x", 4<<20) + `","code":0}`)
}

func errorBody(r *http.Request, code int, message string) []byte {
	text, _ := json.Marshal(struct {
		URL          string `json:"url"`
		Code         int    `json:"code"`
		ErrorMessage string `json:"errorMessage"`
	}{r.URL.Path, code, message})
	return text
}

func successBody(id string, bare bool) []byte {
	if bare {
		return []byte(`{"code":0}`)
	}
	text, _ := json.Marshal(map[string]any{"code": 0, "result": map[string]string{"id": id, "messageId": id}})
	return text
}

// deliver waits as long as it should, and writes or drops the answer.
func (s *Server) deliver(w http.ResponseWriter, r *http.Request, c *call, out reply) {
	if !s.pause(r, s.cfg.Latency+time.Duration(c.step.Delay)) || c.step.Drop == "after" {
		panic(http.ErrAbortHandler)
	}
	for name, value := range out.header {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(out.text)))
	w.WriteHeader(out.status)
	if out.form == "cut" {
		_, _ = w.Write(out.text[:len(out.text)/2])
		_ = http.NewResponseController(w).Flush() // a recorder can't, and needs none
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(out.text)
}

// pause returns false when the caller left or the server closes.
func (s *Server) pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-s.ctx.Done():
	}
	return false
}
