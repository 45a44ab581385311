package sandbox

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// Step is one scripted outcome. Steps are used up in order, one call each
// (or Times calls). A request that is not valid gets its refusal all the
// same: a script never hides a caller's mistake.
type Step struct {
	Times int    `json:"times,omitempty"` // calls that it lasts; 0: one; -1: all that follow
	On    string `json:"on,omitempty"`    // "send" (default) or "recall"

	Status  int    `json:"status,omitempty"`  // HTTP status; 0: 200, or the one that goes with Code
	Code    int    `json:"code,omitempty"`    // business code; 0 with a status of 300 or more: an empty body
	Message string `json:"message,omitempty"` // errorMessage

	// Accept says whether the broadcast is really sent. Unset: yes, unless
	// the step refuses (Code, a Status that is not 200, Redirect, Drop "before").
	Accept *bool `json:"accept,omitempty"`

	Delay      Duration `json:"delay,omitzero"`        // before the answer, after accepting
	Drop       string   `json:"drop,omitempty"`        // close the connection: "before" reading, or "after" accepting
	Body       string   `json:"body,omitempty"`        // a form of the answer's body, see BodyForms
	Redirect   string   `json:"redirect,omitempty"`    // Location, with status 307 unless Status says otherwise
	RetryAfter string   `json:"retry_after,omitempty"` // header, as given
	DateSkew   Duration `json:"date_skew,omitzero"`    // what the Date header is off by
}

// BodyForms are the values of Step.Body besides "", the documented JSON.
//
//	html       a gateway's error page
//	truncated  half of the JSON, as a complete answer
//	cut        half of the JSON, then the connection closes
//	empty      nothing
//	huge       valid JSON with 4 MiB of padding
//	gzip_bomb  4 MiB of padding, compressed, if the caller takes gzip
func BodyForms() []string {
	return []string{"html", "truncated", "cut", "empty", "huge", "gzip_bomb"}
}

// Duration is written as "1.5s" in JSON.
type Duration time.Duration

// UnmarshalText reads a duration such as "2s".
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("cannot use %q as a duration: want a number and its unit, such as 1.5s", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes a duration such as "2s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// ParseScript reads a JSON list of steps and checks it whole.
func ParseScript(r io.Reader) ([]Step, error) {
	var steps []Step
	if err := readJSON(r, &steps); err != nil {
		return nil, fmt.Errorf("cannot read the script: %w", err)
	}
	for i, s := range steps {
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("cannot use step %d of the script: %w", i+1, err)
		}
	}
	return steps, nil
}

func (s Step) check() error {
	switch {
	case s.Times < -1:
		return errors.New("times is neither -1 nor more")
	case s.On != "" && s.On != "send" && s.On != "recall":
		return fmt.Errorf("on %q is neither send nor recall", s.On)
	case s.Status != 0 && (s.Status < 200 || s.Status > 599):
		return fmt.Errorf("status %d is outside 200 to 599", s.Status)
	case s.Drop != "" && s.Drop != "before" && s.Drop != "after":
		return fmt.Errorf("drop %q is neither before nor after", s.Drop)
	case s.Body != "" && !slices.Contains(BodyForms(), s.Body):
		return fmt.Errorf("body %q is unknown", s.Body)
	case s.Delay < 0:
		return errors.New("delay is negative")
	}
	return nil
}

// accepts says whether the step lets the broadcast be sent.
func (s Step) accepts() bool {
	if s.Accept != nil {
		return *s.Accept
	}
	return s.Code == 0 && (s.Status == 0 || s.Status == http.StatusOK) && s.Redirect == "" && s.Drop != "before"
}

// statusOf is the HTTP status that goes with a code (section 4.3).
func statusOf(code int) int {
	switch code {
	case 0, 1015:
		return http.StatusOK
	case 404:
		return http.StatusNotFound
	case 1001, 1004, 1006:
		return http.StatusUnauthorized
	case 1007, 1016, 2007:
		return http.StatusForbidden
	case 1008:
		return http.StatusTooManyRequests
	case 1009:
		return 430 // the documented one, which has no name (nx:code: D)
	case 1050:
		return http.StatusGatewayTimeout
	default:
		return http.StatusBadRequest
	}
}

// next takes the step for a call to an endpoint; an empty one where there is none.
func (s *Server) next(on string) *Step {
	for i := range s.script {
		step := &s.script[i]
		if step.On != on && (step.On != "" || on != "send") {
			continue
		}
		taken := *step
		if step.Times > 0 {
			step.Times--
		}
		if step.Times == 0 {
			s.script = slices.Delete(s.script, i, i+1)
		}
		return &taken
	}
	return &Step{}
}

// Script adds steps to those not used up yet.
func (s *Server) Script(steps ...Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, step := range steps {
		if step.Times == 0 {
			step.Times = 1
		}
		s.script = append(s.script, step)
	}
}

// Steps returns what is left of the script.
func (s *Server) Steps() []Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.script)
}
