package control

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/belfry-bridge/belfry/bridge"
)

// Of an overview that is too large for a message, what operators can do without
// is left out first.
const (
	fewTexts  = 3  // of a digest
	shortText = 80 // characters
)

// fitting encodes an overview in at most so many bytes.
func fitting(o bridge.Overview, limit int) ([]byte, error) {
	for _, s := range []struct {
		leftOut string
		shorten func(*bridge.DigestStatus) (keep bool)
	}{
		{"", func(*bridge.DigestStatus) bool { return true }},
		{"most texts", func(d *bridge.DigestStatus) bool { d.Texts = some(d.Texts); return true }},
		{"all texts", func(d *bridge.DigestStatus) bool { d.Texts = nil; return true }},
		{"all digests", func(*bridge.DigestStatus) bool { return false }},
	} {
		data, err := json.Marshal(shortened(o, s.leftOut, s.shorten))
		if err != nil || len(data) <= limit {
			return data, err
		}
	}
	return nil, fmt.Errorf("cannot put the status of %d apps into %d bytes", len(o.Apps), limit)
}

// shortened is a copy: the original is what everybody else reads.
func shortened(o bridge.Overview, leftOut string, shorten func(*bridge.DigestStatus) bool) bridge.Overview {
	o.LeftOut, o.Apps = leftOut, slices.Clone(o.Apps)
	for i := range o.Apps {
		kept := []bridge.DigestStatus{}
		for _, d := range o.Apps[i].Digests {
			if shorten(&d) {
				kept = append(kept, d)
			}
		}
		o.Apps[i].Digests, o.Apps[i].LeftOut = kept, leftOut
		if leftOut != "" {
			withoutTexts(&o.Apps[i])
		}
	}
	return o
}

// withoutTexts leaves the broadcasts what they need to be decided upon.
func withoutTexts(s *bridge.Status) {
	s.InDoubt = slices.Clone(s.InDoubt)
	for i := range s.InDoubt {
		s.InDoubt[i].Texts = some(s.InDoubt[i].Texts)
	}
	if s.Sending != nil {
		b := *s.Sending
		b.Texts = some(b.Texts)
		s.Sending = &b
	}
}

func some(texts []string) []string {
	texts = slices.Clone(texts[:min(len(texts), fewTexts)])
	for i, text := range texts {
		if runes := []rune(text); len(runes) > shortText {
			texts[i] = string(runes[:shortText]) + "…"
		}
	}
	return texts
}
