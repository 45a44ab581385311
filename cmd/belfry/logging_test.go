package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/stream"
)

func TestTheLogTellsInWordsHowLongATroubleLasted(t *testing.T) {
	var out bytes.Buffer
	d := &daemon{log: slog.New(slog.NewJSONHandler(&out, nil))}
	d.logCondition(bridge.Condition{Name: string(stream.StreamMissing), About: "SCHOOL", Since: time.Now().Add(-time.Hour)}, false)
	var line struct{ After any }
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	text, _ := line.After.(string)
	if d, err := time.ParseDuration(text); err != nil || d < time.Hour {
		t.Errorf("it says %v, want at least 1h0m0s: %s", line.After, out.Bytes())
	}
}

func TestTextThatIsNotUTF8DoesNotEndALineOfTheLog(t *testing.T) {
	var out bytes.Buffer
	log, err := (&logOptions{format: "text", level: "info"}).logger(&out, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	log.Info("sends", "digest", "bad\xff\uFFFDgroup", "err", errors.New("half a \xe2 word"), "n", 7)
	if got := out.String(); !strings.Contains(got, `digest=bad??group`) || !strings.Contains(got, `err="half a ? word"`) || !strings.Contains(got, "n=7") {
		t.Errorf("it says %q", got)
	}
}

// A trouble may name a group, which whoever publishes events chooses.
func TestNoTextForgesALineOfTheLog(t *testing.T) {
	var out bytes.Buffer
	log, err := (&logOptions{format: "text", level: "info"}).logger(&out, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{log: log}
	group := "G\x1b[2J\n16:50:31.856 INF all is well \u202e\xff"
	d.logCondition(bridge.Condition{Name: "digest.unsendable", About: group, Message: "students / t / " + group + " cannot be sent"}, true)
	if got := out.String(); strings.Count(got, "\n") != 1 || strings.ContainsAny(got, "\x1b\u202e") || !strings.Contains(got, `students / t / G\u001b[2J\n16:50`) {
		t.Errorf("it says %q", got)
	}
}

func TestAnAnswerThatCannotBeWrittenIsAFailure(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want int
	}{"a full disk": {syscall.ENOSPC, exitFailed}, "a reader who has seen enough": {syscall.EPIPE, exitOK}} {
		var errs bytes.Buffer
		code := run(t.Context(), []string{"help"}, stdio{env: func(name string) (string, bool) { return "x", !strings.HasPrefix(name, "BELFRY_") }, in: strings.NewReader(""), out: broken{c.err}, err: &errs})
		if code != c.want || (code == exitFailed) != strings.Contains(errs.String(), "cannot write all of the output: no space left") {
			t.Errorf("%s: exit %d, %s", name, code, errs.String())
		}
	}
}

func TestAVerbThatWaitsForStandardInputCanBeStopped(t *testing.T) {
	in, _ := io.Pipe() // nobody ever writes
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := io.ReadAll(stoppable(ctx, in)); err == nil || err.Error() != "stopped" {
		t.Errorf("a read ends with %v", err)
	}
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }
