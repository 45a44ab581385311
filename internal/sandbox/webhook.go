package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
)

// systemChannel is the channel's number in the legacy clients (section 8: L).
const systemChannel = 6

// callWebhook sends the message:send event of a broadcast, once, in the
// background. The envelope is documented (section 8: D); that there is one
// per broadcast, that its messageId is the answer's and how it is signed is
// not: the signature is the old callbacks' (L), in the query as nonce,
// timestamp (seconds) and signature.
func (s *Server) callWebhook(b Broadcast) {
	if s.cfg.Webhook == nil || b.Nobody != "" {
		return
	}
	event, _ := json.Marshal(map[string]any{
		"type": "message:send", "id": "evt-" + b.ID, "time": b.At.UnixMilli(),
		"data": []map[string]any{{
			"userId": b.Sender, "messageType": b.MessageType, "content": b.Content, "channelType": systemChannel,
			"time": b.At.UnixMilli(), "messageId": b.ID, "os": "Server",
		}},
	})
	cred := credentials{nonce: b.ID, timestamp: strconv.FormatInt(b.At.Unix(), 10)}
	target := *s.cfg.Webhook
	query := target.Query()
	query.Set("rc-nonce", cred.nonce)
	query.Set("rc-timestamp", cred.timestamp)
	query.Set("rc-signature", signatureOf(s.cfg.Apps[b.AppKey], cred))
	target.RawQuery = query.Encode()
	s.work.Go(func() { s.post(target.String(), event) })
}

func (s *Server) post(target string, event []byte) {
	ctx, cancel := context.WithTimeout(s.ctx, webhookTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(event))
	if err != nil {
		s.cfg.Logger.Warn("cannot build the webhook", "err", err)
		return
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.cfg.Logger.Warn("cannot deliver the webhook", "err", err)
		return
	}
	_ = resp.Body.Close()
	s.cfg.Logger.Info("delivered the webhook", "status", resp.StatusCode)
}
