package mapping

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// verbForm is a % of a format: flags, width and precision; the number of an
// operand; the letter.
var verbForm = regexp.MustCompile(`(?s)%([-+# 0]*(\d*)(?:\.(\d*))?)(?:\[([1-9]\d?)\])?(.?)`)

// verb says how one operand is printed.
type verb struct {
	operand int // from 0
	letter  string
}

// verbsOf reads a format of printf for so many operands. plain is the same format
// for operands in the order of the verbs.
func verbsOf(format string, operands int) (verbs []verb, plain string, err error) {
	next, want := 0, 0
	for _, m := range verbForm.FindAllStringSubmatch(format, -1) {
		width, precision, operand, letter := m[2], m[3], m[4], m[5]
		switch {
		case letter == "%":
			continue
		case letter == "" || !strings.Contains("bcdeEfFgGoOqstUvxX", letter):
			return nil, "", fmt.Errorf("cannot print with %q: there is no %%%s; write %%%% for a percent sign", format, letter)
		case len(width) > 3 || len(precision) > 3:
			return nil, "", errors.New("cannot print with a width of more than 999")
		case operand != "":
			next, _ = strconv.Atoi(operand)
			next--
		}
		verbs = append(verbs, verb{next, letter})
		next++
		want = max(want, next)
	}
	if want != operands {
		return nil, "", fmt.Errorf("cannot print with %q: it is for %s, not %d", format, operandsInWords(want), operands)
	}
	return verbs, verbForm.ReplaceAllString(format, "%$1$5"), nil
}

// printf is Go's, except that numbers are numbers, whole or not, and that what
// cannot be printed is an error in place of a text that says so.
func (x *execution) printf(format string, operands ...any) (string, error) {
	verbs, plain, err := verbsOf(format, len(operands))
	if err != nil {
		return "", err
	}
	printed := make([]any, len(verbs))
	for i, v := range verbs {
		if err := x.look(sizeOf(operands[v.operand])); err != nil {
			return "", err
		}
		var ok bool
		if printed[i], ok = v.convert(operands[v.operand]); !ok {
			return "", fmt.Errorf("cannot print %s with %%%s", inWords(operands[v.operand]), v.letter)
		}
	}
	return x.charge(fmt.Sprintf(plain, printed...))
}

// convert gives an operand a type that the verb is for.
func (v verb) convert(operand any) (any, bool) {
	n, whole := wholeNumber(operand)
	switch v.letter {
	case "t":
		_, ok := operand.(bool)
		return operand, ok
	case "e", "E", "f", "F", "g", "G":
		f, ok := numberOf(operand)
		return f, ok
	case "c", "U":
		if !whole || !n.IsInt64() {
			return nil, false
		}
		return n.Int64(), true
	case "b", "d", "o", "O":
		return n, whole
	case "x", "X", "v":
		if whole {
			return n, true
		}
	}
	return textOf(operand), true
}

// wholeNumber is a number without a fraction, of whatever type.
func wholeNumber(v any) (*big.Int, bool) {
	if l, ok := v.(long); ok {
		return new(big.Int).SetString(string(l), 10)
	}
	r := reflect.ValueOf(v)
	switch {
	case !r.IsValid():
	case r.CanInt():
		return big.NewInt(r.Int()), true
	case r.CanUint():
		return new(big.Int).SetUint64(r.Uint()), true
	case r.CanFloat() && r.Float() == math.Trunc(r.Float()) && !math.IsInf(r.Float(), 0):
		n, _ := big.NewFloat(r.Float()).Int(nil)
		return n, true
	}
	return nil, false
}
