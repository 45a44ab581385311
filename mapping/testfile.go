package mapping

import (
	"strings"
	"time"
)

// ParseTests reads a file of rule tests. All problems are found at once; the
// TestFile is nil if any of them is an error. file is only a name for messages.
func ParseTests(file string, src []byte) (*TestFile, Problems) {
	var doc testFileDoc
	r, ok := read(file, src, &doc, reading(nil))
	if !ok {
		return nil, r.all()
	}
	f := &TestFile{File: file, Rules: doc.Rules.Value, Env: textMap(doc.Env)}
	names := map[string]int{}
	for i := range doc.Tests {
		t := &doc.Tests[i]
		if line, dup := names[t.Name.text]; dup && t.Name.set {
			r.errorf(t.Name.at, "cannot use the test name %q twice: it stands in line %d already", t.Name.text, line)
		}
		names[t.Name.text] = t.Name.at.line
		f.Tests = append(f.Tests, t.test(r))
	}
	problems := r.all()
	if problems.HasErrors() {
		return nil, problems
	}
	return f, problems
}

func textMap(n named[code]) map[string]string {
	m := make(map[string]string, len(n))
	for _, e := range n {
		m[e.Name.text] = e.Value.text
	}
	return m
}

func (d *testDoc) test(r *report) RuleTest {
	t := RuleTest{Name: d.Name.text, Line: d.at.line}
	if d.For.set {
		t.For = &d.For.D
	}
	if d.Start.set {
		var err error
		if t.Start, err = time.Parse(time.RFC3339, d.Start.text); err != nil {
			r.hintf(d.Start.at, "want a time with its zone, such as 2026-11-02T09:00:00+08:00", "cannot use %q as start", d.Start.text)
		}
	}
	var last time.Duration
	for i := range d.Events {
		e := d.Events[i].event(r)
		if e.At < last {
			r.errorf(d.Events[i].At.at, "cannot go back in time: this event is before the one above")
		}
		last = e.At
		t.Events = append(t.Events, e)
	}
	t.Expect = d.Expect.expectation()
	return t
}

func (d *testEventDoc) event(r *report) TestEvent {
	e := TestEvent{Line: d.mark.at.line, At: d.At.D, Subject: d.Subject.text, ID: d.ID.text, Headers: textMap(d.Headers)}
	if d.Subject.set {
		if err := checkSubject(e.Subject); err != nil {
			r.errorf(d.Subject.at, "%v", err)
		} else if strings.ContainsAny(e.Subject, "*>") {
			r.errorf(d.Subject.at, "cannot publish to %q: a subject with wildcards is for listening", e.Subject)
		}
	}
	switch {
	case d.Data.set && d.Text.set:
		r.errorf(d.Text.at, "cannot use both data and text")
	case d.Data.set:
		e.Data = treeJSON(nil, d.Data.node)
	case d.Text.set:
		e.Text = &d.Text.text
	}
	return e
}

// treeJSON encodes a value of the file as JSON, a map in the order of the file.
func treeJSON(out []byte, n *node) []byte {
	switch n.kind {
	case scalarNode:
		if raw, ok := constant(n); ok {
			return append(out, raw...)
		}
		return appendJSONString(out, n.scalar.text)
	case listNode:
		out = append(out, '[')
		for i, item := range n.items {
			if i > 0 {
				out = append(out, ',')
			}
			out = treeJSON(out, item)
		}
		return append(out, ']')
	case mapNode:
		out = append(out, '{')
		for i, f := range n.fields {
			if i > 0 {
				out = append(out, ',')
			}
			out = treeJSON(append(appendJSONString(out, f.key.text), ':'), f.value)
		}
		return append(out, '}')
	}
	return append(out, "null"...)
}

func (d *expectDoc) expectation() Expectation {
	x := Expectation{Line: d.at.line}
	if d.Broadcasts != nil {
		x.Broadcasts = []ExpectedBroadcast{}
		for i := range *d.Broadcasts {
			x.Broadcasts = append(x.Broadcasts, (*d.Broadcasts)[i].expected())
		}
	}
	if d.Digests != nil {
		x.Digests = []ExpectedDigest{}
		for _, g := range *d.Digests {
			x.Digests = append(x.Digests, ExpectedDigest{
				Line: g.at.line, Audience: g.Audience.given(), Template: g.Template.given(), Group: g.Group.given(),
				Count: g.Count.given(), Keys: texts(g.Keys), Ready: g.Ready.given(),
			})
		}
	}
	if d.DeadLetters != nil {
		x.DeadLetters = []ExpectedDeadLetter{}
		for _, l := range *d.DeadLetters {
			x.DeadLetters = append(x.DeadLetters, ExpectedDeadLetter{l.at.line, l.Reason.given(), l.Rule.given(), l.Subject.given()})
		}
	}
	return x
}

func (d *broadcastDoc) expected() ExpectedBroadcast {
	b := ExpectedBroadcast{
		Line: d.mark.at.line, At: d.At.given(), Audience: d.Audience.given(), Template: d.Template.given(), Group: d.Group.given(),
		Title: d.Title.given(), Alert: d.Alert.given(), Content: d.Content.given(), Count: d.Count.given(),
		ContentContains: texts(d.ContentContains), ContentLacks: texts(d.ContentLacks), Users: texts(d.Users),
	}
	if p, err := ParsePriority(d.Priority.Value); err == nil {
		b.Priority = &p
	}
	return b
}

func (c *code) given() *string {
	if !c.set {
		return nil
	}
	return &c.text
}

func (t *text) given() *string {
	if !t.set {
		return nil
	}
	return &t.Value
}

func (v *integer) given() *int {
	if !v.set {
		return nil
	}
	return &v.N
}

func (v *offset) given() *time.Duration {
	if !v.set {
		return nil
	}
	return &v.D
}

func texts(cs []code) []string {
	if cs == nil {
		return nil
	}
	out := make([]string, 0, len(cs)) // [] expects nothing
	for _, c := range cs {
		out = append(out, c.text)
	}
	return out
}
