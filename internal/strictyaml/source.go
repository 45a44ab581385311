package strictyaml

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/belfry-bridge/belfry/internal/spelling"
)

// Pos is a place in a file, both parts from 1. The zero value is unknown.
type Pos struct{ Line, Col int }

// source is the text of a file, by lines, for messages and for finding the
// place of one character inside a scalar.
type source struct {
	file   string
	lines  []string
	secret string      // the key of one, folded; "": there is none
	hidden map[int]int // by line: the column of its first unknown key
}

func newSource(file string, src []byte, secret string) *source {
	return &source{file: file, lines: strings.Split(string(src), "\n"), secret: spelling.Fold(secret), hidden: map[int]int{}}
}

const hidden = "[secret]"

// hide keeps the value of an unknown key out of messages: it may be anything,
// a secret as well.
func (s *source) hide(key Pos) {
	if was, ok := s.hidden[key.Line]; !ok || key.Col < was {
		s.hidden[key.Line] = key.Col
	}
}

// shown is a line as messages may show it: without a secret, also one whose
// key is misspelt, and without what stands behind an unknown key.
func (s *source) shown(n int) string {
	if s.continuesHidden(n) {
		return strings.Repeat(" ", indentOf(s.line(n))) + hidden
	}
	l := userOfURL.ReplaceAllString(s.line(n), "$1")
	if at := s.secretAt(l); at >= 0 && !blockStart.MatchString(l[at:]) {
		l = l[:at] + hidden
	}
	if col, ok := s.hidden[n]; ok {
		rest := fromColumn(l, col)
		value := len(l) - len(rest) + len(keyAlone.FindString(rest))
		if value < len(l) && !fromEnvironment.MatchString(l[value:]) {
			return l[:value] + "…"
		}
	}
	return l
}

// continuesHidden reports whether a line is, or was meant to be, the value of
// a key above it that must not be shown.
func (s *source) continuesHidden(n int) bool {
	stray := !strings.Contains(s.line(n), ":") // without a key of its own it may belong to the line above, though not indented
	for above := n - 1; above > 0; above-- {
		l := s.line(above)
		if strings.TrimSpace(l) == "" {
			continue
		}
		inside := indentOf(l) < indentOf(s.line(n))
		if inside || stray {
			at := s.secretAt(l)
			if _, unknown := s.hidden[above]; unknown || at >= 0 && blockStart.MatchString(l[at:]) {
				return true
			}
		}
		if inside {
			return false
		}
		stray = false
	}
	return false
}

var (
	// keyOnLine is a key, in quotes or not, up to its value.
	keyOnLine = regexp.MustCompile(`([A-Za-z][\w -]*)["']?\s*:\s*`)
	// firstWord is what was meant as a key, where the colon is forgotten, or not one to YAML.
	firstWord = regexp.MustCompile(`^\s*(?:- +)?["']?([A-Za-z][\w-]*)["']?(?:\s*[=：]\s*|\s+)[^\s:]`)
	// keyInText is a key with something behind it, where a message repeats one; no file of a path.
	keyInText = regexp.MustCompile(`(?:^|[^\w/.-])([A-Za-z][\w-]*)[\\"']*\s*(?:[:：]|=[^=])\s*\S`)
	// keyAlone is an unknown key up to its value.
	keyAlone = regexp.MustCompile(`^(?:"[^"]*"|'[^']*'|[^:]*):?\s*`)
	// fromEnvironment is a value that is nothing but ${NAME}.
	fromEnvironment = regexp.MustCompile(`^["']?\$\{[A-Za-z_]\w*\}["']?\s*(?:$|[#,}])`)
	// userOfURL is a user's name and password, also where the scheme is forgotten.
	userOfURL = regexp.MustCompile(`(//)[^@\s"']*@|[^@\s"'/:]+:[^@\s"'/][^@\s"']*@`)
	// blockStart is a value that stands on the next lines.
	blockStart = regexp.MustCompile(`^[|>]?[-+]?\s*$`)
)

// secretAt is where the value of a line's first secret begins that is not
// taken from the environment, or -1.
func (s *source) secretAt(line string) int {
	if m := firstWord.FindStringSubmatchIndex(line); m != nil && s.meansSecret(line[m[2]:m[3]]) {
		_, width := utf8.DecodeLastRuneInString(line[:m[1]])
		return m[1] - width
	}
	for _, m := range keyOnLine.FindAllStringSubmatchIndex(line, -1) {
		if s.meansSecret(line[m[2]:m[3]]) && !fromEnvironment.MatchString(line[m[1]:]) {
			return m[1]
		}
	}
	return -1
}

// keyShown is an unknown key as messages may show it: a secret belongs to it
// where the colon is not one to YAML.
func (s *source) keyShown(key string) string {
	if at := s.secretAt(key); at >= 0 {
		return key[:at] + hidden
	}
	return key
}

// withoutSecret cuts a part of a message that repeats one: a quote that is not closed, say,
// makes the next lines, with their keys, part of a value.
func (s *source) withoutSecret(text string) string {
	for _, m := range keyInText.FindAllStringSubmatchIndex(text, -1) {
		if s.meansSecret(text[m[2]:m[3]]) && !strings.HasPrefix(text[m[3]:], ":-default}") { // as we propose it
			return text[:m[3]] + ": " + hidden
		}
	}
	return text
}

// meansSecret reports whether a key is that of the secret, or what someone may
// have written for it. The file that holds one is no secret.
func (s *source) meansSecret(key string) bool {
	key = spelling.Fold(key)
	if strings.HasSuffix(key, "secretfile") { // also of a variable that names it
		return false
	}
	for _, word := range [...]string{"secret", "passw", "pwd", "token"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return s.secret != "" && spelling.Distance(key, s.secret) <= 3
}

// line returns the text of a line, from 1; empty when there is none.
func (s *source) line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	return s.lines[n-1]
}

type style uint8

const (
	plain style = iota
	singleQuoted
	doubleQuoted
	literal // "|"
	folded  // ">"
)

// Scalar is one value as it stands in the file.
type Scalar struct {
	Text  string
	At    Pos // of the first character, a quote or "|" included
	style style
	src   *source
}

// Place says where in the file the byte at offset of the text stands. It is
// exact for one-line and literal scalars and good enough for folded ones.
func (s Scalar) Place(offset int) Pos {
	offset = max(0, min(offset, len(s.Text)))
	if s.src == nil {
		return s.At
	}
	switch s.style {
	case literal:
		return s.placeInLiteral(offset)
	case folded:
		return s.placeInFolded(offset)
	}
	return s.placeInFlow(offset)
}

func (s Scalar) placeInLiteral(offset int) Pos {
	before := s.Text[:offset]
	line := strings.Count(before, "\n")
	inLine := before[strings.LastIndexByte(before, '\n')+1:]
	return Pos{s.At.Line + 1 + line, s.indent() + 1 + utf8.RuneCountInString(inLine)}
}

func (s Scalar) placeInFolded(offset int) Pos {
	indent, n := s.indent(), s.At.Line+1
	for ; n < len(s.src.lines); n++ {
		length := max(0, len(s.src.line(n))-indent)
		if offset <= length {
			break
		}
		offset -= length
		if strings.TrimSpace(s.src.line(n+1)) != "" {
			offset--
		}
	}
	l := s.src.line(n)
	from := min(indent, len(l))
	to := min(from+max(offset, 0), len(l))
	return Pos{n, indent + 1 + utf8.RuneCountInString(l[from:to])}
}

// indent is that of a block scalar's first line with text.
func (s Scalar) indent() int {
	for n := s.At.Line + 1; n <= len(s.src.lines); n++ {
		l := s.src.line(n)
		if t := strings.TrimLeft(l, " "); t != "" {
			return len(l) - len(t)
		}
	}
	return 0
}

// placeInFlow walks a plain or quoted scalar in the file and in its text side by side.
func (s Scalar) placeInFlow(offset int) Pos {
	at := s.At
	rest := fromColumn(s.src.line(at.Line), at.Col)
	if s.style != plain {
		rest, at.Col = rest[min(1, len(rest)):], at.Col+1 // past the quote
	}
	for done := 0; done < offset; {
		if rest == "" { // the line is folded into the next
			var blank int
			at, rest, blank = s.nextLine(at)
			if rest == "" {
				return s.At
			}
			done += max(1, blank)
			continue
		}
		from, to := s.step(rest)
		rest, at.Col, done = rest[from:], at.Col+utf8.RuneCountInString(rest[:from]), done+to
	}
	return at
}

func (s Scalar) nextLine(at Pos) (Pos, string, int) {
	for blank := 0; at.Line < len(s.src.lines); blank++ {
		at.Line++
		l := s.src.line(at.Line)
		if t := strings.TrimLeft(l, " \t"); t != "" {
			return Pos{at.Line, len(l) - len(t) + 1}, t, blank
		}
	}
	return at, "", 0
}

// step says how many bytes of the file make how many bytes of text.
func (s Scalar) step(rest string) (inFile, inText int) {
	switch {
	case s.style == singleQuoted && strings.HasPrefix(rest, "''"):
		return 2, 1
	case s.style == doubleQuoted && rest[0] == '\\' && len(rest) > 1:
		return escapeWidth(rest)
	}
	_, n := utf8.DecodeRuneInString(rest)
	return n, n
}

func escapeWidth(rest string) (inFile, inText int) {
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[rest[1]]
	n := min(2+digits, len(rest))
	if digits == 0 {
		return n, 1
	}
	code := rune(0)
	for _, c := range rest[2:n] {
		code = code<<4 | rune(strings.IndexRune("0123456789abcdef", c|0x20))
	}
	return n, max(1, utf8.RuneLen(code))
}

// fromColumn is the rest of a line from a column on.
func fromColumn(line string, col int) string {
	for i := range line {
		if col--; col == 0 {
			return line[i:]
		}
	}
	return ""
}
