package stream

import (
	"cmp"
	"context"
	"time"
)

// diskFull is how the server's log, which has it from the system, names a full
// disk. A stream that has met one refuses to store until the server is started
// anew, however much room there is again (nats-server 2.15).
const diskFull = "no space left on device"

const (
	lookForFull  = 5 * time.Second
	stillRefuses = 10 * time.Second // every attempt to store is answered with it again
	roomAgain    = 64 << 20         // bytes
	anewEvery    = time.Minute      // at most, should it be something else
	anewWithin   = 30 * time.Second
)

// watch starts the server anew when the disk was full and has room again.
func (e *Embedded) watch(ctx context.Context) {
	defer close(e.watched)
	tick := time.NewTicker(cmp.Or(e.options.lookEvery, lookForFull))
	defer tick.Stop()
	var last time.Time
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !failed && (!e.refuses() || time.Since(last) < anewEvery) {
			continue
		}
		e.options.Logger.Warn("the disk was full, and the NATS server refuses to store although there is room again; starting it anew")
		last = time.Now()
		err := e.anew(ctx)
		if failed = err != nil; failed {
			e.options.Logger.Error("cannot start the NATS server anew, trying again", "err", err)
		}
	}
}

// refuses reports whether the server says that the disk is full, and it is not.
func (e *Embedded) refuses() bool {
	said := e.full.Load()
	return said != 0 && time.Since(time.Unix(0, said)) < stillRefuses && room(e.options.Dir) >= roomAgain
}

// anew replaces the server by another one on the same port, to which clients
// connect again.
func (e *Embedded) anew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, anewWithin)
	defer cancel()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.options.Port = e.port()
	e.server.Shutdown()
	e.server.WaitForShutdown()
	e.full.Store(0)
	return e.start(ctx)
}
