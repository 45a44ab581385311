package main

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/belfry-bridge/belfry/mapping"
)

// spanFlag is a duration as rules files write it, days included.
type spanFlag time.Duration

func (s *spanFlag) Set(text string) error {
	d, err := mapping.ParseSpan(text)
	switch {
	case errors.Is(err, mapping.ErrTooLong):
		return mapping.ErrTooLong
	case err != nil || d < 0:
		return errors.New("want a duration such as 90s, 15m, 6h or 2d")
	}
	*s = spanFlag(d)
	return nil
}

func (s *spanFlag) String() string { return time.Duration(*s).String() }

// Type is what the help calls it, as for other durations.
func (*spanFlag) Type() string { return "duration" }

// checkedFlag is a text that must have a form: form says what is wanted instead.
type checkedFlag struct {
	text *string
	form func(text string) error
}

// checkedVar is like StringVar, for such a text.
func checkedVar(f *pflag.FlagSet, to *string, form func(text string) error, name, usual, usage string) {
	*to = usual
	f.Var(checkedFlag{to, form}, name, usage)
}

func (c checkedFlag) Set(text string) error {
	if err := c.form(text); err != nil {
		return err
	}
	*c.text = text
	return nil
}

func (c checkedFlag) String() string { return *c.text }

// Type is what the help calls it.
func (checkedFlag) Type() string { return "string" }

// address is where to listen; empty for nowhere.
func address(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil && text != "" {
		return errors.New(`want HOST:PORT, such as 127.0.0.1:8080, or "" for none`)
	}
	return nil
}

// streamName is the name of a stream. With one that NATS can't have, a daemon
// would wait for ever.
func streamName(text string) error {
	if strings.ContainsAny(text, " \t\r\n.*>/\\") {
		return errors.New("a stream has a name without spaces and . * > / \\")
	}
	return nil
}
