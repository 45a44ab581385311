package stream

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	born, reborn := time.Unix(100, 0), time.Unix(200, 0)
	for name, c := range map[string]struct {
		at          bridge.Checkpoint
		created     time.Time
		first, last uint64
		why         string
		from, to    uint64
		next        uint64
		rewound     bool
	}{
		"nothing is missing":                        {bridge.Checkpoint{Created: born, Sequence: 5}, born, 1, 9, "", 0, 0, 5, false},
		"all before the checkpoint may be gone":     {bridge.Checkpoint{Created: born, Sequence: 5}, born, 6, 9, "", 0, 0, 5, false},
		"the very next one is gone":                 {bridge.Checkpoint{Created: born, Sequence: 5}, born, 7, 9, "truncated", 6, 6, 6, false},
		"everything is gone":                        {bridge.Checkpoint{Created: born, Sequence: 5}, born, 10, 9, "truncated", 6, 9, 9, false},
		"purged after all was read":                 {bridge.Checkpoint{Created: born, Sequence: 9}, born, 10, 9, "", 0, 0, 9, false},
		"a new stream, still empty":                 {bridge.Checkpoint{Created: born, Sequence: 5}, reborn, 0, 0, "recreated", 6, 0, 0, false},
		"a new stream with events":                  {bridge.Checkpoint{Created: born, Sequence: 5}, reborn, 3, 20, "recreated", 6, 0, 2, false},
		"a new stream with a higher first sequence": {bridge.Checkpoint{Created: born, Sequence: 5}, reborn, 7, 9, "recreated", 6, 0, 6, false},
		"the newest events are gone":                {bridge.Checkpoint{Created: born, Sequence: 9}, born, 1, 7, "rewound", 8, 9, 7, true},
		"an empty stream at its beginning":          {bridge.Checkpoint{Created: born}, born, 0, 0, "", 0, 0, 0, false},
		"a checkpoint that knows no creation time":  {bridge.Checkpoint{Sequence: 5}, reborn, 1, 9, "", 0, 0, 5, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			info := &jetstream.StreamInfo{Created: c.created, State: jetstream.StreamState{FirstSeq: c.first, LastSeq: c.last}}
			gap, next, rewound := compare("S", c.at, info)
			if next.Sequence != c.next || !next.Created.Equal(c.created) || rewound != c.rewound {
				t.Errorf("goes on after %+v, rewound %v", next, rewound)
			}
			var got bridge.Gap
			if gap != nil {
				got = *gap
			}
			if got.Why != c.why || got.From != c.from || got.To != c.to {
				t.Errorf("gap %+v", got)
			}
		})
	}
}

// What a stream's limits remove in a burst is told, also if the reader had
// nothing pending before it.
func TestEventsThatABurstPushedOutOfTheStreamAreAGap(t *testing.T) {
	t.Parallel()
	const burst, most = 50, 20
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL", func(cfg *jetstream.StreamConfig) { cfg.MaxMsgs = 1 })
	r := c.read(t, []string{"SCHOOL.>"}, fromStart("SCHOOL"), nil)
	r.untilCaughtUp()
	lossy, sent := 0, 0
	for lossy < 5 && sent < most*burst {
		messages, gaps := len(r.messages), len(r.gaps)
		c.fill(t, "SCHOOL.lesson", sent+1, sent+burst)
		sent += burst
		r.until("the end of the burst", func() bool { return r.checkpoint["SCHOOL"].Sequence >= uint64(sent) })
		if len(r.messages)-messages < burst {
			lossy++
			r.until("the gap", func() bool { return len(r.gaps) > gaps })
		}
	}
	if lossy == 0 {
		t.Errorf("no burst of %d has lost anything", burst)
	}
}
