package stream

import (
	"bytes"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

func TestReaderDeliversAStreamFromItsStartAndThenWhatComes(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	c.fill(t, "SCHOOL.lesson", 1, 12000)
	r := c.read(t, []string{"SCHOOL.>"}, fromStart("SCHOOL"), nil)
	r.untilMessages(12000)
	r.untilCaughtUp()
	c.fill(t, "SCHOOL.lesson", 12001, 12100)
	r.untilMessages(12100)
	r.wantRun(1, 12100)
	if got := r.checkpoint["SCHOOL"].Sequence; got != 12100 {
		t.Errorf("checkpoint %d, want 12100", got)
	}
}

// The form that later servers use, with two tokens more.
func TestReaderUnderstandsTheSecondFormOfDeliveries(t *testing.T) {
	t.Parallel()
	o := EmbeddedOptions{Dir: t.TempDir(), Logger: quiet()}.serverOptions()
	o.FeatureFlags = map[string]bool{server.FeatureFlagJsAckFormatV2: true}
	c := connect(t, startServer(t, o), "a")
	c.prepare(t, 6000)
	r := c.read(t, []string{"SCHOOL.>"}, fromStart("SCHOOL"), nil)
	r.untilCaughtUp()
	r.untilMessages(6000)
	r.wantRun(1, 6000)
}

func TestReaderOfAnEmptyStreamSaysThatItHasCaughtUp(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	r := c.read(t, []string{"SCHOOL.>"}, nil, nil)
	r.untilCaughtUp()
	c.fill(t, "SCHOOL.lesson", 1, 3)
	r.untilMessages(3)
	r.wantRun(1, 3)
}

func TestReaderHandsOverSubjectHeadersDataAndTheTimeOfStoring(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	ctx := within(t, 10*time.Second)
	big := bytes.Repeat([]byte("x"), 1<<20-1000)
	for _, m := range []*nats.Msg{
		{Subject: "SCHOOL.plain", Data: []byte("plain")},
		{Subject: "SCHOOL.headed", Header: nats.Header{"ce-id": {"7"}}, Data: []byte("headed")},
		{Subject: "SCHOOL.empty", Header: nats.Header{"Status": {"100"}}},
		{Subject: "SCHOOL.big", Data: big},
	} {
		if _, err := c.js.PublishMsg(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	r := c.read(t, []string{"SCHOOL.>"}, fromStart("SCHOOL"), nil)
	r.untilMessages(4)
	for i, got := range r.messages {
		stored, err := c.Source("school").Get(ctx, "SCHOOL", uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		if got.Subject != stored.Subject || got.Stream != "SCHOOL" || got.Sequence != stored.Sequence ||
			!got.Time.Equal(stored.Time) || !bytes.Equal(got.Data, stored.Data) || len(got.Header) != len(stored.Header) {
			t.Errorf("message %d differs from the stored one: %.100v, %.100v", i+1, got, stored)
		}
	}
	if r.messages[0].Header != nil || r.messages[1].Header["ce-id"][0] != "7" {
		t.Errorf("headers %v and %v", r.messages[0].Header, r.messages[1].Header)
	}
}

func TestReaderBeginsWhereItIsTold(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	c.fill(t, "SCHOOL.lesson", 1, 5)
	fifth, err := c.Source("school").Get(within(t, time.Second), "SCHOOL", 5)
	if err != nil {
		t.Fatal(err)
	}
	info, err := c.streamInfo(within(t, time.Second), "SCHOOL")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		start mapping.Start
		from  map[string]bridge.Checkpoint
		first int
	}{
		"with all that is there":             {mapping.Start{Mode: mapping.StartAll}, nil, 1},
		"with what is new":                   {mapping.Start{Mode: mapping.StartNew}, nil, 6},
		"at a time":                          {mapping.Start{Mode: mapping.StartAtTime, Time: fifth.Time}, nil, 5},
		"after the checkpoint, if it is one": {mapping.Start{Mode: mapping.StartAll}, map[string]bridge.Checkpoint{"SCHOOL": {Created: info.Created, Sequence: 3}}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.read(t, []string{"SCHOOL.>"}, []mapping.Source{{Stream: "SCHOOL", Start: test.start}}, test.from)
			r.until("its first batch", func() bool { return len(r.checkpoint) > 0 })
			if first := r.checkpoint["SCHOOL"].Sequence - uint64(len(r.messages)) + 1; first != uint64(test.first) {
				t.Errorf("begins with %d, want %d", first, test.first)
			}
			r.untilCaughtUp()
			if len(r.gaps) > 0 || len(r.messages) != 5-test.first+1 {
				t.Errorf("%d messages, gaps %v", len(r.messages), r.gaps)
			}
		})
	}
}

// The reconnect storm of connections that are cut with events on their way.
func TestTwentyCutConnectionsSkipNoEventAndDoubleNone(t *testing.T) {
	t.Parallel()
	const events = 100_000
	n := startNATS(t)
	filler := connect(t, n.URL(), "filler")
	filler.addStream(t, "SCHOOL", func(cfg *jetstream.StreamConfig) { cfg.Storage = jetstream.MemoryStorage })
	filler.fill(t, "SCHOOL.lesson", 1, events)
	p := startProxy(t, n.URL())
	c := connect(t, p.url(), "a")
	r := c.read(t, []string{"SCHOOL.>"}, fromStart("SCHOOL"), nil)
	for cut := 1; cut <= 20; cut++ {
		r.untilMessages(events / 21 * cut)
		p.cut()
	}
	r.untilMessages(events)
	r.untilCaughtUp()
	r.wantRun(1, events)
	if len(r.gaps) > 0 {
		t.Errorf("gaps reported: %v", r.gaps)
	}
	if got := c.nc.Stats().Reconnects; got < 10 {
		t.Errorf("only %d reconnects", got)
	}
}

func (c *client) prepare(t *testing.T, events int) {
	t.Helper()
	c.addStream(t, "SCHOOL")
	c.fill(t, "SCHOOL.lesson", 1, events)
}

func TestServerRestartedWhileReadingSkipsNothing(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	c := connect(t, n.URL(), "a")
	c.prepare(t, 3000)
	r := c.read(t, []string{"SCHOOL.>"}, fromStart("SCHOOL"), nil)
	r.untilMessages(1000)
	n.stop()
	c.waitFor(t, "+nats.disconnected ")
	n.start()
	c.waitFor(t, "-nats.disconnected ")
	c.fill(t, "SCHOOL.lesson", 3001, 4000)
	r.untilMessages(4000)
	r.untilCaughtUp()
	r.wantRun(1, 4000)
	if len(r.gaps) > 0 {
		t.Errorf("gaps reported: %v", r.gaps)
	}
}

func TestServerRestartedEmptyIsAGapAndThenTheNewStreamIsRead(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	c := connect(t, n.URL(), "a")
	c.prepare(t, 10)
	r := c.read(t, []string{"SCHOOL.>"}, fromStart("SCHOOL"), nil)
	r.untilMessages(10)
	n.stop()
	n.dir = t.TempDir()
	n.start()
	c.waitFor(t, "+stream.missing SCHOOL")
	c.addStream(t, "SCHOOL")
	c.fill(t, "SCHOOL.lesson", 11, 13)
	r.untilMessages(13)
	r.wantRun(1, 13)
	if len(r.gaps) != 1 || r.gaps[0].Why != "recreated" || r.gaps[0].From != 11 || r.gaps[0].To != 0 {
		t.Errorf("gaps %+v", r.gaps)
	}
	c.waitFor(t, "-stream.missing SCHOOL")
}

func TestStreamDeletedAndCreatedAgainIsAGap(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.prepare(t, 10)
	r := c.read(t, []string{"SCHOOL.>"}, fromStart("SCHOOL"), nil)
	r.untilMessages(10)
	c.deleteStream(t, "SCHOOL")
	c.addStream(t, "SCHOOL")
	c.fill(t, "SCHOOL.lesson", 11, 20) // the same sequences once more
	r.untilMessages(20)
	r.wantRun(1, 20)
	if len(r.gaps) != 1 || r.gaps[0].Why != "recreated" {
		t.Errorf("gaps %+v", r.gaps)
	}
}

// A restored stream has another time of creation. What was read before it is not
// read, nor sent, again, however often it is restored before the next event.
func TestWhatAStreamHadBeforeItWasRestoredTwiceIsNotReadAgain(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.prepare(t, 10)
	ends := func(sources []mapping.Source, from bridge.Checkpoint) (bridge.Checkpoint, *reading) {
		t.Helper()
		var known map[string]bridge.Checkpoint
		if !from.Created.IsZero() {
			from.Created = from.Created.Add(-time.Hour)
			known = map[string]bridge.Checkpoint{"SCHOOL": from}
		}
		r := c.read(t, []string{"SCHOOL.>"}, sources, known)
		r.untilCaughtUp()
		r.end()
		return r.checkpoint["SCHOOL"], r
	}
	all, _ := ends(fromStart("SCHOOL"), bridge.Checkpoint{})
	ahead := all
	ahead.Sequence, ahead.Event, ahead.Stored = 12, 12, ahead.Stored.Add(time.Second) // what the backup did not have
	onlyNew, _ := ends([]mapping.Source{{Stream: "SCHOOL", Start: mapping.Start{Mode: mapping.StartNew}}}, bridge.Checkpoint{})
	since, _ := ends([]mapping.Source{{Stream: "SCHOOL", Start: mapping.Start{Mode: mapping.StartAtTime, Time: all.Stored.Add(time.Nanosecond)}}}, bridge.Checkpoint{})
	for name, at := range map[string]bridge.Checkpoint{"as it was": all, "from an older backup": ahead, "before the first event was read": onlyNew, "before the first since a time": since} {
		for range 3 {
			next, r := ends(fromStart("SCHOOL"), at)
			if len(r.messages) != 0 || next.Sequence != 10 {
				t.Errorf("%s: read again %d of 10, and goes on after %+v", name, len(r.messages), next)
			}
			if name == "as it was" && len(r.gaps) != 0 {
				t.Errorf("%s: gaps %+v", name, r.gaps)
			}
			at = next
		}
	}
}

func TestStreamTruncatedPastTheCheckpointIsAGapWithItsBorders(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.prepare(t, 100)
	info, err := c.streamInfo(within(t, time.Second), "SCHOOL")
	if err != nil {
		t.Fatal(err)
	}
	c.purge(t, "SCHOOL", 61)
	r := c.read(t, []string{"SCHOOL.>"}, nil, map[string]bridge.Checkpoint{"SCHOOL": {Created: info.Created, Sequence: 40}})
	r.untilMessages(40)
	r.wantRun(61, 100)
	if len(r.gaps) != 1 || r.gaps[0].Why != "truncated" || r.gaps[0].From != 41 || r.gaps[0].To != 60 {
		t.Errorf("gaps %+v", r.gaps)
	}
	if r.beyondGap != 40 { // or it would send what an event further on cancels
		t.Errorf("with the gap the stream was said to hold %d more; want 40", r.beyondGap)
	}
}

func (c *client) purge(t *testing.T, stream string, upTo uint64) {
	t.Helper()
	ctx := within(t, 10*time.Second)
	s, err := c.js.Stream(ctx, stream)
	if err == nil {
		err = s.Purge(ctx, jetstream.WithPurgeSequence(upTo))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The reader is held up by its receiver, so that the purge overtakes it.
func TestStreamTruncatedAheadOfARunningReaderIsAGapToo(t *testing.T) {
	t.Parallel()
	const events = 30_000
	c := connect(t, startNATS(t).URL(), "a")
	c.prepare(t, events)
	r := c.read(t, []string{"SCHOOL.>"}, fromStart("SCHOOL"), nil)
	r.untilMessages(1)
	c.purge(t, "SCHOOL", events-99)
	r.until("the last event and a gap", func() bool { return r.checkpoint["SCHOOL"].Sequence == events && len(r.gaps) > 0 })
	if len(r.gaps) != 1 || r.gaps[0].Why != "truncated" {
		t.Fatalf("gaps %+v", r.gaps)
	}
	next := 1
	for _, n := range r.numbers() {
		if next == int(r.gaps[0].From) {
			next = int(r.gaps[0].To) + 1
		}
		if n != next {
			t.Fatalf("event %d, want %d; gap %+v", n, next, r.gaps[0])
		}
		next++
	}
	if next != events+1 {
		t.Errorf("ended before %d", next)
	}
}

func TestForeignEventsMoveTheCheckpointOnAndAreNoGapWhenTheyGo(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	r := c.read(t, []string{"SCHOOL.lesson", "SCHOOL.fee"}, fromStart("SCHOOL"), nil)
	c.fill(t, "SCHOOL.lesson", 1, 1)
	r.untilMessages(1)
	c.fill(t, "SCHOOL.noise", 1, 500)
	r.until("a checkpoint after the noise", func() bool { return r.checkpoint["SCHOOL"].Sequence == 501 })
	r.end()
	c.purge(t, "SCHOOL", 400)
	c.fill(t, "SCHOOL.fee", 2, 2)
	r2 := c.read(t, []string{"SCHOOL.lesson", "SCHOOL.fee"}, nil, r.checkpoint)
	r2.untilMessages(1)
	if len(r.messages) != 1 || len(r2.messages) != 1 || len(r2.gaps) > 0 {
		t.Errorf("%d and %d messages, gaps %v", len(r.messages), len(r2.messages), r2.gaps)
	}
}

func TestFiltersOfAConsumerNeverLeaveOutAnEventThatCameWithNoise(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	r := c.read(t, []string{"SCHOOL.lesson"}, fromStart("SCHOOL"), nil)
	for i := 1; i <= 2000; i++ {
		subject := "SCHOOL.noise"
		if i%7 == 0 {
			subject = "SCHOOL.lesson"
		}
		if err := c.nc.Publish(subject, []byte(strconv.Itoa(i/7))); err != nil {
			t.Fatal(err)
		}
	}
	r.untilMessages(2000 / 7)
	r.wantRun(1, 2000/7)
}

func TestStreamsThatNeedAcknowledgementsAreRefusedBeforeAnythingIsRead(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	for name, retention := range map[string]jetstream.RetentionPolicy{"QUEUE": jetstream.WorkQueuePolicy, "INTEREST": jetstream.InterestPolicy} {
		c.addStream(t, name, func(cfg *jetstream.StreamConfig) { cfg.Retention = retention })
		for _, sources := range [][]mapping.Source{nil, fromStart(name)} {
			err := c.Source("school").Read(within(t, 10*time.Second), []string{name + ".>"}, sources, nil, nil)
			if !errors.Is(err, ErrPermanent) || !strings.Contains(err.Error(), "--source "+name+" --retention limits --defaults)") { // else the tool asks
				t.Errorf("Read of %s: %v; want a permanent error with the remedy", name, err)
			}
		}
		info, err := c.streamInfo(within(t, time.Second), name)
		if err != nil || info.State.Consumers != 0 {
			t.Errorf("%s has %d consumers (%v)", name, info.State.Consumers, err)
		}
	}
}

func TestStreamsOfOursAreNotRead(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.prepare(t, 1)
	if err := c.Provision(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{DefaultStateStream, DefaultResultStream} {
		err := c.Source("school").Read(within(t, 10*time.Second), []string{">"}, fromStart(name), nil, nil)
		if !errors.Is(err, ErrPermanent) || !strings.Contains(err.Error(), "each broadcast would bring about the next") {
			t.Errorf("Read of %s: %v", name, err)
		}
	}
}

func TestAStreamThatDropsEventsInItsMidstIsWarnedOfOnce(t *testing.T) {
	t.Parallel()
	for _, sources := range [][]mapping.Source{nil, fromStart("SCHOOL")} {
		var log strings.Builder // read after the reading has ended
		c := connect(t, startNATS(t).URL(), "a", func(cfg *Config) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		c.addStream(t, "SCHOOL", func(cfg *jetstream.StreamConfig) { cfg.MaxMsgsPerSubject = 1 })
		r := c.read(t, []string{"SCHOOL.>"}, sources, nil)
		r.until("it is read", func() bool { return len(r.checkpoint) > 0 })
		r.end()
		if n := strings.Count(log.String(), "keeps only the latest events of each subject"); n != 1 {
			t.Errorf("said %d times, want once:\n%s", n, log.String())
		}
	}
}

func TestSubjectThatSeveralStreamsHaveIsRefusedWithTheRemedy(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "NORTH", storing("school.north"))
	c.addStream(t, "SOUTH", storing("school.south"))
	err := c.Source("school").Read(within(t, 10*time.Second), []string{"school.*"}, nil, nil, nil)
	if !errors.Is(err, ErrPermanent) || !strings.Contains(err.Error(), "NORTH, SOUTH") || !strings.Contains(err.Error(), "sources:") {
		t.Errorf("Read: %v", err)
	}
}

func TestSubjectWithoutAStreamIsACondition(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	c.fill(t, "SCHOOL.lesson", 1, 2)
	r := c.read(t, []string{"SCHOOL.lesson", "fees.due"}, nil, nil)
	r.untilCaughtUp()
	c.waitFor(t, "+source.none school")
	c.fill(t, "SCHOOL.lesson", 1, 1)
	r.untilMessages(1)
	c.addStream(t, "FEES", storing("fees.>"))
	c.fill(t, "fees.due", 2, 3) // before we can know of the stream
	c.waitFor(t, "-source.none school")
	r.untilMessages(3)
	r.wantRun(1, 3)
}

func TestStreamThatIsReplacedByOneOfAnotherNameIsFollowed(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "OLD", storing("school.>"))
	r := c.read(t, []string{"school.lesson"}, nil, nil)
	r.untilCaughtUp()
	c.fill(t, "school.lesson", 1, 2)
	r.untilMessages(2)
	c.deleteStream(t, "OLD")
	c.waitFor(t, "+source.none school")
	c.addStream(t, "NEW", storing("school.>"))
	c.fill(t, "school.lesson", 3, 5)
	r.untilMessages(5)
	r.wantRun(1, 5)
}

func TestStreamThatTheRulesNameIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	r := c.read(t, []string{"SCHOOL.>"}, []mapping.Source{{Stream: "SCHOOL"}}, nil)
	c.waitFor(t, "+stream.missing SCHOOL")
	c.addStream(t, "SCHOOL")
	c.fill(t, "SCHOOL.lesson", 1, 2) // before we can know of the stream
	r.untilMessages(2)
	r.wantRun(1, 2)
	c.waitFor(t, "-stream.missing SCHOOL")
}

func TestMessageThatIsGoneIsToldFromOneThatCannotBeFetched(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	c := connect(t, n.URL(), "a")
	c.prepare(t, 3)
	c.purge(t, "SCHOOL", 3)
	ctx := within(t, 20*time.Second)
	for what, get := range map[string]func() (mapping.Message, error){
		"purged":    func() (mapping.Message, error) { return c.Source("s").Get(ctx, "SCHOOL", 1) },
		"to come":   func() (mapping.Message, error) { return c.Source("s").Get(ctx, "SCHOOL", 9) },
		"no stream": func() (mapping.Message, error) { return c.Source("s").Get(ctx, "NONE", 1) },
	} {
		if _, err := get(); !errors.Is(err, bridge.ErrMessageGone) {
			t.Errorf("%s: %v", what, err)
		}
	}
	n.stop()
	c.waitFor(t, "+nats.disconnected ")
	if _, err := c.Source("s").Get(ctx, "SCHOOL", 3); err == nil || errors.Is(err, bridge.ErrMessageGone) {
		t.Errorf("without a server: %v", err)
	}
}

func TestWhatWasJumpedOverBeforeAGapIsPartOfIt(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	c.fill(t, "SCHOOL.x", 1, 40)
	ctx := within(t, 20*time.Second)
	s, err := c.js.Stream(ctx, "SCHOOL")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(ctx, jetstream.WithPurgeSequence(31)); err != nil {
		t.Fatal(err)
	}
	info, err := c.streamInfo(ctx, "SCHOOL")
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan bridge.Batch, 10)
	// 5 to 9 were jumped over, and the connection went before anybody asked why.
	r := newReader(c.source("school"), "SCHOOL", streamPlan{}, bridge.Checkpoint{Created: info.Created, Sequence: 20}, true, newTurns(time.Second), out)
	r.jumpFrom, r.jumpTo = 5, 10
	if err := r.reconcile(ctx, ctx, info); err != nil {
		t.Fatal(err)
	}
	if b := <-out; b.Gap.From != 5 || b.Gap.To != 30 {
		t.Errorf("the gap is from %d to %d, want 5 to 30", b.Gap.From, b.Gap.To)
	}
}

// To change a mirror it is deleted and made again: its events are the same, under the same sequences.
func TestAMirrorThatIsMadeAnewIsReadOnWhereReadingWas(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	mirror := func(cfg *jetstream.StreamConfig) {
		cfg.Subjects, cfg.Mirror = nil, &jetstream.StreamSource{Name: "SCHOOL"}
		inMemory(cfg)
	}
	c.addStream(t, "COPY", mirror)
	c.fill(t, "SCHOOL.x", 1, 500)
	r := c.read(t, []string{"SCHOOL.>"}, fromStart("COPY"), nil)
	r.untilMessages(500)
	c.deleteStream(t, "COPY")
	c.waitFor(t, "+stream.missing COPY")
	c.addStream(t, "COPY", mirror)
	c.fill(t, "SCHOOL.x", 501, 510)
	r.untilMessages(510)
	r.wantRun(1, 510)
	if len(r.gaps) > 0 {
		t.Errorf("gaps are reported: %+v", r.gaps)
	}
}

// One replica without its disk comes back under the same name and birth, empty,
// and new events are there before anybody looks: fewer than were read, or more.
func TestAStreamThatLostWhatItHadIsReadFromWhatIsNew(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]int{"it has grown beyond the position": 16, "it ends before the position": 9} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := connect(t, startNATS(t).URL(), "a")
			c.addStream(t, "SCHOOL", inMemory)
			c.fill(t, "SCHOOL.x", 1, 6)
			before := c.read(t, []string{"SCHOOL.>"}, fromStart("SCHOOL"), nil)
			before.untilMessages(6)
			before.end()
			ctx := within(t, 20*time.Second)
			c.deleteStream(t, "SCHOOL")
			c.addStream(t, "SCHOOL", inMemory)
			c.fill(t, "SCHOOL.x", 7, last)
			at := before.checkpoint["SCHOOL"]
			info, err := c.streamInfo(ctx, "SCHOOL")
			if err != nil {
				t.Fatal(err)
			}
			at.Created = info.Created // as a cluster keeps it
			r := c.read(t, []string{"SCHOOL.>"}, fromStart("SCHOOL"), map[string]bridge.Checkpoint{"SCHOOL": at})
			r.untilMessages(last - 6)
			r.wantRun(7, last)
			if len(r.gaps) != 1 || r.gaps[0].Why != gapRewound || r.gaps[0].From != 1 || r.gaps[0].To != 6 {
				t.Errorf("gaps %+v", r.gaps)
			}
		})
	}
}

func TestAStartThatIsStillToComeIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	start := time.Now().Add(2 * time.Second).UTC()
	r := c.read(t, []string{"SCHOOL.>"}, []mapping.Source{{Stream: "SCHOOL", Start: mapping.Start{Mode: mapping.StartAtTime, Time: start}}}, nil)
	c.fill(t, "SCHOOL.x", 1, 3)
	for n := 4; ; n++ {
		c.fill(t, "SCHOOL.x", n, n)
		if time.Now().After(start) {
			break
		}
		time.Sleep(50 * time.Millisecond) // between two events, not in place of one
	}
	r.untilMessages(1)
	if first := r.messages[0]; first.Time.Before(start) || first.Sequence < 4 {
		t.Errorf("the first event is %d, stored %s before the start", first.Sequence, start.Sub(first.Time))
	}
}

// inMemory is for streams that are deleted and made again at once: on disk, a
// server may still be clearing the old one away, and refuses the new one (10049).
func inMemory(cfg *jetstream.StreamConfig) { cfg.Storage = jetstream.MemoryStorage }

// The last event that was read may be erased, for its contents: reading goes on.
func TestTheLastEventThatWasReadMayBeErased(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	c.fill(t, "SCHOOL.x", 1, 6)
	before := c.read(t, []string{"SCHOOL.>"}, fromStart("SCHOOL"), nil)
	before.untilMessages(6)
	before.end()
	ctx := within(t, 20*time.Second)
	s, err := c.js.Stream(ctx, "SCHOOL")
	if err != nil {
		t.Fatal(err)
	}
	c.fill(t, "SCHOOL.x", 7, 8)
	if err := s.SecureDeleteMsg(ctx, 6); err != nil {
		t.Fatal(err)
	}
	r := c.read(t, []string{"SCHOOL.>"}, fromStart("SCHOOL"), before.checkpoint)
	r.untilMessages(2)
	r.wantRun(7, 8)
	if len(r.gaps) > 0 {
		t.Errorf("gaps are reported: %+v", r.gaps)
	}
}
