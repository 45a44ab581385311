package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/ruletest"
)

func printTested(w io.Writer, file string, t tested, verbose bool) {
	switch {
	case len(t.Differences) > 0:
		fmt.Fprintf(w, "FAIL  %s (%s:%d)\n%s", t.Test.Name, file, t.Test.Line, diffText(t.Differences, "      "))
	case verbose:
		fmt.Fprintf(w, "ok    %s\n", t.Test.Name)
	}
	if verbose || len(t.Differences) > 0 {
		for _, b := range t.Besides {
			fmt.Fprintf(w, "      %s\n", printable(b))
		}
	}
	if verbose {
		for _, line := range t.Story() {
			fmt.Fprintf(w, "      %s\n", line)
		}
	}
}

func diffText(diff []ruletest.Difference, indent string) string {
	var b strings.Builder
	for _, d := range diff {
		fmt.Fprintf(&b, "%s%s\n", indent, d.Where)
		for _, l := range d.Expected {
			fmt.Fprintf(&b, "%s  - %s\n", indent, l)
		}
		for _, l := range d.Got {
			fmt.Fprintf(&b, "%s  + %s\n", indent, l)
		}
	}
	return b.String()
}

func printSuite(w io.Writer, s suite) {
	n := s.failures()
	if n > 0 {
		fmt.Fprintf(w, "%s: %d of %s failed\n", s.file, n, bridge.Plural(len(s.tests), "test", "tests"))
		return
	}
	fmt.Fprintf(w, "%s: ok, %s\n", s.file, bridge.Plural(len(s.tests), "test", "tests"))
}
