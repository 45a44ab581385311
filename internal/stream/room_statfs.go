//go:build linux || darwin || freebsd

package stream

import "syscall"

// room is how many bytes may be written to a folder; 0 if that is not known.
func room(dir string) uint64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0
	}
	return uint64(s.Bavail) * uint64(s.Bsize) //nolint:unconvert // their types differ between systems
}
