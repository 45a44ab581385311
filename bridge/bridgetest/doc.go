// Package bridgetest holds what tests of the bridge need: its ports in
// memory, which can be told to fail in every way that the real ones can, and
// the contract that every Store must keep.
package bridgetest
