package mapping

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"text/template/parse"
	"time"
)

// functionNames lists what templates may call, which is less than
// text/template offers: nothing that reads anything but its operands.
func functionNames() []string { return slices.Sorted(maps.Keys(signatures())) }

// signature says how a function of templates is called.
type signature struct {
	least, most int    // operands; most is 0 where there is no limit
	literals    string // what a literal must be in each place: t text, n a number, l none (it is a list), d text that is a time, * anything
	usage       string
}

func signatures() map[string]signature {
	two := func(usage string) signature { return signature{2, 2, "**", usage} }
	one := func(usage string) signature { return signature{1, 1, "*", usage} }
	return map[string]signature{
		"and":      {1, 0, "", `and .Group .Count`},
		"or":       {1, 0, "", `or .Group .Audience`},
		"print":    {0, 0, "", `print .Text`},
		"println":  {0, 0, "", `println .Text`},
		"date":     {2, 2, "td", `date "15:04" .Time`},
		"default":  two(`default "none" .Group`),
		"eq":       {2, 0, "", `eq .Count 1`},
		"ge":       two(`ge .Count 2`),
		"get":      {2, 3, "*t*", `get .Data "room" "unknown"`},
		"gt":       two(`gt .Count 2`),
		"index":    {1, 0, "", `index .Data "room"`},
		"join":     {2, 2, "tl", `join ", " .Data.rooms`},
		"json":     one(`json .Data`),
		"le":       two(`le .Count 2`),
		"len":      one(`len .Items`),
		"lower":    one(`lower .Text`),
		"lt":       two(`lt .Count 2`),
		"ne":       two(`ne .Count 1`),
		"not":      one(`not .Group`),
		"plural":   {3, 3, "ntt", `plural .Count "lesson" "lessons"`},
		"printf":   {1, 0, "t", `printf "%.2f" .Data.price`},
		"slice":    {1, 4, "", `slice .Text 0 3`},
		"trim":     one(`trim .Text`),
		"truncate": {2, 2, "nt", `truncate 120 .Text`},
		"upper":    one(`upper .Text`),
	}
}

// call finds what a call can never do, whatever the event. piped is whether
// the operand that comes last is the result of what stands before it.
func (c *templateChecker) call(name *parse.IdentifierNode, operands []parse.Node, piped bool) {
	s, known := signatures()[name.Ident]
	if !known {
		return
	}
	n := len(operands)
	if piped {
		n++
	}
	if n < s.least || s.most > 0 && n > s.most {
		c.faultf(name.Pos, "write "+s.usage, "cannot call %s with %s", name.Ident, operandsInWords(n))
		return
	}
	for i, o := range operands {
		if i < len(s.literals) && !fits(o, s.literals[i]) {
			c.faultf(o.Position(), "write "+s.usage, "cannot call %s with %s in this place", name.Ident, o)
			return
		}
	}
	if len(operands) == 0 {
		return
	}
	if literal, ok := operands[0].(*parse.StringNode); ok {
		c.literal(name.Ident, literal, n-1)
	}
}

// fits reports whether a literal can stand in a place; what is no literal may.
func fits(o parse.Node, place byte) bool {
	text, isText := o.(*parse.StringNode)
	_, number := o.(*parse.NumberNode)
	switch place {
	case 't':
		return !number
	case 'n':
		return !isText
	case 'l':
		return !number && !isText
	case 'd':
		if isText {
			_, err := timeOf(text.Text, time.UTC)
			return err == nil
		}
		return !number
	}
	return true
}

// Of a layout, what is written as Go wants it or stands for a zone as text (GMT+8), and what of the rest gives
// wrong digits: of GMT+10, Go takes the 1 for the month.
var (
	layoutParts = regexp.MustCompile(`2006|(?:GMT|UTC)?[-Z]07(?::?00)*|002|0[1-6]|15|(?:\+|(?:GMT|UTC)-)(?:6|0?[07-9])\b|[.,](?:0+|9+)(?:[-Z]07(?::?00)*|[^0-9]|$)`)
	strayDigits = regexp.MustCompile(`[0-9]{2}|[06-9]|§[0-9]|[0-9]§|(?:\+|GMT-|UTC-)[0-9§]`)
)

// literal looks at the text that says how something is written.
func (c *templateChecker) literal(function string, format *parse.StringNode, operands int) {
	switch function {
	case "printf":
		if _, _, err := verbsOf(format.Text, operands); err != nil {
			c.faultf(format.Pos, "", "%s", err)
		}
	case "date":
		one, other := time.Date(2001, 12, 24, 8, 9, 37, 1, time.UTC), time.Date(1999, 3, 17, 21, 51, 2, 230, time.FixedZone("X", 3600))
		said := one.Format(format.Text)
		var what string
		switch {
		case said == other.Format(format.Text):
			what = "the same of every time"
		case strayDigits.MatchString(layoutParts.ReplaceAllString(format.Text, "§")):
			what = fmt.Sprintf("%q of 8:09 on 24 December 2001", said)
		default:
			return
		}
		c.faults = append(c.faults, fault{int(format.Pos), fmt.Sprintf("date %q says %s", format.Text, what), `write a time as Go writes Mon Jan 2 15:04:05 2006, such as "02.01.2006 15:04"`, true})
	}
}

func operandsInWords(n int) string {
	switch n {
	case 0:
		return "no operand"
	case 1:
		return "1 operand"
	}
	return fmt.Sprintf("%d operands", n)
}
