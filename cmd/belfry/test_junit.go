package main

import (
	"encoding/xml"
	"fmt"
	"os"
	"strings"
)

// The elements of a JUnit report, as CI servers read it.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr,omitempty"`
		Time    string        `xml:"time,attr"` // seconds
		Failure *junitMessage `xml:"failure,omitempty"`
		Error   *junitMessage `xml:"error,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// writeJUnit writes what came of test files for a CI server.
func writeJUnit(path string, suites []suite) error {
	var doc junitSuites
	for _, s := range suites {
		doc.Suites = append(doc.Suites, s.junit())
	}
	b, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot encode the JUnit report: %w", err)
	}
	if err := os.WriteFile(path, []byte(xml.Header+string(b)+"\n"), 0o644); err != nil {
		return fmt.Errorf("cannot write the JUnit report: %w", err)
	}
	return nil
}

func (s *suite) junit() junitSuite {
	out := junitSuite{Name: s.file, Tests: len(s.tests), Failures: s.failures()}
	for _, t := range s.tests {
		c := junitCase{Name: t.Test.Name, Class: s.file, File: s.file, Line: t.Test.Line, Time: fmt.Sprintf("%.3f", t.took.Seconds())}
		if len(t.Differences) > 0 {
			c.Failure = &junitMessage{Message: t.Differences[0].Where, Text: "\n" + diffText(t.Differences, "")}
		}
		out.Cases = append(out.Cases, c)
	}
	if s.broken != nil {
		out.Tests, out.Errors = out.Tests+1, 1
		out.Cases = append(out.Cases, junitCase{
			Name: strings.TrimSpace(s.file), Class: s.file, File: s.file, Time: "0.000", Error: &junitMessage{Message: s.broken.Error()},
		})
	}
	return out
}
