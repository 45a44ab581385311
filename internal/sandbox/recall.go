package sandbox

// recall simulates the recall endpoint (section 8). It takes the message id
// from either field name, since the sources disagree (section 12, row 21).
func (s *Server) recall(c *call) verdict {
	l := bucket(s.recalls, c.key, s.cfg.RecallQuota)
	if s.cfg.Quota.Shared {
		l = bucket(s.sends, c.key, s.cfg.Quota)
	}
	v := s.counted(c, l, func(body object) (func() string, *objection) {
		b, o := s.findRecalled(c.key, body)
		return func() string { b.Recalled = c.at; return "" }, o
	})
	v.bare = true
	return v
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
	return nil, &objection{1002, "no broadcast has this sender and message id"}
}
