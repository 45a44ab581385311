package strictyaml

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Options are what the reader must know of a kind of file beside its type.
type Options struct {
	Env       func(name string) (string, bool) // for ${NAME}; nil: nothing is set
	Secret    string                           // the key whose value no message may show, however it is misspelt
	Elsewhere func(key string) string          // the remedy for an unknown key that has another name here, or ""; nil: none has
}

// byteOrderMark is what some editors put before UTF-8.
var byteOrderMark = []byte("\uFEFF")

// Read reads a file into the variable that doc points to, and reports what is wrong
// with it. It gives false for a file of which there is nothing to go on with.
func Read(file string, src []byte, doc any, o Options) (*Report, bool) {
	src = bytes.TrimPrefix(src, byteOrderMark)
	src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n")) // the parser counts the line of a comment that ends with both twice
	r := &Report{src: newSource(file, src, o.Secret), count: map[Severity]int{}}
	for i, line := range r.src.lines {
		if valid := strings.ToValidUTF8(line, "\uFFFD"); valid != line {
			r.src.lines[i] = valid
			col := utf8.RuneCountInString(valid[:strings.Index(valid, "\uFFFD")]) + 1
			r.Hintf(Pos{i + 1, col}, "save the file as UTF-8", "cannot read what is not UTF-8")
			return r, false
		}
	}
	root := parseTree(r.src, src, r)
	if root == nil {
		return r, false
	}
	if o.Elsewhere == nil {
		o.Elsewhere = func(string) string { return "" }
	}
	d := &Decoder{Report: r, Options: o}
	d.Into(root, doc, "the file")
	return r, true
}
