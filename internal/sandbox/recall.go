package sandbox

import "net/http"

// recall simulates the recall endpoint (section 8). It takes the message id
// from either field name, since the sources disagree (section 12, row 21).
func (s *Server) recall(c *call) verdict {
	body, err := parseObject(c.body)
	if err != nil {
		return verdict{objection: &objection{http.StatusBadRequest, 1002, "the body is not a JSON object"}}
	}
	l := bucket(s.recalls, c.key, s.cfg.RecallQuota)
	if s.cfg.Quota.Shared {
		l = bucket(s.sends, c.key, s.cfg.Quota)
	}
	if o := s.limit(c, l); o != nil {
		return verdict{objection: o}
	}
	b, o := s.findRecalled(c.key, body)
	if o != nil {
		return s.refuse(l, o)
	}
	if !c.step.accepts() {
		s.refuse(l, nil)
		return verdict{scripted: true, bare: true}
	}
	b.Recalled = c.at
	return verdict{scripted: true, bare: true}
}

func (s *Server) findRecalled(key string, body object) (*Broadcast, *objection) {
	f := &fields{cfg: &s.cfg}
	sender := f.text(body, "fromUserId", "fromUserId")
	var id string
	if !f.read(body, "messageId", "messageId", &id) && !f.read(body, "messageUID", "messageUID", &id) {
		f.invalid("messageId or messageUID is required")
	}
	var sentAt int64
	f.read(body, "sentAt", "sentAt", &sentAt)
	if f.first != nil {
		return nil, f.first
	}
	for i := range s.broadcasts {
		b := &s.broadcasts[i]
		if b.ID == id && b.AppKey == key && b.Sender == sender {
			return b, nil
		}
	}
	return nil, &objection{http.StatusBadRequest, 1002, "no broadcast has this sender and message id"}
}
