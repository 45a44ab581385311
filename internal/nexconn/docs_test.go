package nexconn

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/belfry-bridge/belfry/bridge"
)

// What operators read and what decides must be one table.
func TestTheOperatorsGuideNamesEveryCodeWithItsOutcome(t *testing.T) {
	text, err := os.ReadFile("../../docs/provider.md")
	if err != nil {
		t.Fatal(err)
	}
	words := map[bridge.OutcomeKind]string{
		bridge.Accepted: "accepted", bridge.OutcomeRejected: "rejected", bridge.Throttled: "throttled",
		bridge.Blocked: "blocked", bridge.Doubtful: "in doubt", bridge.NotSent: "not sent",
	}
	for _, r := range outcomeTable() {
		if r.ending != answered || r.code < 0 || (r.code == 0 && r.kind != bridge.Accepted) {
			continue
		}
		line := regexp.MustCompile(fmt.Sprintf(`(?m)^\|[^|]*\b%d\b[^|]*\|[^|]*\| %s \|`, r.code, words[r.kind]))
		if !line.Match(text) {
			t.Errorf("no line says that code %d is %s", r.code, words[r.kind])
		}
	}
	for kind, word := range words {
		if !strings.Contains(string(text), "\n| "+word+" |") {
			t.Errorf("outcome %s is not explained", kind)
		}
	}
}
