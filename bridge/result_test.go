package bridge

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

func TestAGapIsCountedDatedAndToldWithAnIDOfItsOwn(t *testing.T) {
	s := NewState("campus", "born")
	s.Folded = map[string]Span{"SCHOOL": {First: 1, Last: 9, Events: 9}, "CLINIC": {First: 1, Last: 9, Events: 9}}
	ids := map[string]bool{}
	for i := range 2 {
		at := noon.Add(time.Duration(i) * time.Minute)
		s.reportGap(Gap{Stream: "SCHOOL", From: 3, To: 9, Why: "truncated", At: at}, at)
		e := s.Outbox[i]
		if ids[e.ID] = true; e.Result.State != ResultGap || e.Result.Message != "truncated" || e.Result.Gap.To != 9 {
			t.Errorf("told is %s: %+v", e.ID, e.Result)
		}
		if !s.GapAt.Equal(at) { // BelfryGap goes by it
			t.Errorf("the latest is of %s, want %s", s.GapAt, at)
		}
	}
	if _, begun := s.Folded["SCHOOL"]; len(ids) != 2 || s.Counts.Gaps != 2 || begun || s.Folded["CLINIC"].Events != 9 {
		t.Errorf("ids %v; %d counted; without a gap were read %v", ids, s.Counts.Gaps, s.Folded)
	}
}

func TestADeadLetterNamesTheRuleAndTheHeadersThatItCannotHave(t *testing.T) {
	for name, c := range map[string]struct {
		rule    string
		headers []string
		leftOut string // empty: none
	}{
		"a rule's":                        {"lesson", []string{"Own", "~tilde", "!"}, ""},
		"no rule's":                       {"", nil, ""},
		"names that clients do not write": {"", []string{"b c", "Own", "@a", "é", "\x7f"}, `"@a" "\u00e9" "\x7f" "b c"`},
	} {
		m := &mapping.Message{Header: map[string][]string{}}
		for _, h := range c.headers {
			m.Header[h] = []string{"v"}
		}
		s := NewState("campus", "born")
		s.deadLetter(m, &mapping.DeadLetter{Reason: "undecodable", Rule: c.rule, Err: errors.New("no")})
		p := s.Outbox[0].Dead.Publication("id", m, "")
		if got := fmt.Sprint(p.Header["Belfry-Rule"]); got != fmt.Sprint([]string{c.rule}) && (c.rule != "" || len(p.Header["Belfry-Rule"]) > 0) {
			t.Errorf("%s: the rule is %s", name, got)
		}
		if got := p.Header["Belfry-Headers-Left-Out"]; (len(got) > 0) != (c.leftOut != "") || len(got) > 0 && got[0] != c.leftOut {
			t.Errorf("%s: left out are %q, want %s", name, got, c.leftOut)
		}
		for _, h := range c.headers {
			if _, kept := p.Header[h]; c.leftOut == "" && !kept {
				t.Errorf("%s: %q is left out", name, h)
			}
		}
	}
}
