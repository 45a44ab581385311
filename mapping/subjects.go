package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// subjectTree finds the rules of a subject. Its cost depends on the subject's
// tokens and on the rules found, not on how many rules there are.
type subjectTree struct {
	next map[string]*subjectTree
	any  *subjectTree // "*"
	here []int        // rules whose pattern ends here
	rest []int        // rules whose pattern ends in ">" here
}

func (t *subjectTree) add(pattern string, rule int) {
	for token := range strings.SplitSeq(pattern, ".") {
		switch token {
		case ">":
			t.rest = append(t.rest, rule)
			return
		case "*":
			if t.any == nil {
				t.any = &subjectTree{}
			}
			t = t.any
		default:
			if t.next == nil {
				t.next = map[string]*subjectTree{}
			}
			child := t.next[token]
			if child == nil {
				child = &subjectTree{}
				t.next[token] = child
			}
			t = child
		}
	}
	t.here = append(t.here, rule)
}

// match appends the rules of a subject, in their order, each once.
func (t *subjectTree) match(subject string, into []int) []int {
	found := t.collect(subject, into)
	if len(found) > 1 && !slices.IsSorted(found) {
		slices.Sort(found)
	}
	return slices.Compact(found)
}

func (t *subjectTree) collect(subject string, into []int) []int {
	into = append(into, t.rest...)
	token, after, more := strings.Cut(subject, ".")
	for _, child := range [2]*subjectTree{t.next[token], t.any} {
		switch {
		case child == nil:
		case more:
			into = child.collect(after, into)
		default:
			into = append(into, child.here...)
		}
	}
	return into
}

// checkSubject says what is wrong with a subject that rules listen to.
func checkSubject(s string) error {
	if s == "" {
		return fmt.Errorf("cannot use an empty subject")
	}
	if strings.ContainsAny(s, " \t\r\n\x00") {
		return fmt.Errorf("cannot use %q as a subject: it contains a space", s)
	}
	tokens := strings.Split(s, ".")
	for i, t := range tokens {
		switch {
		case t == "":
			return fmt.Errorf("cannot use %q as a subject: a token between dots is empty", s)
		case t == ">" && i < len(tokens)-1:
			return fmt.Errorf("cannot use %q as a subject: > may only stand at the end", s)
		case len(t) > 1 && strings.ContainsAny(t, "*>"):
			return fmt.Errorf("cannot use %q as a subject: * and > stand for whole tokens", s)
		}
	}
	if tokens[0] == "belfry" && len(tokens) > 1 && slices.Contains([]string{"result", "deadletter", "state", "lease", "*", ">"}, tokens[1]) {
		return fmt.Errorf("cannot listen to %q: that is what Belfry publishes, so that each broadcast would bring about the next", s)
	}
	return nil
}

// Covers reports whether every subject that matches b matches a as well.
func Covers(a, b string) bool {
	for { // without a slice of tokens: rules by the thousand are compared with each other
		t, moreA, isA := strings.Cut(a, ".")
		of, moreB, isB := strings.Cut(b, ".")
		switch {
		case t == ">":
			return true
		case of == ">" || t != "*" && t != of:
			return false
		case !isA || !isB:
			return isA == isB
		}
		a, b = moreA, moreB
	}
}

// WithoutCovered sorts subjects and leaves out those that another one covers.
// Wide patterns are few, so only they are compared with all.
func WithoutCovered(subjects []string) []string {
	subjects = slices.Compact(slices.Sorted(slices.Values(subjects)))
	var wide []string
	for _, s := range subjects {
		if strings.ContainsAny(s, "*>") {
			wide = append(wide, s)
		}
	}
	slices.SortFunc(wide, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	return slices.DeleteFunc(subjects, func(s string) bool {
		return slices.ContainsFunc(wide, func(w string) bool { return w != s && Covers(w, s) })
	})
}
