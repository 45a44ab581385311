package sandbox

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"time"
)

// objection is why a request is refused.
type objection struct {
	code    int
	message string
}

// call is one request on its way through the steps of the package comment.
type call struct {
	at     time.Time
	port   string
	key    string // App Key, once the signature is right
	body   []byte
	header http.Header
	step   *Step
	wait   time.Duration // until the limiter has room, with code 1008
}

// verdict is what the steps came to.
type verdict struct {
	objection *objection
	id        string // of the broadcast, if it was accepted
	scripted  bool   // the step had its say
	bare      bool   // success is code 0 alone, without a result
}

// maxBody is far above any documented limit.
const maxBody = 1 << 20

// serve runs one call of an endpoint: verify under the lock, then answer.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, port, on string, decide func(*call) verdict) {
	c := &call{at: s.cfg.Clock(), port: port, header: r.Header}
	s.mu.Lock()
	c.step = s.next(on)
	s.mu.Unlock()
	if c.step.Drop == "before" {
		s.note(r, c, verdict{scripted: true}, nil)
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		s.note(r, c, verdict{objection: &objection{1002, "the body could not be read"}}, nil)
		panic(http.ErrAbortHandler)
	}
	c.body = body
	s.mu.Lock()
	v := s.verify(c, decide)
	s.mu.Unlock()
	s.answer(w, r, c, v)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, c *call, v verdict) {
	reply := s.compose(r, c, v)
	s.note(r, c, v, &reply)
	s.deliver(w, r, c, reply)
}

// verify is steps 3 to 10; the caller holds the lock.
func (s *Server) verify(c *call, decide func(*call) verdict) verdict {
	if s.cfg.DenyIP {
		return verdict{objection: &objection{1007, "denied by IP restriction"}}
	}
	cred, complete := readCredentials(c.header)
	if o := s.checkCredentials(cred, complete); o != nil {
		return verdict{objection: o}
	}
	c.key = cred.key
	switch {
	case len(c.header.Get("X-Request-ID")) > maxRequestID:
		return verdict{objection: &objection{1005, "X-Request-ID is over 36 characters"}}
	case !isJSON(c.header.Get("Content-Type")):
		return verdict{objection: &objection{1002, "Content-Type is not application/json"}}
	case len(bytes.TrimSpace(c.body)) == 0:
		return verdict{objection: &objection{1003, "the request is empty"}}
	}
	return decide(c)
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == "application/json"
}

// counted is steps 6 to 10. read is step 9; accept is what the call then brings
// about, which may be a broadcast with an id.
func (s *Server) counted(c *call, l *limiter, read func(body object) (accept func() (id string), o *objection)) (v verdict) {
	body, err := parseObject(c.body)
	if err != nil {
		return verdict{objection: &objection{1002, "the body is not a JSON object"}}
	}
	if c.wait = l.wait(c.at); c.wait > 0 {
		return verdict{objection: &objection{1008, "rate limit exceeded"}}
	}
	l.count(c.at)
	var accept func() string
	o := &objection{1009, "the Broadcast Service is not enabled"}
	if !s.cfg.ServiceDisabled {
		accept, o = read(body)
	}
	v.objection, v.scripted = o, o == nil
	switch {
	case v.scripted && c.step.accepts():
		v.id = accept()
	case l.quota.UncountRejected:
		l.uncount()
	}
	return v
}

func (s *Server) send(c *call) verdict {
	return s.counted(c, bucket(s.sends, c.key, s.cfg.Quota), func(body object) (func() string, *objection) {
		b, o := readBroadcast(&s.cfg, body)
		return func() string {
			b.ID, b.At, b.Port, b.AppKey, b.Body = s.newID(), c.at, c.port, c.key, bytes.Clone(c.body)
			b.RequestID = c.header.Get("X-Request-ID")
			s.broadcasts = append(s.broadcasts, b)
			s.callWebhook(b)
			return b.ID
		}, o
	})
}

func bucket(all map[string]*limiter, key string, q Quota) *limiter {
	if all[key] == nil {
		all[key] = &limiter{quota: q}
	}
	return all[key]
}

func (s *Server) unknown(w http.ResponseWriter, r *http.Request, port string) {
	c := &call{at: s.cfg.Clock(), port: port, header: r.Header, step: &Step{}}
	s.answer(w, r, c, verdict{objection: &objection{404, "endpoint not found"}})
}
