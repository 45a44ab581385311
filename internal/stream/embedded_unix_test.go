//go:build unix

package stream

import (
	"syscall"
	"testing"
)

// A paused server says nothing, and its connection stays open.
func TestServerThatIsPausedIsNoticedAndReadOnFrom(t *testing.T) {
	t.Parallel()
	url, process := startProcess(t, t.TempDir())
	c := connect(t, url, "a")
	c.prepare(t, 100)
	r := c.read(t, []string{"SCHOOL.>"}, fromStart("SCHOOL"), nil)
	r.untilMessages(100)
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	c.waitFor(t, "+source.interrupted SCHOOL")
	if err := process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	c.fill(t, "SCHOOL.lesson", 101, 200)
	r.untilMessages(200)
	r.wantRun(1, 200)
}
