package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const memoryLimit = 200 << 20

// peak is the most memory that a process has had, in bytes.
func peak(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("the system does not say how much memory a process has had")
	return 0
}

func TestMemoryStaysBoundedWhateverComes(t *testing.T) {
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("takes some seconds, and reads /proc")
	}
	provider, natsURL, _, js := startSchool(t)
	const small, large = 200_000, 60
	publish := func(m *nats.Msg) {
		t.Helper()
		if _, err := js.PublishMsgAsync(m, jetstream.WithStallWait(patience)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range small {
		publish(&nats.Msg{Subject: "school.lesson.cancelled", Data: fmt.Appendf(nil, `{"lesson_id":%d,"course":"Maths","notice_minutes":5}`, i)})
	}
	filler := bytes.Repeat([]byte("x"), 1_000_000)
	for i := range large {
		publish(&nats.Msg{Subject: "school.lesson.cancelled", Data: fmt.Appendf(nil, `{"lesson_id":%d,"notice_minutes":500,"filler":"%s"}`, i, filler)})
		<-js.PublishAsyncComplete()
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(patience):
		t.Fatal("the events are not stored")
	}
	daemon, page := startBelfry(t, provider, natsURL, writeFile(t, "rules.yaml", e2eRules))
	eventually(t, "everything is read", func() bool { return overviewOf(t, page).Counts.Read == small+large })
	if got := peak(t, daemon.cmd.Process.Pid); got > memoryLimit {
		t.Errorf("the daemon had %d MiB at its peak, more than %d", got>>20, memoryLimit>>20)
	} else {
		t.Logf("the daemon had %d MiB at its peak", got>>20)
	}
}
