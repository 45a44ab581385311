package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/lmittmann/tint"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// logOptions are how to log, the same for every verb that runs for long.
type logOptions struct {
	format string
	level  string
}

func (o *logOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.format, "log-format", "auto", "auto, text or json; auto is text on a terminal")
	f.StringVar(&o.level, "log-level", "info", "debug, info, warn or error")
}

// logger returns a logger to w: tinted text for people, JSON for programs.
func (o *logOptions) logger(w io.Writer, env func(string) (string, bool)) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.level)); err != nil {
		return nil, usageError{fmt.Errorf("cannot use --log-level %q: want debug, info, warn or error", o.level)}
	}
	text := false
	switch o.format {
	case "auto":
		text = isTerminal(w)
	case "text":
		text = true
	case "json":
	default:
		return nil, usageError{fmt.Errorf("cannot use --log-format %q: want auto, text or json", o.format)}
	}
	if text {
		return slog.New(tint.NewTextHandler(w, &tint.Options{
			Level: level, TimeFormat: "15:04:05.000", NoColor: !colours(w, env), ReplaceAttr: legible,
		})), nil
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})), nil
}

// legible replaces what is not UTF-8, or once was not: tint ends an attribute there.
// What it quotes in an attribute it would write as it is in a message.
func legible(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.MessageKey {
		a.Value = slog.StringValue(printable(a.Value.String()))
	}
	text := ""
	switch v := a.Value.Any().(type) {
	case string:
		text = v
	case error:
		text = v.Error()
	}
	if strings.ContainsRune(text, utf8.RuneError) { // also where a byte is none
		a.Value = slog.StringValue(strings.ReplaceAll(strings.ToValidUTF8(text, "?"), string(utf8.RuneError), "?"))
	}
	return a
}

// colours says whether w is for eyes that want them (no-color.org).
func colours(w io.Writer, env func(string) (string, bool)) bool {
	value, _ := env("NO_COLOR")
	return value == "" && isTerminal(w)
}

func isTerminal(w io.Writer) bool {
	if o, ok := w.(*output); ok {
		w = o.Writer
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
