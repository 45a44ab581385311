package bridge

import (
	"fmt"
	"strings"
)

// brokenDigest is one that could not be rendered as it was.
type brokenDigest struct {
	why    string
	events int
	puts   int
}

// puts is how many events have gone into the digest, whatever became of them.
func (d *Digest) puts() (n int) {
	for _, events := range d.Rules {
		n += events
	}
	return n
}

// Broken notes the digests that could not be rendered, by id, and as they were.
type Broken map[string]brokenDigest

// Note notes one, and reports whether it is broken for another reason than before.
func (b Broken) Note(d *Digest, err error) (news bool) {
	news = b[d.ID].why != err.Error()
	b[d.ID] = brokenDigest{err.Error(), d.Events, d.puts()}
	return news
}

// Has reports whether a digest is still as it was when it could not be
// rendered: what broke it may have been corrected, replaced or cancelled.
func (b Broken) Has(d *Digest) bool {
	was, ok := b[d.ID]
	return ok && was.events == d.Events && was.puts == d.puts()
}

// noteBroken tells of digests that can't be sent, as long as there are any.
func (t *tenure) noteBroken() {
	if len(t.planner.broken) == 0 {
		return
	}
	var names []string
	why := ""
	left := Broken{}
	for _, d := range t.state.Digests {
		b, ok := t.planner.broken[d.ID]
		if ok {
			left[d.ID] = b
		}
		if t.planner.broken.Has(d) {
			names, why = append(names, d.Name()), b.why
		}
	}
	t.planner.broken = left
	if len(names) == 0 {
		t.cfg.Note("digest.unsendable", nil)
		return
	}
	t.cfg.Note("digest.unsendable", fmt.Errorf("%s cannot be sent as it is: %s; correct, replace or cancel the event, or mend the template", strings.Join(names, ", "), why))
}
