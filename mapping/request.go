package mapping

import (
	"encoding/json"
	"time"
)

// View is a digest as a template sees it: the dot.
type View struct {
	ID       string
	App      string
	Audience string
	Template string
	Group    string
	Count    int    // distinct keys
	Items    []Item // the kept ones, in order of arrival; len(Items) <= Count
	First    Item
	Last     Item
	Users    []string // of a user audience, at most 1,000 (seed: audience.userId)
	Now      time.Time
}

// More is how many items the digest has beyond the kept ones.
func (v View) More() int { return v.Count - len(v.Items) }

// Rendered is a digest turned into the request that would be sent.
type Rendered struct {
	Request Request
	Cuts    []Cut // where text had to be shortened to the provider's limits
}

// Cut names one text that was shortened at a grapheme border.
type Cut struct {
	Field string `json:"field"` // "notification.title", "message.content" …
	Was   int    `json:"was"`   // length before, in the unit of the limit
	Limit int    `json:"limit"` // the provider's, in characters or bytes
}

// Request is the body of "Broadcast by package name", exactly as documented
// (provider-api.md section 3). Its JSON encoding is what leaves.
type Request struct {
	Platform     []string        `json:"platform"`
	FromUserID   string          `json:"fromUserId"`
	Audience     RequestAudience `json:"audience"`
	Message      RequestMessage  `json:"message"`
	Notification map[string]any  `json:"notification"`
}

// RequestAudience selects the receivers. IsToAll is always sent (section 12, row 2).
type RequestAudience struct {
	UserID      []string `json:"userId,omitempty"`
	Tag         []string `json:"tag,omitempty"`
	TagOr       []string `json:"tagOr,omitempty"`
	PackageName string   `json:"packageName,omitempty"`
	IsToAll     bool     `json:"isToAll"`
}

// RequestMessage is what appears in the system channel.
type RequestMessage struct {
	Content              string `json:"content"`
	MessageType          string `json:"messageType"`
	DisableUpdateLastMsg bool   `json:"disableUpdateLastMsg,omitempty"`
}

// Body returns the JSON document that is handed to the provider. The same
// request always gives the same bytes.
func (r Request) Body() ([]byte, error) { return json.Marshal(r) }
