package mapping

import (
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

const ellipsis = "…"

// cutGraphemes shortens text to limit characters as people count them.
func cutGraphemes(s string, limit int) string {
	return cutBy(s, limit, func(string) int { return 1 }, 1)
}

// cutRunes shortens text to limit code points, at a grapheme border.
func cutRunes(s string, limit int) string {
	return cutBy(s, limit, utf8.RuneCountInString, 1)
}

// cutBytes shortens text to limit bytes, at a grapheme border.
func cutBytes(s string, limit int) string {
	return cutBy(s, limit, func(g string) int { return len(g) }, len(ellipsis))
}

// cutBy keeps whole graphemes while there is room for them and, when any had
// to go, for an ellipsis.
func cutBy(s string, limit int, size func(string) int, mark int) string {
	if len(s) <= limit { // no unit is less than a byte
		return s
	}
	rest, state, used, keep := s, -1, 0, 0
	for rest != "" {
		var g string
		g, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		used += size(g)
		if used > limit {
			if limit < mark {
				return ""
			}
			return s[:keep] + ellipsis
		}
		if used+mark <= limit {
			keep += len(g)
		}
	}
	return s
}
