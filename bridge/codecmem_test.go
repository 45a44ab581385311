package bridge_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// Every app has a codec of its own: what it keeps counts a hundred times.
func TestACodecKeepsLittleMemory(t *testing.T) {
	app := compile(t, floodRules).App
	s := bridge.NewState("campus", "born")
	for i := range 1280 {
		m := mapping.Message{Subject: "grouped", Stream: "S", Sequence: uint64(i + 1), Time: floodStart.Add(time.Duration(i) * time.Millisecond), Data: fmt.Appendf(nil, `{"id":"k%d","group":"g%d","text":"%s"}`, i, i%128, random(300))}
		s.Fold(app, &m)
	}
	s.Seal(app, "r", floodStart)
	used := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const codecs = 20
	var kept []*bridge.Codec
	before := used()
	for range codecs {
		c, err := bridge.NewCodec()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Encode(s); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, c)
	}
	if each := (used() - before) / codecs; each > 3<<20 {
		t.Errorf("a codec keeps %d bytes", each)
	}
	runtime.KeepAlive(kept)
}
