package main

import (
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestTheCommandsOfTheResultsGuideCanBeCalled(t *testing.T) {
	guide, err := os.ReadFile("../../docs/results.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile("(?m)^belfry (.+)$|`belfry ([^`]+)`").FindAllStringSubmatch(string(guide), -1)
	if len(commands) < 6 {
		t.Fatalf("only %d commands are found", len(commands))
	}
	for _, c := range commands {
		line := c[1] + c[2]
		cmd, rest, err := newRoot(stdio{env: os.LookupEnv, in: strings.NewReader(""), out: io.Discard, err: io.Discard}).Find(strings.Fields(line))
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err == nil {
			err = cmd.ValidateArgs(cmd.Flags().Args())
		}
		if err != nil || cmd.RunE == nil {
			t.Errorf("belfry %s: %v", line, err)
		}
	}
}
