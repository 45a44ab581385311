//go:build !(linux || darwin || freebsd)

package stream

// room is not known here: the server is never started anew for it.
func room(string) uint64 { return 0 }
