//go:build unix

package stream

import (
	"fmt"
	"os"
	"syscall"
)

// lockFolder takes the advisory lock of a file, which the system drops when
// the process ends, however it ends.
func lockFolder(file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("another process uses it: %w", err)
	}
	return func() { _ = f.Close() }, nil
}
