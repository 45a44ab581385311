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
	rules  func(got jetstream.StreamConfig) []streamRule
}

// streamRule is one thing that must be true of a stream's configuration.
type streamRule struct {
	field string // as the server's JSON and the nats tool call it
	want  string // for people
	got   any
	holds bool
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
	return ownStream{config, func(c jetstream.StreamConfig) []streamRule {
		return append(commonRules(cfg, config, c), []streamRule{
			{"max_msgs_per_subject", "1", c.MaxMsgsPerSubject, c.MaxMsgsPerSubject == 1},
			{"discard", "old", c.Discard, c.Discard == jetstream.DiscardOld},
			{"max_msgs", "unlimited", c.MaxMsgs, c.MaxMsgs <= 0},
			{"max_bytes", "unlimited, or at least 256 MiB", c.MaxBytes, c.MaxBytes <= 0 || c.MaxBytes >= minStateBytes},
			{"max_age", "unlimited", c.MaxAge, c.MaxAge == 0},
			{"allow_direct", "false", c.AllowDirect, !c.AllowDirect},
			{"deny_purge", "true", c.DenyPurge, c.DenyPurge},
		}...)
	}}
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
	return ownStream{config, func(c jetstream.StreamConfig) []streamRule {
		return append(commonRules(cfg, config, c),
			streamRule{"duplicate_window", "at least " + minDuplicateWindow.String(), c.Duplicates, c.Duplicates >= minDuplicateWindow})
	}}
}

// commonRules hold for both streams.
func commonRules(cfg Config, want, c jetstream.StreamConfig) []streamRule {
	return []streamRule{
		{"subjects", strings.Join(want.Subjects, ", "), strings.Join(c.Subjects, ", "), sameSubjects(c.Subjects, want.Subjects)},
		{"retention", "limits", c.Retention, c.Retention == jetstream.LimitsPolicy},
		{"storage", "file", c.Storage, c.Storage == jetstream.FileStorage},
		{"num_replicas", fmt.Sprint(cfg.Replicas), c.Replicas, cfg.Replicas == 0 || c.Replicas == cfg.Replicas},
		{"max_msg_size", "unlimited, or at least 1 MiB", c.MaxMsgSize, c.MaxMsgSize <= 0 || c.MaxMsgSize >= leastPayload},
		{"no_ack", "false", c.NoAck, !c.NoAck},
		{"sealed", "false", c.Sealed, !c.Sealed},
		{"persist_mode", "default", c.PersistMode, c.PersistMode == jetstream.DefaultPersistMode},
		{"mirror, sources, subject_transform", "none", "some", c.Mirror == nil && len(c.Sources) == 0 && c.SubjectTransform == nil},
	}
}

// mismatch compares the configuration that a server reports with what it must
// be, and names every field that differs. It is asked after creating too:
// a server ignores fields that it does not know, and says so nowhere else.
func mismatch(want ownStream, got jetstream.StreamConfig) error {
	var wrong []string
	for _, rule := range want.rules(got) {
		if !rule.holds {
			wrong = append(wrong, fmt.Sprintf("%s is %v, want %s", rule.field, rule.got, rule.want))
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
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
