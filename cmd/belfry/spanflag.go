package main

import (
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// spanFlag is a duration as rules files write it, days included.
type spanFlag time.Duration

func (s *spanFlag) Set(text string) error {
	d, err := mapping.ParseSpan(text)
	*s = spanFlag(d)
	return err
}

func (s *spanFlag) String() string { return time.Duration(*s).String() }

// Type is what the help calls it, as for other durations.
func (*spanFlag) Type() string { return "duration" }
