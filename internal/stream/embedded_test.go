package stream

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestEmbeddedServerKeepsWhatItStoredOverARestart(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	c := provisioned(t, n.URL(), "a")
	ctx := within(t, 20*time.Second)
	if _, err := c.Store("school").Put(ctx, []byte("one"), "a/1/1", 0); err != nil {
		t.Fatal(err)
	}
	n.stop()
	n.start()
	r, err := provisioned(t, n.URL(), "b").Store("school").Get(ctx)
	if err != nil || string(r.Data) != "one" {
		t.Errorf("Get: %+v, %v", r, err)
	}
}

func TestFolderOfARunningServerIsRefusedToASecondOne(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	_, err := StartEmbedded(context.Background(), EmbeddedOptions{Dir: n.dir, Logger: quiet()})
	if !errors.Is(err, ErrPermanent) || !strings.Contains(err.Error(), "another process uses it") {
		t.Errorf("second server: %v", err)
	}
}

func TestFolderThatCannotBeWrittenIsNotCalledUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "belfry.lock"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := StartEmbedded(context.Background(), EmbeddedOptions{Dir: dir, Logger: quiet()})
	if err == nil || strings.Contains(err.Error(), "another process") {
		t.Errorf("%v", err)
	}
}

func TestPortThatIsTakenStopsTheEmbeddedServerWithAnError(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	number, _ := strconv.Atoi(port)
	dir := filepath.Join(t.TempDir(), "new", "folder")
	if e, err := StartEmbedded(within(t, 10*time.Second), EmbeddedOptions{Dir: dir, Port: number, Logger: quiet()}); err == nil {
		e.Shutdown()
		t.Error("started on a port that is taken")
	}
}
