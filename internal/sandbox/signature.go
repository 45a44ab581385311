package sandbox

import (
	"crypto/sha1" //nolint:gosec // the provider's signature is SHA-1
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// credentials are the four headers of a signed request.
type credentials struct{ key, nonce, timestamp, signature string }

// readCredentials takes one full set of headers, unprefixed or prefixed with
// RC-. A set that is mixed from both is incomplete (section 12, row 10).
func readCredentials(h http.Header) (credentials, bool) {
	for _, prefix := range []string{"", "RC-"} {
		c := credentials{h.Get(prefix + "App-Key"), h.Get(prefix + "Nonce"), h.Get(prefix + "Timestamp"), h.Get(prefix + "Signature")}
		if c.key != "" && c.nonce != "" && c.timestamp != "" && c.signature != "" {
			return c, true
		}
	}
	return credentials{}, false
}

// maxNonce and maxRequestID are documented lengths in characters (section 1: D).
const (
	maxNonce     = 18
	maxRequestID = 36
)

// signatureOf is written apart from the client's on purpose: two readings of
// one description check each other.
func signatureOf(secret string, c credentials) string {
	h := sha1.New() //nolint:gosec // see the import
	for _, part := range []string{secret, c.nonce, c.timestamp} {
		h.Write([]byte(part))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// checkCredentials is steps 4 and 5 of the package comment.
func (s *Server) checkCredentials(c credentials, complete bool) *objection {
	if !complete {
		return &objection{1004, "App-Key, Nonce, Timestamp and Signature are required"}
	}
	secret, known := s.cfg.Apps[c.key]
	switch {
	case !known:
		return &objection{1001, "unknown App Key"}
	case slices.Contains(s.cfg.LockedApps, c.key):
		return &objection{1006, "the app is locked or deleted"}
	case len(c.nonce) > maxNonce && !s.cfg.AcceptLongNonce:
		return &objection{1004, "Nonce is over 18 characters"}
	case !s.inTime(c.timestamp):
		return &objection{1004, "Timestamp is not the present time in milliseconds"}
	case subtle.ConstantTimeCompare([]byte(signatureOf(secret, c)), []byte(c.signature)) != 1:
		return &objection{1004, "signature verification failed"}
	}
	return s.checkReplay(c)
}

const (
	digitsOfMillis  = 13 // until the year 2286
	digitsOfSeconds = 10
)

func (s *Server) inTime(timestamp string) bool {
	n, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return false
	}
	at := time.UnixMilli(n)
	switch {
	case len(timestamp) == digitsOfMillis:
	case len(timestamp) == digitsOfSeconds && s.cfg.AcceptSeconds:
		at = time.Unix(n, 0)
	default:
		return false
	}
	return s.cfg.Clock().Sub(at).Abs() <= s.cfg.ClockTolerance
}

// checkReplay remembers nonces for as long as their timestamps are accepted.
func (s *Server) checkReplay(c credentials) *objection {
	if !s.cfg.RejectReplay {
		return nil
	}
	now, id := s.cfg.Clock(), c.key+" "+c.nonce
	for old, at := range s.nonces {
		if now.Sub(at) > 2*s.cfg.ClockTolerance {
			delete(s.nonces, old)
		}
	}
	if _, seen := s.nonces[id]; seen {
		return &objection{1004, "Nonce was used before"}
	}
	s.nonces[id] = now
	return nil
}
