// Package belfry holds the repository's example rules, so that the demo of an
// installed binary needs no file.
package belfry

import _ "embed"

// ExampleRules is rules.yaml.
//
//go:embed rules.yaml
var ExampleRules []byte
