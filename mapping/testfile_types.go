package mapping

import (
	"encoding/json"
	"time"

	"github.com/belfry-bridge/belfry/internal/strictyaml"
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
	Start  time.Time      // the moment of At 0
	For    *time.Duration // how long to go on after the last event; nil: until nothing is pending
	Events []TestEvent
	Expect Expectation
}

// TestEvent is one message of a story.
type TestEvent struct {
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
	strictyaml.Mark
	Rules strictyaml.Text                   `yaml:"rules" need:"true" doc:"The rules file, relative to this one."`
	Env   strictyaml.Named[strictyaml.Code] `yaml:"env" doc:"Environment variables for the rules file."`
	Tests []testDoc                         `yaml:"tests" need:"true" doc:"The stories."`
}

type testDoc struct {
	strictyaml.Mark
	Name   strictyaml.Code `yaml:"name" need:"true" doc:"A sentence that says what must happen."`
	Start  strictyaml.Code `yaml:"start" need:"true" doc:"The moment of at: 0s, such as 2026-11-02T09:00:00+08:00."`
	For    offset          `yaml:"for" doc:"How long to go on after the last event. Default: until nothing is pending."`
	Events []testEventDoc  `yaml:"events" need:"true" doc:"What is published."`
	Expect expectDoc       `yaml:"expect" need:"true" doc:"What must come of it."`
}

type testEventDoc struct {
	strictyaml.Mark
	At      offset                            `yaml:"at" need:"true" doc:"After the start."`
	Subject strictyaml.Code                   `yaml:"subject" need:"true" doc:"NATS subject."`
	ID      strictyaml.Code                   `yaml:"id" doc:"Nats-Msg-Id."`
	Headers strictyaml.Named[strictyaml.Code] `yaml:"headers" doc:"NATS headers."`
	Data    strictyaml.Tree                   `yaml:"data" doc:"Content, sent as JSON."`
	Text    strictyaml.Code                   `yaml:"text" doc:"Content that is sent as it stands."`
}

type expectDoc struct {
	strictyaml.Mark
	Broadcasts  *[]broadcastDoc  `yaml:"broadcasts" doc:"All sends, in order. [] expects none."`
	Digests     *[]digestDoc     `yaml:"digests" doc:"What is still pending at the end. [] expects nothing."`
	DeadLetters *[]deadLetterDoc `yaml:"dead_letters" doc:"What went to the dead letters. [] expects nothing."`
}

type broadcastDoc struct {
	strictyaml.Mark
	At              offset             `yaml:"at"`
	Audience        strictyaml.Code    `yaml:"audience"`
	Template        strictyaml.Code    `yaml:"template"`
	Group           strictyaml.Code    `yaml:"group"`
	Title           strictyaml.Code    `yaml:"title"`
	Alert           strictyaml.Code    `yaml:"alert"`
	Content         strictyaml.Code    `yaml:"content"`
	ContentContains []strictyaml.Code  `yaml:"content_contains,one"`
	ContentLacks    []strictyaml.Code  `yaml:"content_lacks,one"`
	Count           strictyaml.Integer `yaml:"count"`
	Priority        strictyaml.Text    `yaml:"priority" enum:"low|normal|high|urgent"`
	Users           []strictyaml.Code  `yaml:"users"`
}

type digestDoc struct {
	strictyaml.Mark
	Audience strictyaml.Code    `yaml:"audience"`
	Template strictyaml.Code    `yaml:"template"`
	Group    strictyaml.Code    `yaml:"group"`
	Count    strictyaml.Integer `yaml:"count"`
	Keys     []strictyaml.Code  `yaml:"keys"`
	Ready    offset             `yaml:"ready"`
}

type deadLetterDoc struct {
	strictyaml.Mark
	Reason  strictyaml.Text `yaml:"reason" enum:"undecodable|batch|expression|oversized"`
	Rule    strictyaml.Code `yaml:"rule"`
	Subject strictyaml.Code `yaml:"subject"`
}
