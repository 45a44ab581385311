package mapping

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// TestFile is a file of rule tests.
type TestFile struct {
	File  string
	Rules string // path of the rules file, relative to the test file
	Env   map[string]string
	Tests []RuleTest
}

// RuleTest is one story in virtual time: events, and what comes of them.
type RuleTest struct {
	Name   string
	Line   int
	Start  time.Time     // the moment of At 0
	For    time.Duration // how long to go on after the last event; 0: until nothing is pending
	Events []TestEvent
	Expect Expectation
}

// TestEvent is one message of a story.
type TestEvent struct {
	Line    int
	At      time.Duration // after the start
	Subject string
	ID      string // Nats-Msg-Id; empty: none
	Headers map[string]string
	Data    json.RawMessage // nil with Text
	Text    *string         // content that is sent as it is, perhaps not JSON
}

// Message is the event as the reader would deliver it.
func (e *TestEvent) Message(stream string, sequence uint64, start time.Time) Message {
	m := Message{Subject: e.Subject, Stream: stream, Sequence: sequence, Time: start.Add(e.At), Data: e.Data}
	if e.Text != nil {
		m.Data = []byte(*e.Text)
	}
	if len(e.Headers) > 0 || e.ID != "" {
		m.Header = map[string][]string{}
	}
	for k, v := range e.Headers {
		m.Header[k] = []string{v}
	}
	if e.ID != "" {
		m.Header["Nats-Msg-Id"] = []string{e.ID}
	}
	return m
}

// Expectation is what a story must come to. A nil list expects nothing in
// particular, an empty one that there is nothing.
type Expectation struct {
	Line        int
	Broadcasts  []ExpectedBroadcast
	Digests     []ExpectedDigest // pending at the end
	DeadLetters []ExpectedDeadLetter
}

// ExpectedBroadcast describes one send. What is not set is not compared.
type ExpectedBroadcast struct {
	Line            int
	At              *time.Duration
	Audience        *string
	Template        *string
	Group           *string
	Title           *string
	Alert           *string
	Content         *string
	ContentContains []string
	ContentLacks    []string
	Count           *int
	Priority        *Priority
	Users           []string
}

// ExpectedDigest describes one pending digest. What is not set is not compared.
type ExpectedDigest struct {
	Line     int
	Audience *string
	Template *string
	Group    *string
	Count    *int
	Keys     []string
	Ready    *time.Duration // after the start
}

// ExpectedDeadLetter describes one dead letter. What is not set is not compared.
type ExpectedDeadLetter struct {
	Line    int
	Reason  *string
	Rule    *string
	Subject *string
}

type testFileDoc struct {
	mark
	Rules text        `yaml:"rules" need:"true" doc:"The rules file, relative to this one."`
	Env   named[code] `yaml:"env" doc:"Environment variables for the rules file."`
	Tests []testDoc   `yaml:"tests" need:"true" doc:"The stories."`
}

type testDoc struct {
	mark
	Name   code           `yaml:"name" need:"true" doc:"A sentence that says what must happen."`
	Start  code           `yaml:"start" need:"true" doc:"The moment of at: 0s, such as 2026-11-02T09:00:00+08:00."`
	For    offset         `yaml:"for" doc:"How long to go on after the last event. Default: until nothing is pending."`
	Events []testEventDoc `yaml:"events" need:"true" doc:"What is published."`
	Expect expectDoc      `yaml:"expect" need:"true" doc:"What must come of it."`
}

type testEventDoc struct {
	mark
	At      offset      `yaml:"at" need:"true" doc:"After the start."`
	Subject code        `yaml:"subject" need:"true" doc:"NATS subject."`
	ID      code        `yaml:"id" doc:"Nats-Msg-Id."`
	Headers named[code] `yaml:"headers" doc:"NATS headers."`
	Data    tree        `yaml:"data" doc:"Content, sent as JSON."`
	Text    code        `yaml:"text" doc:"Content that is sent as it stands."`
}

type expectDoc struct {
	mark
	Broadcasts  *[]broadcastDoc  `yaml:"broadcasts" doc:"All sends, in order. [] expects none."`
	Digests     *[]digestDoc     `yaml:"digests" doc:"What is still pending at the end. [] expects nothing."`
	DeadLetters *[]deadLetterDoc `yaml:"dead_letters" doc:"What went to the dead letters. [] expects nothing."`
}

type broadcastDoc struct {
	mark
	At              offset  `yaml:"at"`
	Audience        code    `yaml:"audience"`
	Template        code    `yaml:"template"`
	Group           code    `yaml:"group"`
	Title           code    `yaml:"title"`
	Alert           code    `yaml:"alert"`
	Content         code    `yaml:"content"`
	ContentContains []code  `yaml:"content_contains,one"`
	ContentLacks    []code  `yaml:"content_lacks,one"`
	Count           integer `yaml:"count"`
	Priority        text    `yaml:"priority" enum:"low|normal|high|urgent"`
	Users           []code  `yaml:"users"`
}

type digestDoc struct {
	mark
	Audience code    `yaml:"audience"`
	Template code    `yaml:"template"`
	Group    code    `yaml:"group"`
	Count    integer `yaml:"count"`
	Keys     []code  `yaml:"keys"`
	Ready    offset  `yaml:"ready"`
}

type deadLetterDoc struct {
	mark
	Reason  text `yaml:"reason" enum:"undecodable|batch|expression|oversized"`
	Rule    code `yaml:"rule"`
	Subject code `yaml:"subject"`
}

// offset is a length of time, 0 or more.
type offset struct {
	mark
	D time.Duration
}

func (v *offset) decode(d *decoder, n *node, name string) {
	if !wantScalar(d, n, name) {
		return
	}
	dur, err := parseSpan(n.scalar.text)
	if err != nil || dur < 0 || dur > 366*24*time.Hour {
		d.hintf(n.at, "want a time after the start, such as 0s, 20s, 5m or 2h", "cannot use %q as %s", n.scalar.text, name)
		return
	}
	*v = offset{mark{at: n.at, set: true}, dur}
}

// ParseTests reads a file of rule tests. All problems are found at once; the
// TestFile is nil if any of them is an error. file is only a name for messages.
func ParseTests(file string, src []byte) (*TestFile, Problems) {
	r := &report{src: newSource(file, src)}
	root := parseTree(r.src, src, r)
	if root == nil {
		return nil, r.all()
	}
	var doc testFileDoc
	d := &decoder{report: r}
	d.value(root, reflect.ValueOf(&doc).Elem(), "the file", "")
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
	t := RuleTest{Name: d.Name.text, Line: d.at.line, For: d.For.D}
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
	var out []string
	for _, c := range cs {
		out = append(out, c.text)
	}
	return out
}
