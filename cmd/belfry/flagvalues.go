package main

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

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

// addressFlag is where to listen; empty for nowhere.
type addressFlag string

func (a *addressFlag) Set(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil && text != "" {
		return errors.New(`want HOST:PORT, such as 127.0.0.1:8080, or "" for none`)
	}
	*a = addressFlag(text)
	return nil
}

func (a *addressFlag) String() string { return string(*a) }

// Type is what the help calls it.
func (*addressFlag) Type() string { return "string" }

// streamFlag is the name of a stream. With one that NATS can't have, a daemon
// would wait for ever.
type streamFlag string

func (s *streamFlag) Set(text string) error {
	if strings.ContainsAny(text, " \t\r\n.*>/\\") {
		return errors.New("a stream has a name without spaces and . * > / \\")
	}
	*s = streamFlag(text)
	return nil
}

func (s *streamFlag) String() string { return string(*s) }

// Type is what the help calls it.
func (*streamFlag) Type() string { return "string" }
