package main

import (
	"strings"

	"github.com/rivo/uniseg"
)

const phoneWidth = 46 // columns of text inside the frame

// phone draws a notification, and under it the message that the app shows.
func phone(title, alert, text string) []string {
	lines := []string{"╭" + strings.Repeat("─", phoneWidth+2) + "╮"}
	add := func(s string) {
		for _, l := range wrap(s, phoneWidth) {
			lines = append(lines, "│ "+l+strings.Repeat(" ", max(0, phoneWidth-uniseg.StringWidth(l)))+" │")
		}
	}
	if title != "" {
		add("▪ " + title)
	}
	add(alert)
	if text = strings.TrimSpace(text); text != "" && text != strings.TrimSpace(alert) {
		lines = append(lines, "├"+strings.Repeat("─", phoneWidth+2)+"┤")
		add(text)
	}
	return append(lines, "╰"+strings.Repeat("─", phoneWidth+2)+"╯")
}

// wrap breaks text at spaces into lines of at most width columns; a longer
// word is broken between graphemes.
func wrap(text string, width int) []string {
	var out []string
	for para := range strings.SplitSeq(strings.TrimRight(text, "\n "), "\n") {
		line := ""
		for word := range strings.FieldsSeq(para) {
			for uniseg.StringWidth(word) > width {
				head, tail := splitAt(word, width)
				if line != "" {
					out, line = append(out, line), ""
				}
				out, word = append(out, head), tail
			}
			if line != "" && uniseg.StringWidth(line)+1+uniseg.StringWidth(word) > width {
				out, line = append(out, line), ""
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		out = append(out, line)
	}
	return out
}

func splitAt(word string, width int) (head, tail string) {
	g, columns, end := uniseg.NewGraphemes(word), 0, 0
	for g.Next() {
		if columns+g.Width() > width {
			break
		}
		columns += g.Width()
		_, end = g.Positions()
	}
	if end == 0 {
		_, end = g.Positions() // one grapheme wider than the frame: let it stick out
	}
	return word[:end], word[end:]
}
