package stream

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
)

func TestProvisionCreatesBothStreamsAsTheyMustBeAndAcceptsThemAgain(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a", func(cfg *Config) { cfg.StateStream, cfg.ResultStream = "MY_STATE", "MY_RESULTS" })
	for range 2 {
		if err := c.Provision(within(t, 10*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	state, err := c.streamInfo(within(t, time.Second), "MY_STATE")
	if err != nil {
		t.Fatal(err)
	}
	got := state.Config
	if got.MaxMsgsPerSubject != 1 || got.AllowDirect || !got.DenyPurge || got.MaxAge != 0 || got.Storage != jetstream.FileStorage ||
		got.Discard != jetstream.DiscardOld || strings.Join(got.Subjects, " ") != "belfry.state.> belfry.lease.>" {
		t.Errorf("state stream %+v", got)
	}
	results, err := c.streamInfo(within(t, time.Second), "MY_RESULTS")
	if err != nil || results.Config.Duplicates < 10*time.Minute || results.Config.MaxAge != resultsMaxAge {
		t.Errorf("result stream %+v, %v", results, err)
	}
}

func TestMissingStreamThatMustNotBeCreatedIsPermanentAndNamesTheRemedy(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a", func(cfg *Config) { cfg.Provision = false })
	err := c.Provision(within(t, 10*time.Second))
	if !errors.Is(err, ErrPermanent) || !strings.Contains(err.Error(), "BELFRY") || !strings.Contains(err.Error(), "--provision") {
		t.Errorf("Provision: %v", err)
	}
}

// What the nats tool makes of the page's commands is what its flags say.
func TestTheStreamsOfTheOperatorsPageAreAsTheyMustBe(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, startNATS(t).URL(), "a", func(cfg *Config) { cfg.Provision = false })
	commands := regexp.MustCompile(`(?m)^nats stream add (BELFRY\w*) (.*) --defaults$`).FindAllStringSubmatch(string(page), -1)
	for _, command := range commands {
		c.addStream(t, command[1], func(s *jetstream.StreamConfig) {
			s.Subjects, s.AllowDirect = nil, true // the tool's default
			flags := strings.Fields(command[2])
			for i, flag := range flags {
				switch flag {
				case "--subjects":
					s.Subjects = append(s.Subjects, strings.Trim(flags[i+1], `"`))
				case "--max-msgs-per-subject":
					s.MaxMsgsPerSubject = 1
				case "--deny-purge":
					s.DenyPurge = true
				case "--no-allow-direct":
					s.AllowDirect = false
				case "--dupe-window":
					s.Duplicates, err = time.ParseDuration(flags[i+1])
				}
			}
		})
	}
	if err := errors.Join(err, c.Provision(within(t, 10*time.Second))); len(commands) != 2 || err != nil {
		t.Errorf("%d streams: %v", len(commands), err)
	}
}

func TestProvisionThatCanNeverWorkIsPermanent(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	for name, change := range map[string]func(*Config){
		"replicas": func(cfg *Config) { cfg.Replicas = 3 },
		"stream OTHER stores belfry.state.>, which only one can": func(cfg *Config) {
			other := connect(t, n.URL(), "b")
			other.addStream(t, "OTHER", func(s *jetstream.StreamConfig) { s.Subjects = []string{"belfry.state.school"} })
		},
	} {
		err := connect(t, n.URL(), "a", change).Provision(within(t, 10*time.Second))
		if !errors.Is(err, ErrPermanent) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Who names another stream, because of a mismatch or to begin anew, has the old one still.
func TestAStreamInTheWayIsNamed(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	if err := connect(t, n.URL(), "a").Provision(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	err := connect(t, n.URL(), "b", func(cfg *Config) { cfg.StateStream = "BELFRY2" }).Provision(within(t, 10*time.Second))
	if !errors.Is(err, ErrPermanent) || !strings.Contains(err.Error(), "stream BELFRY stores belfry.state.>") {
		t.Errorf("error %v", err)
	}
}

func TestStreamThatIsNotWhatItMustBeIsRefusedWithEveryFieldThatDiffers(t *testing.T) {
	t.Parallel()
	c := connect(t, startNATS(t).URL(), "a")
	c.addStream(t, "BELFRY", func(cfg *jetstream.StreamConfig) {
		cfg.Subjects = []string{"belfry.state.>"}
		cfg.Storage = jetstream.MemoryStorage
		cfg.AllowDirect = true
		cfg.MaxAge = time.Hour
	})
	err := c.Provision(within(t, 10*time.Second))
	if !errors.Is(err, ErrPermanent) {
		t.Fatalf("Provision: %v", err)
	}
	for _, field := range []string{"subjects", "storage", "max_msgs_per_subject", "allow_direct", "deny_purge", "max_age"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%s is not named in: %v", field, err)
		}
	}
	c.waitFor(t, "+stream.mismatch BELFRY")
}

// What a server echoes that silently ignored a field.
func TestAStreamThatIsEditedWhileBelfryRunsIsACondition(t *testing.T) {
	t.Parallel()
	c := provisioned(t, startNATS(t).URL(), "a")
	go c.Watch(t.Context(), 5*time.Millisecond)
	edit := func(bytes int64) {
		config := stateStream(c.cfg).config
		config.MaxBytes = bytes
		c.updateStream(t, config)
	}
	edit(1 << 20)
	c.waitFor(t, "+stream.mismatch BELFRY")
	if got := c.conditions.Active()[0].Message; !strings.Contains(got, "max_bytes is 1048576, want unlimited, or at least 256 MiB") {
		t.Errorf("it says %q", got)
	}
	edit(-1)
	c.waitFor(t, "-stream.mismatch BELFRY")
}

func TestAServerThatTakesOnlySmallMessagesIsRefused(t *testing.T) {
	t.Parallel()
	o := EmbeddedOptions{Dir: t.TempDir(), Logger: quiet()}.serverOptions()
	o.MaxPayload = 128 << 10
	err := connect(t, startServer(t, o), "a").Provision(within(t, 20*time.Second))
	if !errors.Is(err, ErrPermanent) || !strings.Contains(err.Error(), "its max_payload is 131072 bytes, want 1048576 or more") {
		t.Errorf("Provision: %v", err)
	}
}

func TestMismatch(t *testing.T) {
	t.Parallel()
	cfg := Config{Replicas: 3}.withDefaults()
	for name, c := range map[string]struct {
		stream ownStream
		change func(*jetstream.StreamConfig)
		field  string
	}{
		"the state as it was asked for":  {stateStream(cfg), func(*jetstream.StreamConfig) {}, ""},
		"subjects in another order":      {stateStream(cfg), func(s *jetstream.StreamConfig) { s.Subjects = []string{"belfry.lease.>", "belfry.state.>"} }, ""},
		"a subject too many":             {stateStream(cfg), func(s *jetstream.StreamConfig) { s.Subjects = append(s.Subjects, "x") }, "subjects is "},
		"several messages per subject":   {stateStream(cfg), func(s *jetstream.StreamConfig) { s.MaxMsgsPerSubject = 0 }, "max_msgs_per_subject is 0, want 1"},
		"discarding new":                 {stateStream(cfg), func(s *jetstream.StreamConfig) { s.Discard = jetstream.DiscardNew }, "discard"},
		"a limit of messages":            {stateStream(cfg), func(s *jetstream.StreamConfig) { s.MaxMsgs = 10 }, "max_msgs is 10"},
		"a small limit of bytes":         {stateStream(cfg), func(s *jetstream.StreamConfig) { s.MaxBytes = 1 << 20 }, "max_bytes"},
		"a large limit of bytes":         {stateStream(cfg), func(s *jetstream.StreamConfig) { s.MaxBytes = 1 << 30 }, ""},
		"an age":                         {stateStream(cfg), func(s *jetstream.StreamConfig) { s.MaxAge = time.Hour }, "max_age is 1h0m0s"},
		"reads from followers":           {stateStream(cfg), func(s *jetstream.StreamConfig) { s.AllowDirect = true }, "allow_direct is true"},
		"purging allowed":                {stateStream(cfg), func(s *jetstream.StreamConfig) { s.DenyPurge = false }, "deny_purge is false"},
		"memory":                         {stateStream(cfg), func(s *jetstream.StreamConfig) { s.Storage = jetstream.MemoryStorage }, "storage is "},
		"another retention":              {stateStream(cfg), func(s *jetstream.StreamConfig) { s.Retention = jetstream.InterestPolicy }, "retention is Interest"},
		"fewer replicas":                 {stateStream(cfg), func(s *jetstream.StreamConfig) { s.Replicas = 1 }, "num_replicas is 1, want 3"},
		"small messages":                 {stateStream(cfg), func(s *jetstream.StreamConfig) { s.MaxMsgSize = 1000 }, "max_msg_size"},
		"no acknowledgements":            {stateStream(cfg), func(s *jetstream.StreamConfig) { s.NoAck = true }, "no_ack"},
		"sealed":                         {stateStream(cfg), func(s *jetstream.StreamConfig) { s.Sealed = true }, "sealed"},
		"flushed later":                  {stateStream(cfg), func(s *jetstream.StreamConfig) { s.PersistMode = jetstream.AsyncPersistMode }, "persist_mode"},
		"a mirror":                       {stateStream(cfg), func(s *jetstream.StreamConfig) { s.Mirror = &jetstream.StreamSource{} }, "mirror"},
		"sources":                        {stateStream(cfg), func(s *jetstream.StreamConfig) { s.Sources = []*jetstream.StreamSource{{}} }, "sources"},
		"stored under other subjects":    {stateStream(cfg), func(s *jetstream.StreamConfig) { s.SubjectTransform = &jetstream.SubjectTransformConfig{} }, "subject_transform"},
		"messages of 1 MiB":              {stateStream(cfg), func(s *jetstream.StreamConfig) { s.MaxMsgSize = 1 << 20 }, ""},
		"results as they were asked for": {resultStream(cfg), func(*jetstream.StreamConfig) {}, ""},
		"results kept longer":            {resultStream(cfg), func(s *jetstream.StreamConfig) { s.MaxAge = 0; s.MaxBytes = -1 }, ""},
		"a short duplicate window":       {resultStream(cfg), func(s *jetstream.StreamConfig) { s.Duplicates = 2 * time.Minute }, "duplicate_window is 2m0s, want at least 10m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := c.stream.config
			c.change(&got)
			err := mismatch(c.stream, got)
			if c.field == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if c.field != "" && (!errors.Is(err, ErrPermanent) || !strings.Contains(err.Error(), c.field)) {
				t.Errorf("got %v, want an error that names %q", err, c.field)
			}
		})
	}
}

func TestTooOld(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"2.10.29": true, "2.9.0": true, "1.4.1": true,
		"2.11.0": false, "2.11.0-RC.1": false, "2.15.2": false, "3.0.0": false, "v2.12.1": false, "dev": false,
	} {
		if got := tooOld(version); got != want {
			t.Errorf("%s too old: %v, want %v", version, got, want)
		}
	}
}

// Who makes a stream again that is missing may be an operator, or another replica.
func TestAStreamThatSomebodyElseMakesAgainIsNoTroubleAnyMore(t *testing.T) {
	t.Parallel()
	url := startNATS(t).URL()
	admin := provisioned(t, url, "admin")
	c := connect(t, url, "a")
	c.cfg.Provision = false
	ctx := within(t, 20*time.Second)
	admin.deleteStream(t, DefaultResultStream)
	pub := bridge.Publication{ID: "r1", Subject: "belfry.result.school.all.sent"}
	if err := c.Publisher().Publish(ctx, pub); err == nil {
		t.Error("published into nothing")
	}
	c.waitFor(t, "+stream.missing BELFRY_RESULTS")
	if err := admin.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Publisher().Publish(ctx, pub); err != nil {
		t.Error(err)
	}
	c.waitFor(t, "-stream.missing BELFRY_RESULTS")
}
