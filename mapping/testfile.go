package mapping

import (
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/internal/strictyaml"
)

// ParseTests reads a file of rule tests. All problems are found at once; the
// TestFile is nil if any of them is an error. file is only a name for messages.
func ParseTests(file string, src []byte) (*TestFile, Problems) {
	var doc testFileDoc
	r, ok := strictyaml.Read(file, src, &doc, reading(nil))
	if !ok {
		return nil, r.All()
	}
	f := &TestFile{File: file, Rules: doc.Rules.Value, Env: textMap(doc.Env)}
	names := map[string]int{}
	for i := range doc.Tests {
		t := &doc.Tests[i]
		if line, dup := names[t.Name.Text]; dup && t.Name.Set {
			r.Errorf(t.Name.At, "cannot use the test name %q twice: it stands in line %d already", t.Name.Text, line)
		}
		names[t.Name.Text] = t.Name.At.Line
		f.Tests = append(f.Tests, t.test(r))
	}
	problems := r.All()
	if problems.HasErrors() {
		return nil, problems
	}
	return f, problems
}

func textMap(n strictyaml.Named[strictyaml.Code]) map[string]string {
	m := make(map[string]string, len(n))
	for _, e := range n {
		m[e.Name.Text] = e.Value.Text
	}
	return m
}

func (d *testDoc) test(r *strictyaml.Report) RuleTest {
	t := RuleTest{Name: d.Name.Text, Line: d.At.Line, For: d.For.Given()}
	if d.Start.Set {
		var err error
		if t.Start, err = time.Parse(time.RFC3339, d.Start.Text); err != nil {
			r.Hintf(d.Start.At, "want a time with its zone, such as 2026-11-02T09:00:00+08:00", "cannot use %q as start", d.Start.Text)
		}
	}
	var last time.Duration
	for i := range d.Events {
		e := d.Events[i].event(r)
		if e.At < last {
			r.Errorf(d.Events[i].At.At, "cannot go back in time: this event is before the one above")
		}
		last = e.At
		t.Events = append(t.Events, e)
	}
	t.Expect = d.Expect.expectation()
	return t
}

func (d *testEventDoc) event(r *strictyaml.Report) TestEvent {
	e := TestEvent{At: d.At.D, Subject: d.Subject.Text, ID: d.ID.Text, Headers: textMap(d.Headers), Text: d.Text.Given()}
	if d.Subject.Set {
		if err := checkSubject(e.Subject); err != nil {
			r.Errorf(d.Subject.At, "%v", err)
		} else if strings.ContainsAny(e.Subject, "*>") {
			r.Errorf(d.Subject.At, "cannot publish to %q: a subject with wildcards is for listening", e.Subject)
		}
	}
	if d.Data.Set && d.Text.Set {
		r.Errorf(d.Text.At, "cannot use both data and text")
	}
	if d.Data.Set {
		e.Data = treeJSON(nil, d.Data.Node)
	}
	return e
}

// treeJSON encodes a value of the file as JSON, a map in the order of the file.
func treeJSON(out []byte, n *strictyaml.Node) []byte {
	switch n.Kind {
	case strictyaml.Single:
		if raw, ok := constant(n); ok {
			return append(out, raw...)
		}
		return appendJSONString(out, n.Scalar.Text)
	case strictyaml.List:
		out = append(out, '[')
		for i, item := range n.Items {
			if i > 0 {
				out = append(out, ',')
			}
			out = treeJSON(out, item)
		}
		return append(out, ']')
	case strictyaml.Map:
		out = append(out, '{')
		for i, f := range n.Fields {
			if i > 0 {
				out = append(out, ',')
			}
			out = treeJSON(append(appendJSONString(out, f.Key.Text), ':'), f.Value)
		}
		return append(out, '}')
	}
	return append(out, "null"...)
}

func (d *expectDoc) expectation() Expectation {
	x := Expectation{Line: d.At.Line}
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
				Line: g.At.Line, Audience: g.Audience.Given(), Template: g.Template.Given(), Group: g.Group.Given(),
				Count: g.Count.Given(), Keys: texts(g.Keys), Ready: g.Ready.Given(),
			})
		}
	}
	if d.DeadLetters != nil {
		x.DeadLetters = []ExpectedDeadLetter{}
		for _, l := range *d.DeadLetters {
			x.DeadLetters = append(x.DeadLetters, ExpectedDeadLetter{l.At.Line, l.Reason.Given(), l.Rule.Given(), l.Subject.Given()})
		}
	}
	return x
}

func (d *broadcastDoc) expected() ExpectedBroadcast {
	b := ExpectedBroadcast{
		Line: d.Mark.At.Line, At: d.At.Given(), Audience: d.Audience.Given(), Template: d.Template.Given(), Group: d.Group.Given(),
		Title: d.Title.Given(), Alert: d.Alert.Given(), Content: d.Content.Given(), Count: d.Count.Given(),
		ContentContains: texts(d.ContentContains), ContentLacks: texts(d.ContentLacks), Users: texts(d.Users),
	}
	if p, err := ParsePriority(d.Priority.Value); err == nil {
		b.Priority = &p
	}
	return b
}

func (v *offset) Given() *time.Duration {
	if !v.Set {
		return nil
	}
	return &v.D
}

func texts(cs []strictyaml.Code) []string {
	if cs == nil {
		return nil
	}
	out := make([]string, 0, len(cs)) // [] expects nothing
	for _, c := range cs {
		out = append(out, c.Text)
	}
	return out
}
