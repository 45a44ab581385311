package mapping

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/internal/strictyaml"
)

// span is a length of time, more than 0.
type span struct {
	strictyaml.Mark
	D time.Duration
}

const maxSpan = 30 * 24 * time.Hour

func (v *span) Decode(d *strictyaml.Decoder, n *strictyaml.Node, name string) {
	if !d.WantSingle(n, name) {
		return
	}
	text, _ := d.Expand(n.Scalar)
	dur, err := ParseSpan(text)
	switch {
	case err != nil:
		d.Hintf(n.At, "want a number with a unit, such as 90s, 15m, 6h, 1h30m or 2d", "cannot use %q as %s", text, name)
	case dur <= 0 || dur > maxSpan:
		d.Errorf(n.At, "cannot use %s as %s: want more than 0 and at most 30d", text, name)
	default:
		*v = span{strictyaml.Mark{At: n.At, Set: true}, dur}
	}
}

func (*span) Schema(reflect.StructTag) strictyaml.Schema {
	return strictyaml.Schema{"type": "string", "pattern": `^(([0-9]+[.]?[0-9]*|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h|d))+$|\$\{`}
}

// offset is a length of time, 0 or more.
type offset struct {
	strictyaml.Mark
	D time.Duration
}

func (v *offset) Decode(d *strictyaml.Decoder, n *strictyaml.Node, name string) {
	if !d.WantSingle(n, name) {
		return
	}
	dur, err := ParseSpan(n.Scalar.Text)
	if err != nil || dur < 0 || dur > 366*24*time.Hour {
		d.Hintf(n.At, "want a time after the start, such as 0s, 20s, 5m or 2h", "cannot use %q as %s", n.Scalar.Text, name)
		return
	}
	*v = offset{strictyaml.Mark{At: n.At, Set: true}, dur}
}

// ErrTooLong is returned by ParseSpan for more than 10,000 days.
var ErrTooLong = errors.New("it is longer than 10000d")

const maxDays = 10_000

// ParseSpan reads a duration as rules files write it: time.ParseDuration, and
// days, of 24 hours each: "2d", "1d12h".
func ParseSpan(s string) (time.Duration, error) {
	if strings.ContainsAny(s, "+-") {
		return 0, fmt.Errorf("cannot use %q as a length of time: it has a sign", s)
	}
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseFloat(days, 64)
	switch {
	case err != nil:
		return 0, fmt.Errorf("cannot use %q as a number of days", days)
	case math.Abs(n) > maxDays:
		return 0, fmt.Errorf("cannot use %q as a length of time: %w", s, ErrTooLong)
	}
	d := time.Duration(n * float64(24*time.Hour))
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	return d + more, err
}

// FormatSpan is the inverse: 2h, not 2h0m0s.
func FormatSpan(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
