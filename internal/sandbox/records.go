package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// Broadcast is one that was really sent, whatever the caller was told.
type Broadcast struct {
	ID        string    `json:"id"` // also the messageId
	RequestID string    `json:"request_id"`
	AppKey    string    `json:"app_key"`
	Port      string    `json:"port"` // "primary" or "backup"
	At        time.Time `json:"at"`

	Sender      string   `json:"sender"`
	Platforms   []string `json:"platforms"`
	Package     string   `json:"package,omitempty"`
	UserIDs     []string `json:"user_ids,omitempty"`
	Tags        []string `json:"tags,omitempty"`
	TagOr       []string `json:"tag_or,omitempty"`
	ToAll       bool     `json:"to_all"`
	MessageType string   `json:"message_type"`
	Content     string   `json:"content"`
	Text        string   `json:"text,omitempty"` // the required field of a built-in type's content
	Title       string   `json:"title,omitempty"`
	Alert       string   `json:"alert,omitempty"`

	Nobody   string    `json:"nobody,omitempty"` // why it was accepted but reaches nobody
	Recalled time.Time `json:"recalled,omitzero"`

	Body json.RawMessage `json:"body"` // as it arrived
}

// Request is one call that arrived, and what was made of it.
type Request struct {
	At        time.Time `json:"at"`
	Port      string    `json:"port"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	RequestID string    `json:"request_id,omitempty"`
	AppKey    string    `json:"app_key,omitempty"` // as claimed
	Nonce     string    `json:"nonce,omitempty"`
	Timestamp string    `json:"timestamp,omitempty"`
	BodyHash  string    `json:"body_hash,omitempty"` // SHA-256, hex
	Body      string    `json:"body,omitempty"`      // left out of older ones, beyond 4 MiB

	Status    int    `json:"status"` // of the answer; 0: dropped before reading
	Code      int    `json:"code"`
	Message   string `json:"message,omitempty"`   // the objection
	Broadcast string `json:"broadcast,omitempty"` // id of the broadcast that it became
	Scripted  bool   `json:"scripted,omitempty"`  // a script's step shaped the answer
	Dropped   string `json:"dropped,omitempty"`   // "before" or "after": no answer was written
}

// Broadcasts returns what was really sent, the oldest first.
func (s *Server) Broadcasts() []Broadcast {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.broadcasts)
}

// Requests returns the latest 1,000 calls, the oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// note records a call before its answer is written, so that whoever has the
// answer also finds the record.
func (s *Server) note(r *http.Request, c *call, v verdict, out *reply) {
	cred, _ := readCredentials(r.Header)
	n := Request{
		At: c.at, Port: c.port, Method: r.Method, Path: r.URL.Path, RequestID: r.Header.Get("X-Request-ID"),
		AppKey: cred.key, Nonce: cred.nonce, Timestamp: cred.timestamp, Body: string(c.body),
		Broadcast: v.id, Scripted: v.scripted && *c.step != (Step{}), Dropped: c.step.Drop,
	}
	if len(c.body) > 0 {
		sum := sha256.Sum256(c.body)
		n.BodyHash = hex.EncodeToString(sum[:])
	}
	if out != nil {
		n.Status, n.Code = out.status, out.code
	}
	if v.objection != nil {
		n.Message = v.objection.message
	}
	s.cfg.Logger.Info("simulated a call", "path", n.Path, "port", n.Port, "request", n.RequestID,
		"status", n.Status, "code", n.Code, "broadcast", n.Broadcast, "objection", n.Message)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, n)
	s.kept += len(n.Body)
	if len(s.requests) > maxRequests {
		s.kept -= len(s.requests[0].Body)
		s.requests = s.requests[1:]
	}
	for i := 0; s.kept > maxKept; i++ {
		s.kept -= len(s.requests[i].Body)
		s.requests[i].Body = ""
	}
}
