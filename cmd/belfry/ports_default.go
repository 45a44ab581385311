//go:build !chaos

package main

import "github.com/belfry-bridge/belfry/bridge"

// wrapPorts is where a build with the tag chaos puts its failpoints between
// the loop and the world; see ports_chaos.go. This build has none.
func wrapPorts(c bridge.Config) bridge.Config { return c }
