package stream

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"
)

// diskFull is how the server's log, which has it from the system, names a full
// disk. A stream that has met one refuses to store until the server is started
// anew, however much room there is again (nats-server 2.15).
const diskFull = "no space left on device"

// limitMet is how the server's log names the limit that it took from the free
// disk when it was started. It does not grow with the disk.
const limitMet = "file resource limits exceeded"

const (
	lookForFull  = 5 * time.Second
	stillRefuses = 10 * time.Second // every attempt to store is answered with it again
	roomAgain    = 64 << 20         // bytes
	anewEvery    = time.Minute      // at most, should it be something else
	anewWithin   = 30 * time.Second
)

// watch starts the server anew when it refuses to store although there is room
// again.
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
		e.options.Logger.Warn("the NATS server refuses to store since the disk was full, although there is room again; starting it anew")
		last = time.Now()
		err := e.anew(ctx)
		if failed = err != nil; failed {
			e.options.Logger.Error("cannot start the NATS server anew, trying again", "err", err)
		}
	}
}

// refuses reports whether the server says that the disk is full and it is not,
// or that its limit is met and a new server would have a higher one.
func (e *Embedded) refuses() bool {
	free := room(e.options.Dir)
	if free < roomAgain {
		return false
	}
	return lately(&e.full) || lately(&e.limited) && e.limitAnew(free) >= roomAgain
}

func lately(said *atomic.Int64) bool {
	at := said.Load()
	return at != 0 && time.Since(time.Unix(0, at)) < stillRefuses
}

// limitAnew is by how much the limit of a new server would be higher: three
// quarters of what is free and of what its streams take.
func (e *Embedded) limitAnew(free uint64) int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	now, err := e.server.Jsz(nil)
	if err != nil {
		return 0
	}
	return int64((free+now.Store)/4*3) - now.Config.MaxStore
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
	e.limited.Store(0)
	e.options.limit = 0
	return e.start(ctx)
}
