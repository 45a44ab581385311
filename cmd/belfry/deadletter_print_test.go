package main

import (
	"strings"
	"testing"
)

func TestADeadLetterIsShownAsItIs(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	printLetter(&out, &deadLetter{ID: "x", LeftOut: `"@timestamp"`, Data: []byte("{\"a\": \"\\u0009\",\t\"b\": \"\x1b[2J\"}")})
	if want := "{\"a\": \"\\u0009\",\t\"b\": \"\\u001b[2J\"}\n"; !strings.HasSuffix(out.String(), "\n\n"+want) {
		t.Errorf("shown is %q, want %q", out.String(), want)
	}
	if !strings.Contains(out.String(), `left out  "@timestamp"`) {
		t.Errorf("nothing is said of headers that were left out: %q", out.String())
	}
}
