package stream

import (
	"slices"
	"strings"
)

// disjoint returns filters that cover all of subjects and no subject twice,
// since a consumer refuses filters that overlap. One that another covers is
// dropped; two that overlap in part become one that is wider than both, and
// what it lets through in addition no rule asks for.
func disjoint(subjects []string) []string {
	var filters []string
	for _, subject := range subjects {
		filters = addFilter(filters, subject)
	}
	slices.Sort(filters)
	return filters
}

// addFilter widens until nothing overlaps. It ends, since every round leaves
// one filter less.
func addFilter(filters []string, subject string) []string {
	for i, f := range filters {
		if overlap(f, subject) {
			rest := slices.Delete(slices.Clone(filters), i, i+1)
			return addFilter(rest, widen(f, subject))
		}
	}
	return append(filters, subject)
}

// overlap reports whether some subject matches both patterns.
func overlap(a, b string) bool {
	for { // without a slice of tokens: rules by the thousand are compared with each other
		t, moreA, isA := strings.Cut(a, ".")
		of, moreB, isB := strings.Cut(b, ".")
		switch {
		case t == ">" || of == ">":
			return true
		case t != of && t != "*" && of != "*":
			return false
		case !isA || !isB:
			return isA == isB
		}
		a, b = moreA, moreB
	}
}

// widen returns a pattern that covers two patterns that overlap; it is one of
// the two if that covers the other.
func widen(a, b string) string {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	wide := make([]string, 0, len(as))
	for i := range min(len(as), len(bs)) {
		switch {
		case as[i] == ">" || bs[i] == ">":
			return strings.Join(append(wide, ">"), ".")
		case as[i] == bs[i]:
			wide = append(wide, as[i])
		default:
			wide = append(wide, "*")
		}
	}
	return strings.Join(wide, ".")
}

// maxFilters is how many filters a consumer gets. The server tries every
// event against all of them: with 100, reading was measured three times
// slower than with one, while an event that no rule asks for costs us less
// than a microsecond.
const maxFilters = 8

// Filters are what a consumer is asked for to get all of the subjects: it may
// get others as well.
func Filters(subjects []string) []string { return few(subjects, maxFilters) }

// few returns at most limit disjoint filters that cover all of the given ones.
func few(filters []string, limit int) []string {
	filters = disjoint(filters)
	for len(filters) > limit {
		parent, children := largestFamily(filters)
		wide := parent + ">"
		if len(children) > 1 {
			wide = parent + "*"
		}
		if slices.Contains(children, parent+">") || len(children) == 1 && strings.HasSuffix(children[0], "*") {
			wide = grandparent(parent) + ">"
		}
		filters = disjoint(append(slices.DeleteFunc(filters, func(f string) bool { return slices.Contains(children, f) }), wide))
	}
	return filters
}

// largestFamily finds the most filters that differ in their last token only;
// of several the one with the longest parent, since widening it lets the
// least through. The parent ends with a dot, or is empty.
func largestFamily(filters []string) (parent string, children []string) {
	families := map[string][]string{}
	for _, f := range filters {
		p := f[:strings.LastIndex(f, ".")+1]
		families[p] = append(families[p], f)
	}
	for p, c := range families {
		longer := len(c) == len(children) && (len(p) > len(parent) || len(p) == len(parent) && p < parent)
		if len(c) > len(children) || longer {
			parent, children = p, c
		}
	}
	return parent, children
}

func grandparent(parent string) string {
	p := strings.TrimSuffix(parent, ".")
	return p[:strings.LastIndex(p, ".")+1]
}
