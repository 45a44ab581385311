package bridge

import "time"

// Overview is one replica as operators see it: itself, its troubles, and the
// apps as far as it knows.
type Overview struct {
	Replica    string      `json:"replica"`
	Name       string      `json:"name"`
	Version    string      `json:"version"`
	Started    time.Time   `json:"started"`
	Ready      bool        `json:"ready"` // connected, streams in place, and one of the apps, at least, not hindered
	DryRun     bool        `json:"dry_run,omitempty"`
	Rules      RulesStatus `json:"rules"`
	Conditions []Condition `json:"conditions,omitempty"`
	Apps       []Status    `json:"apps"`
	LeftOut    string      `json:"left_out,omitempty"` // what had no room in the message that brings it
}

// RulesStatus says which rules are in force, and whether a newer file was refused.
type RulesStatus struct {
	File     string    `json:"file"`
	Loaded   time.Time `json:"loaded"`
	Version  string    `json:"version,omitempty"`  // of the file's text: replicas with the same rules have the same
	Problems []string  `json:"problems,omitempty"` // of the file that was refused; empty when none was
}

// Condition is a named trouble that holds at the moment.
type Condition struct {
	Name    string    `json:"name"`
	About   string    `json:"about,omitempty"` // the stream, subject or app; empty: all of NATS
	Message string    `json:"message"`         // for people; never holds a secret
	Since   time.Time `json:"since"`
}
