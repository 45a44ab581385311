package stream

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// ownStream is one of Belfry's own streams: how to create it, and what must
// be true of it, whoever created it.
type ownStream struct {
	config jetstream.StreamConfig
	rules  []streamRule
}

// streamRule is one thing that must be true of a stream's configuration.
type streamRule struct {
	field string // as the server's JSON and the nats tool call it
	want  string // for people
	got   func(jetstream.StreamConfig) any
	holds func(jetstream.StreamConfig) bool
}

func stateStream(cfg Config) ownStream {
	config := jetstream.StreamConfig{
		Name:              cfg.StateStream,
		Description:       "Belfry: one state and one lease per app",
		Subjects:          []string{StateSubjects + ">", LeaseSubjects + ">"},
		Retention:         jetstream.LimitsPolicy,
		Storage:           jetstream.FileStorage,
		Replicas:          max(cfg.Replicas, DefaultReplicas),
		Discard:           jetstream.DiscardOld,
		MaxMsgs:           -1,
		MaxBytes:          -1,
		MaxMsgsPerSubject: 1,
		AllowDirect:       false,
		DenyPurge:         true,
	}
	return ownStream{config, append(commonRules(cfg, config), []streamRule{
		{"max_msgs_per_subject", "1", func(c jetstream.StreamConfig) any { return c.MaxMsgsPerSubject },
			func(c jetstream.StreamConfig) bool { return c.MaxMsgsPerSubject == 1 }},
		{"discard", "old", func(c jetstream.StreamConfig) any { return c.Discard },
			func(c jetstream.StreamConfig) bool { return c.Discard == jetstream.DiscardOld }},
		{"max_msgs", "unlimited", func(c jetstream.StreamConfig) any { return c.MaxMsgs },
			func(c jetstream.StreamConfig) bool { return c.MaxMsgs <= 0 }},
		{"max_bytes", "unlimited, or at least 256 MiB", func(c jetstream.StreamConfig) any { return c.MaxBytes },
			func(c jetstream.StreamConfig) bool { return c.MaxBytes <= 0 || c.MaxBytes >= minStateBytes }},
		{"max_age", "unlimited", func(c jetstream.StreamConfig) any { return c.MaxAge },
			func(c jetstream.StreamConfig) bool { return c.MaxAge == 0 }},
		{"allow_direct", "false", func(c jetstream.StreamConfig) any { return c.AllowDirect },
			func(c jetstream.StreamConfig) bool { return !c.AllowDirect }},
		{"deny_purge", "true", func(c jetstream.StreamConfig) any { return c.DenyPurge },
			func(c jetstream.StreamConfig) bool { return c.DenyPurge }},
	}...)}
}

func resultStream(cfg Config) ownStream {
	config := jetstream.StreamConfig{
		Name:        cfg.ResultStream,
		Description: "Belfry: results and dead letters",
		Subjects:    []string{ResultSubjects + ">", DeadLetterSubjects + ">"},
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		Replicas:    max(cfg.Replicas, DefaultReplicas),
		Discard:     jetstream.DiscardOld,
		MaxMsgs:     -1,
		MaxAge:      resultsMaxAge,
		MaxBytes:    resultsMaxBytes,
		Duplicates:  duplicateWindow,
		AllowDirect: true, // subscribers may read from any replica
	}
	return ownStream{config, append(commonRules(cfg, config), streamRule{
		"duplicate_window", "at least " + minDuplicateWindow.String(),
		func(c jetstream.StreamConfig) any { return c.Duplicates },
		func(c jetstream.StreamConfig) bool { return c.Duplicates >= minDuplicateWindow },
	})}
}

// commonRules hold for both streams.
func commonRules(cfg Config, config jetstream.StreamConfig) []streamRule {
	return []streamRule{
		{"subjects", strings.Join(config.Subjects, ", "), func(c jetstream.StreamConfig) any { return strings.Join(c.Subjects, ", ") },
			func(c jetstream.StreamConfig) bool { return sameSubjects(c.Subjects, config.Subjects) }},
		{"retention", "limits", func(c jetstream.StreamConfig) any { return c.Retention },
			func(c jetstream.StreamConfig) bool { return c.Retention == jetstream.LimitsPolicy }},
		{"storage", "file", func(c jetstream.StreamConfig) any { return c.Storage },
			func(c jetstream.StreamConfig) bool { return c.Storage == jetstream.FileStorage }},
		{"num_replicas", fmt.Sprint(cfg.Replicas), func(c jetstream.StreamConfig) any { return c.Replicas },
			func(c jetstream.StreamConfig) bool { return cfg.Replicas == 0 || c.Replicas == cfg.Replicas }},
		{"max_msg_size", "unlimited, or at least 1 MiB", func(c jetstream.StreamConfig) any { return c.MaxMsgSize },
			func(c jetstream.StreamConfig) bool { return c.MaxMsgSize <= 0 || c.MaxMsgSize >= leastPayload }},
		{"no_ack", "false", func(c jetstream.StreamConfig) any { return c.NoAck },
			func(c jetstream.StreamConfig) bool { return !c.NoAck }},
		{"sealed", "false", func(c jetstream.StreamConfig) any { return c.Sealed },
			func(c jetstream.StreamConfig) bool { return !c.Sealed }},
		{"persist_mode", "default", func(c jetstream.StreamConfig) any { return c.PersistMode },
			func(c jetstream.StreamConfig) bool { return c.PersistMode == jetstream.DefaultPersistMode }},
		{"mirror, sources, subject_transform", "none", func(jetstream.StreamConfig) any { return "some" },
			func(c jetstream.StreamConfig) bool {
				return c.Mirror == nil && len(c.Sources) == 0 && c.SubjectTransform == nil
			}},
	}
}

// mismatch compares the configuration that a server reports with what it must
// be, and names every field that differs. It is asked after creating too:
// a server ignores fields that it does not know, and says so nowhere else.
func mismatch(want ownStream, got jetstream.StreamConfig) error {
	var wrong []string
	for _, rule := range want.rules {
		if !rule.holds(got) {
			wrong = append(wrong, fmt.Sprintf("%s is %v, want %s", rule.field, rule.got(got), rule.want))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	remedy := "change it with the nats tool"
	if !sameSubjects(got.Subjects, want.config.Subjects) { // else no other can be made beside it
		remedy += ", or name another stream"
	}
	return fmt.Errorf("cannot use stream %s: %s; %s: %w", want.config.Name, strings.Join(wrong, "; "), remedy, ErrPermanent)
}

// sameSubjects compares without regard to order.
func sameSubjects(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
