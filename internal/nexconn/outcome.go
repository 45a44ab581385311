package nexconn

import (
	"slices"

	"github.com/belfry-bridge/belfry/bridge"
)

// ending says how far one try came.
type ending int

const (
	unwritten  ending = iota // trouble on the way: no byte of the request left
	forbidden                // the deadline or the caller forbade the first byte
	unanswered               // a byte left, and no answer could be read
	answered                 // an HTTP status was read
)

// Values of the columns that stand for more than one code or status.
const (
	anything = -1 // also: no readable code
	noCode   = -2 // the body was unreadable or had no code
	mirrored = -3 // no readable code, or one that repeats the HTTP status
)

// row is one line of the outcome table. status is an HTTP status, or
// anything. The first row that fits decides.
type row struct {
	ending ending
	code   int
	status int
	kind   bridge.OutcomeKind
	again  bool // the same host once more, in this send, is safe and may help
	why    string
	remedy string // for operators; empty where there is nothing to do, or docs/provider.md says it at length
}

// outcomeTable is the one place that says what an end of a try means:
// sections 4.3, 4.4 and 12 of the provider reference. The business code
// decides first, the HTTP status second, and what is not in the table is in
// doubt. "Rejected" is about this body; "blocked" is about the app or its
// settings, so that every other body would fare the same.
func outcomeTable() []row {
	return []row{
		// Without an answer (4.4).
		{unwritten, anything, anything, bridge.NotSent, false, "no byte of the request left", ""},
		{forbidden, anything, anything, bridge.NotSent, false, "not begun", ""},
		{unanswered, anything, anything, bridge.Doubtful, false, "the request left, no answer came", ""},

		// Accepted (4.1): both must say so.
		{answered, 0, 200, bridge.Accepted, false, "accepted", ""},
		{answered, 0, anything, bridge.Doubtful, false, "code 0 with an unexpected HTTP status", ""},

		// The signature, once again with a fresh nonce and time.
		{answered, 1004, anything, bridge.Blocked, true, "signature verification failed", "check the App Secret and this machine's clock"},

		// Certainly not sent, and no body will be until somebody acts.
		{answered, 404, anything, bridge.Blocked, false, "the endpoint does not exist at this host", "check region or base_urls"},
		{answered, 1001, anything, bridge.Blocked, false, "App Key and App Secret do not match", "check both, and the region"},
		{answered, 1006, anything, bridge.Blocked, false, "the app is locked, deleted or offline", "ask the provider"},
		{answered, 1007, anything, bridge.Blocked, false, "denied by an IP restriction", "allow this machine's address in the console"},
		{answered, 1009, anything, bridge.Blocked, false, "the Broadcast Service is not enabled", "enable it for this App Key in the console"},
		{answered, 2007, anything, bridge.Blocked, false, "the development app has reached its user limit", "use a production app"},

		// Certainly not sent; the provider counts more than we know.
		{answered, 1008, anything, bridge.Throttled, false, "rate limit exceeded", ""},

		// Certainly not sent, and this body never will be.
		{answered, 400, anything, bridge.OutcomeRejected, false, "the sender does not exist", "register it: obtain an access token for it once"},
		{answered, 1000, 400, bridge.OutcomeRejected, false, "invalid parameters", "check the template and the audience"},
		{answered, 1002, anything, bridge.OutcomeRejected, false, "invalid parameter", "check the template, the audience and the App Key"},
		{answered, 1003, anything, bridge.OutcomeRejected, false, "the request was empty", "report it, it is a bug"},
		{answered, 1005, anything, bridge.OutcomeRejected, false, "a parameter is too long", "shorten the template"},
		{answered, 1015, anything, bridge.OutcomeRejected, false, "refused for a chat room's reason", "report it, it is a bug"},
		{answered, 1016, anything, bridge.OutcomeRejected, false, "refused for a chat room's reason", "report it, it is a bug"},
		{answered, 1019, anything, bridge.OutcomeRejected, false, "word list limit", "shorten the template"},
		{answered, 1501, anything, bridge.OutcomeRejected, false, "wrong type", "check the template"},
		{answered, 1502, anything, bridge.OutcomeRejected, false, "too many entries", "check the audience"},
		{answered, 1508, anything, bridge.OutcomeRejected, false, "the body is too large", "shorten the template"},

		// Codes that leave open whether it was sent (section 12, row 18).
		{answered, 1000, anything, bridge.Doubtful, false, "internal error", ""},
		{answered, 1050, anything, bridge.Doubtful, false, "an internal service timed out", ""},

		// Documented statuses that are sure without a code of their own.
		{answered, mirrored, 405, bridge.Blocked, false, "the method is disabled", "check region or base_urls, then ask the provider"},
		{answered, mirrored, 429, bridge.Throttled, false, "rate limit exceeded", ""},
		{answered, mirrored, 430, bridge.Blocked, false, "the Broadcast Service is not enabled", "enable it for this App Key in the console"},

		// Everything else: 5xx and 3xx, a 200 that is truncated or HTML, a 4xx
		// without a known code, a code nobody has seen (section 12, row 16).
		{answered, noCode, anything, bridge.Doubtful, false, "an answer without a readable code", ""},
		{answered, anything, anything, bridge.Doubtful, false, "an unknown code", ""},
	}
}

// String is what it means, and what to do.
func (r row) String() string {
	if r.remedy == "" {
		return r.why
	}
	return r.why + "; " + r.remedy
}

func (r row) fits(t try) bool {
	if r.ending != t.ending || (r.status != anything && r.status != t.answer.status) {
		return false
	}
	code := t.answer.code
	switch r.code {
	case anything:
		return true
	case noCode:
		return code == nil
	case mirrored:
		return code == nil || *code == t.answer.status
	default:
		return code != nil && *code == r.code
	}
}

// classify finds the row of the table that decides.
func classify(t try) row {
	table := outcomeTable()
	if i := slices.IndexFunc(table, func(r row) bool { return r.fits(t) }); i >= 0 {
		return table[i]
	}
	return row{kind: bridge.Doubtful, why: "an end that the table does not know"}
}

// leaveHost says whether the next send should begin at the other host:
// after a timeout and after an unexpected HTTP status (section 2: D).
func leaveHost(t try, kind bridge.OutcomeKind) bool {
	switch t.ending {
	case unwritten, unanswered:
		return true
	default:
		class := t.answer.status / 100
		return kind == bridge.Doubtful || class == 3 || class == 5
	}
}
