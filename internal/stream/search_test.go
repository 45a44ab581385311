package stream

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// storing makes a stream store the subjects and no others.
func storing(subjects ...string) func(*jetstream.StreamConfig) {
	return func(cfg *jetstream.StreamConfig) { cfg.Subjects = subjects }
}

func (c *client) wantMessage(t *testing.T, name ConditionName, about string, want ...string) {
	t.Helper()
	held, ok := c.conditions.Find(name, about)
	for _, w := range want {
		if !ok || !strings.Contains(held.Message, w) {
			t.Errorf("%s of %s says %q, want it to name %s", name, about, held.Message, w)
		}
	}
}

func TestSubjectThatNoNamedStreamStoresIsAConditionThatNamesTheOneThatDoes(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	c.addStream(t, "FEES", storing("fees.>"))
	r := c.read(t, []string{"SCHOOL.lesson", "fees.due"}, fromStart("SCHOOL"), nil)
	r.untilCaughtUp()
	c.waitFor(t, "+source.none school")
	c.wantMessage(t, SourceNone, "school", "fees.due (stored by FEES)", "sources:")
	if held, _ := c.conditions.Find(SourceNone, "school"); strings.Contains(held.Message, "SCHOOL.lesson") {
		t.Errorf("a subject that is stored is accused: %s", held.Message)
	}
	// The named stream takes the subject over.
	c.deleteStream(t, "FEES")
	cfg := jetstream.StreamConfig{Name: "SCHOOL", Subjects: []string{"SCHOOL.>", "fees.>"}}
	c.updateStream(t, cfg)
	c.waitFor(t, "-source.none school")
	c.fill(t, "fees.due", 1, 2)
	r.untilMessages(2)
	r.wantRun(1, 2)
}

// A stream that copies others, and one that does not exist, may store anything.
func TestNamedStreamsThatMayStoreASubjectAreNotAccused(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	c.addStream(t, "COPY", func(cfg *jetstream.StreamConfig) {
		cfg.Subjects, cfg.Sources = nil, []*jetstream.StreamSource{{Name: "SCHOOL"}}
	})
	for name, sources := range map[string][]mapping.Source{
		"copies": fromStart("COPY"), "missing": append(fromStart("SCHOOL"), fromStart("LATER")...),
	} {
		l := newSearch(c.source(name), []string{"SCHOOL.lesson", "fees.due"}, sources, nil)
		found, err := l.resolve(within(t, 10*time.Second))
		if err != nil || found.none != "" {
			t.Errorf("%s: %q, %v", name, found.none, err)
		}
	}
}

func TestSecondStreamOfASubjectIsLeftOutWithAConditionAndSoAfterARestart(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "NORTH", storing("school.north"))
	r := c.read(t, []string{"school.*"}, nil, nil)
	r.untilCaughtUp()
	c.addStream(t, "SOUTH", storing("school.south"))
	c.waitFor(t, "+source.refused school")
	c.wantMessage(t, SourceRefused, "school", "school.*", "NORTH, SOUTH all have it", "only NORTH is read", "sources:")
	c.fill(t, "school.south", 99, 99)
	c.fill(t, "school.north", 1, 2)
	r.untilMessages(2)
	r.end()
	c.waitFor(t, "-source.refused school")

	again := c.read(t, []string{"school.*"}, nil, r.checkpoint)
	c.fill(t, "school.north", 3, 4)
	again.untilMessages(2)
	again.wantRun(3, 4)
	c.waitFor(t, "+source.refused school")
	again.end()

	named := c.read(t, []string{"school.*"}, append(fromStart("NORTH"), fromStart("SOUTH")...), again.checkpoint)
	named.untilMessages(1)
	if got := named.numbers(); got[0] != 99 {
		t.Errorf("read %v once both are named, want what was left out", got)
	}
}

// The caller tries again what can't be read, and tells the reason: it holds in
// between, and until a try has gone well.
func TestARefusalHoldsFromOneTryToTheNext(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "NORTH", storing("school.north"))
	c.addStream(t, "SOUTH", storing("school.south"))
	for range 2 {
		err := c.source("school").Read(within(t, 10*time.Second), []string{"school.*"}, nil, nil, make(chan bridge.Batch))
		if !errors.Is(err, ErrPermanent) {
			t.Fatalf("read with %v", err)
		}
		c.conditions.Set(SourceRefused, "school", err.Error())
	}
	c.deleteStream(t, "SOUTH")
	r := c.read(t, []string{"school.*"}, nil, nil)
	r.untilCaughtUp()
	r.end()
	want, got := []string{"+source.refused school", "-source.refused school"}, []string{}
	for len(c.news) > 0 {
		if n := <-c.news; strings.Contains(n, "source.refused") {
			got = append(got, n)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("it was told %q, want %q", got, want)
	}
}

// What was left out is read from then on when it becomes the only one.
func TestStreamThatWasLeftOutIsReadWhenTheOtherGoes(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "NORTH", storing("school.north"))
	r := c.read(t, []string{"school.*"}, nil, nil)
	r.untilCaughtUp()
	c.addStream(t, "SOUTH", storing("school.south"))
	c.waitFor(t, "+source.refused school")
	c.fill(t, "school.south", 1, 2)
	c.deleteStream(t, "NORTH")
	c.waitFor(t, "-source.refused school")
	r.untilMessages(2)
	r.wantRun(1, 2)
}

func TestANamedStreamThatCannotBeReadDoesNotStopWhatIsRead(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	interest := func(cfg *jetstream.StreamConfig) { cfg.Retention = jetstream.InterestPolicy }
	c.addStream(t, "JOBS", interest)
	subjects, named := []string{"SCHOOL.>", "JOBS.>"}, []mapping.Source{{Stream: "SCHOOL"}, {Stream: "JOBS"}}
	err := c.source("school").Read(within(t, 10*time.Second), subjects, named, nil, make(chan bridge.Batch))
	if !errors.Is(err, ErrPermanent) {
		t.Fatalf("where nothing was ever read it goes on with %v", err)
	}
	first := c.read(t, subjects, named[:1], nil)
	first.untilCaughtUp()
	first.end()

	r := c.read(t, subjects, named, first.checkpoint)
	c.waitFor(t, "+source.refused school")
	c.wantMessage(t, SourceRefused, "school", "cannot read stream JOBS", "Interest")
	c.fill(t, "SCHOOL.lesson", 1, 2)
	r.untilMessages(2)
	if _, err := c.js.CreateConsumer(within(t, 10*time.Second), "JOBS", jetstream.ConsumerConfig{}); err != nil { // or nothing is kept
		t.Fatal(err)
	}
	c.fill(t, "JOBS.one", 3, 3)
	limits := jetstream.StreamConfig{Name: "JOBS", Subjects: []string{"JOBS.>"}}
	c.updateStream(t, limits)
	c.waitFor(t, "-source.refused school")
	r.untilMessages(3)
	r.wantRun(1, 3)
}

func TestAStreamThatBecomesUnreadableIsReadOnOnceItIsMended(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	r := c.read(t, []string{"SCHOOL.>"}, fromStart("SCHOOL"), nil)
	c.fill(t, "SCHOOL.lesson", 1, 2)
	r.untilMessages(2)
	change := func(to jetstream.RetentionPolicy) {
		t.Helper()
		cfg := jetstream.StreamConfig{Name: "SCHOOL", Subjects: []string{"SCHOOL.>"}, Retention: to}
		c.updateStream(t, cfg)
	}
	change(jetstream.InterestPolicy)
	c.waitFor(t, "+source.refused school")
	r.caughtUp = false
	r.untilCaughtUp() // nobody has to wait for it
	change(jetstream.LimitsPolicy)
	c.waitFor(t, "-source.refused school")
	c.fill(t, "SCHOOL.lesson", 3, 4)
	r.untilMessages(4)
	r.wantRun(1, 4)
}

// Its reader may notice before anybody looks which streams there are.
func TestAStreamThatBecomesUnreadableWhileNobodyLooksDoesNotEndReading(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	c := connect(t, n.URL(), "a")
	c.addStream(t, "SCHOOL")
	r := c.read(t, []string{"SCHOOL.>"}, fromStart("SCHOOL"), nil, func(times *readerTimes) { times.look = time.Hour })
	c.fill(t, "SCHOOL.lesson", 1, 2)
	r.untilMessages(2)
	cfg := jetstream.StreamConfig{Name: "SCHOOL", Subjects: []string{"SCHOOL.>"}, Retention: jetstream.InterestPolicy}
	c.updateStream(t, cfg)
	n.stop()
	n.start()
	c.waitFor(t, "+source.refused school")
}

// One that has no leader for long, say.
func TestAStreamOfWhichNothingIsHeardDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	host := startRestricted(t, "$JS.API.STREAM.INFO.JOBS")
	admin := connect(t, "nats://admin:admin@"+host, "admin")
	admin.addStream(t, "SCHOOL")
	admin.addStream(t, "JOBS")
	c := connect(t, "nats://belfry:belfry@"+host, "a")
	subjects := []string{"SCHOOL.>", "JOBS.>"}
	named := c.read(t, subjects, append(fromStart("SCHOOL"), fromStart("JOBS")...), nil)
	admin.fill(t, "SCHOOL.lesson", 1, 3)
	named.untilMessages(3)
	c.waitFor(t, "+source.interrupted JOBS")
	found := c.read(t, subjects, nil, map[string]bridge.Checkpoint{"SCHOOL": named.checkpoint["SCHOOL"]})
	admin.fill(t, "SCHOOL.lesson", 4, 4)
	found.untilMessages(1)
}

func TestAStreamThatStoresUnderOtherSubjectsIsReadByThose(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "TURNED", storing("in.>", "as.is"), func(cfg *jetstream.StreamConfig) {
		cfg.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "in.>", Destination: "out.>"}
	})
	ctx := within(t, 20*time.Second)
	found, err := newSearch(c.source("school"), []string{"in.x", "as.is"}, nil, nil).resolve(ctx)
	if err != nil || !slices.Equal(found.missing, []string{"in.x"}) || !strings.Contains(found.none, "stores in.x as out.>") {
		t.Errorf("by the subjects that it takes: missing %v, %q, %v", found.missing, found.none, err)
	}
	found, err = newSearch(c.source("school"), []string{"in.x", "out.x", "as.is"}, fromStart("TURNED"), nil).resolve(ctx)
	if err != nil || !slices.Equal(found.missing, []string{"in.x"}) {
		t.Errorf("by its name: missing %v, %q, %v", found.missing, found.none, err)
	}
	r := c.read(t, []string{"out.x", "as.is"}, fromStart("TURNED"), nil)
	c.fill(t, "in.x", 1, 1)
	c.fill(t, "as.is", 2, 2)
	r.untilMessages(2)
	r.wantRun(1, 2)
	for dest, want := range map[string]string{"out.>": "out.>", "out.{{wildcard(1)}}.x": "out.*.x", "out.{{split(1,-)}}.x": "out.>", "$2.out": "*.out"} {
		cfg := jetstream.StreamConfig{Subjects: []string{"in.*"}, SubjectTransform: &jetstream.SubjectTransformConfig{Source: "in.*", Destination: dest}}
		if got := storedSubjects(cfg); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: stored are %v, want %s", dest, got, want)
		}
	}
	counted, err := Count(ctx, c.js, "TURNED", []string{"in.x", "out.x", "as.is"}, 1, 2)
	if err != nil || counted.Events != 2 {
		t.Errorf("counted %+v, %v", counted, err)
	}
}

func TestSubjectThatMovesToAnotherStreamIsFollowedWithoutALoss(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL", storing("school.lesson", "school.trip"))
	r := c.read(t, []string{"school.lesson", "school.trip"}, nil, nil)
	r.untilCaughtUp()
	cfg := jetstream.StreamConfig{Name: "SCHOOL", Subjects: []string{"school.lesson"}}
	c.updateStream(t, cfg)
	c.addStream(t, "TRIPS", storing("school.trip"))
	c.fill(t, "school.trip", 1, 2) // before we can know of the stream
	r.untilMessages(2)
	r.wantRun(1, 2)
	c.fill(t, "school.lesson", 3, 3)
	r.untilMessages(3)
}

func TestSecondStreamThatCannotBeReadDoesNotStopWhatIsRead(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	r := c.read(t, []string{"SCHOOL.lesson", "fees.due"}, nil, nil)
	c.waitFor(t, "+source.none school")
	r.untilCaughtUp()
	c.addStream(t, "FEES", storing("fees.>"), func(cfg *jetstream.StreamConfig) { cfg.Retention = jetstream.WorkQueuePolicy })
	c.waitFor(t, "+source.refused school")
	c.wantMessage(t, SourceRefused, "school", "--source FEES")
	c.fill(t, "SCHOOL.lesson", 1, 2)
	r.untilMessages(2)
	r.end()
	again := c.read(t, []string{"SCHOOL.lesson", "fees.due"}, nil, r.checkpoint)
	c.fill(t, "SCHOOL.lesson", 3, 3)
	again.untilMessages(1)
}

func TestStreamsThatAreNoLongerReadSaySoAtOnce(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "SCHOOL")
	c.addStream(t, "OLD")
	old := map[string]bridge.Checkpoint{"OLD": {Sequence: 7}, "GONE": {Sequence: 9}}
	for name, sources := range map[string][]mapping.Source{"named": fromStart("SCHOOL"), "found": nil} {
		r := c.read(t, []string{"SCHOOL.lesson"}, sources, maps.Clone(old))
		r.until("a word on every stream of "+name, func() bool { return len(r.checkpoint) == 3 })
		if r.checkpoint["OLD"] != old["OLD"] || r.checkpoint["GONE"] != old["GONE"] {
			t.Errorf("%s: the checkpoints of what is not read became %v", name, r.checkpoint)
		}
		r.end()
	}
}

func TestStreamThatMayComeBackIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "OLD")
	l := newSearch(c.source("school"), []string{"SCHOOL.lesson"}, nil, nil)
	out := make(chan bridge.Batch, 2)
	positions := map[string]bridge.Checkpoint{"SCHOOL": {Sequence: 3}, "OLD": {Sequence: 7}}
	if err := l.dismiss(within(t, 10*time.Second), resolved{missing: []string{"SCHOOL.lesson"}}, positions, out); err != nil {
		t.Fatal(err)
	}
	if len(out) != 1 || (<-out).Stream != "OLD" {
		t.Error("want a word on OLD, which is there and has nothing for us, and none on SCHOOL")
	}
}

func TestAStreamThatCopiesOthersMayHaveAnything(t *testing.T) {
	wanted := []string{"school.lesson", "clinic.*"}
	for name, cfg := range map[string]jetstream.StreamConfig{
		"a mirror":           {Mirror: &jetstream.StreamSource{Name: "SCHOOL"}},
		"one with sources":   {Sources: []*jetstream.StreamSource{{Name: "SCHOOL"}}},
		"some of both kinds": {Subjects: []string{"other.>"}, Sources: []*jetstream.StreamSource{{Name: "SCHOOL"}}},
	} {
		if got := mayHave(wanted, cfg); !slices.Equal(got, wanted) {
			t.Errorf("%s may have %v", name, got)
		}
	}
	if got := mayHave(wanted, jetstream.StreamConfig{Subjects: []string{"clinic.>"}}); !slices.Equal(got, wanted[1:]) {
		t.Errorf("one with subjects of its own may have %v", got)
	}
}
