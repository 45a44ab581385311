package stream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// What a new result stream keeps. Operators may change both at any time.
const (
	resultsMaxAge   = 30 * 24 * time.Hour
	resultsMaxBytes = 1 << 30
)

const (
	// duplicateWindow is how long the result stream remembers an id: a result
	// that was published by an owner that died before it could say so is
	// published again by the next one, some seconds later.
	duplicateWindow    = time.Hour
	minDuplicateWindow = 10 * time.Minute

	// minStateBytes is the smallest size limit of the state stream under
	// which no state of some 200 apps is ever discarded.
	minStateBytes = 256 << 20

	// leastPayload is what one message has to be able to have: a state, with room.
	leastPayload = 1 << 20
)

// Provision creates the two streams of Belfry when they are missing (unless
// Config.Provision is false) and checks them against what they must be. It
// waits for NATS and JetStream until ctx ends; what waiting cannot mend is an
// error that errors.Is(err, ErrPermanent).
func (j *JetStream) Provision(ctx context.Context) error {
	for _, want := range j.ownStreams() {
		if err := j.provision(ctx, want); err != nil {
			return err
		}
	}
	return nil
}

// Watch looks again and again whether the two streams still are what they must
// be, until ctx ends: somebody may edit them while Belfry runs. It only tells.
func (j *JetStream) Watch(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, want := range j.ownStreams() {
			name := want.config.Name
			info, err := j.streamInfo(ctx, name)
			if err != nil {
				continue // who writes to it tells
			}
			j.cfg.Conditions.Clear(StreamMissing, name) // also where somebody else has made it
			if err := mismatch(want, info.Config); err != nil {
				j.cfg.Conditions.Set(StreamMismatch, name, err.Error())
				continue
			}
			j.cfg.Conditions.Clear(StreamMismatch, name)
		}
	}
}

func (j *JetStream) ownStreams() []ownStream {
	return []ownStream{stateStream(j.cfg), resultStream(j.cfg)}
}

func (j *JetStream) provision(ctx context.Context, want ownStream) error {
	conditions, name := j.cfg.Conditions, want.config.Name
	pause := newPause()
	for {
		err := j.provisionOnce(ctx, want)
		j.heard(err)
		switch {
		case err == nil:
			conditions.Clear(StreamMissing, name)
			conditions.Clear(StreamMismatch, name)
			conditions.Clear(StreamUnavailable, name)
			return nil
		case errors.Is(err, ErrPermanent):
			conditions.Set(StreamMismatch, name, err.Error())
			return err
		}
		if j.nc.IsConnected() { // else that is the trouble, and told
			conditions.Set(StreamUnavailable, name, err.Error())
		}
		if pause.wait(ctx) != nil {
			return fmt.Errorf("cannot prepare stream %s: %w (last: %w)", name, ctx.Err(), err)
		}
	}
}

// provisionOnce is one try. Dying anywhere in it leaves the stream either
// missing or whole, since the server creates it in one step.
func (j *JetStream) provisionOnce(ctx context.Context, want ownStream) error {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	if err := j.checkServer(); err != nil {
		return err
	}
	info, err := j.streamInfo(ctx, want.config.Name)
	if isMissing(err) {
		return j.create(ctx, want)
	}
	if err != nil {
		return fmt.Errorf("cannot look at stream %s: %w", want.config.Name, err)
	}
	return mismatch(want, info.Config)
}

func (j *JetStream) create(ctx context.Context, want ownStream) error {
	name := want.config.Name
	if !j.cfg.Provision {
		return fmt.Errorf("cannot use stream %s: it does not exist and must not be created; create it, or allow Belfry to (--provision): %w", name, ErrPermanent)
	}
	made, err := j.js.CreateStream(ctx, want.config)
	switch apiCode(err) {
	case codeSubjectOverlap:
		return fmt.Errorf("cannot create stream %s: %s, which only one can: name that one (--state-stream, --result-stream), or take them from it: %w: %w",
			name, j.whoStores(ctx, want.config.Subjects), err, ErrPermanent)
	case codeReplicasUnsupported, codeInvalidConfig:
		return fmt.Errorf("cannot create stream %s: %w: %w", name, err, ErrPermanent)
	case codeStorageExceeded, codeStreamBytesExceeded:
		if reserves := want.config.MaxBytes; reserves > 0 {
			return fmt.Errorf("cannot create stream %s: it reserves %d MiB of JetStream's storage: allow for as much (a server whose limit comes from the free disk sees new room after a restart), or create it with a smaller max_bytes: %w", name, reserves>>20, err)
		}
	}
	if err != nil { // also when another replica was faster: the next try finds it
		return fmt.Errorf("cannot create stream %s: %w", name, err)
	}
	j.cfg.Logger.Info("created a stream", "stream", name, "replicas", want.config.Replicas)
	return mismatch(want, made.CachedInfo().Config)
}

// whoStores says which streams are in the way of one of ours.
func (j *JetStream) whoStores(ctx context.Context, subjects []string) string {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	var others []string
	for _, subject := range subjects {
		for name := range j.js.StreamNames(ctx, jetstream.WithStreamListSubject(subject)).Name() {
			others = append(others, fmt.Sprintf("stream %s stores %s", name, subject))
		}
	}
	if len(others) == 0 { // or it may not be asked
		return "another one stores some of " + strings.Join(subjects, ", ")
	}
	return strings.Join(others, ", ")
}

// recreate makes a stream of ours again that was there before and is gone,
// say because NATS was restarted empty. A single try; the caller will be back.
func (j *JetStream) recreate(ctx context.Context, want ownStream) {
	name := want.config.Name
	if _, err := j.streamInfo(ctx, name); !isMissing(err) {
		return // it is there, or nobody can say
	}
	if err := j.provisionOnce(ctx, want); err != nil {
		j.cfg.Conditions.Set(StreamMissing, name, err.Error())
		return
	}
	j.cfg.Conditions.Clear(StreamMissing, name)
}

// streamInfo asks the stream's leader; unlike a stream handle it keeps nothing.
func (j *JetStream) streamInfo(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	s, err := j.js.Stream(ctx, name)
	if err := j.cfg.Conditions.explain("$JS.API.STREAM.INFO."+name, err); err != nil {
		return nil, err
	}
	return s.CachedInfo(), nil
}

// oldest is the first server with everything that the two streams and the
// reader rely on.
const oldestMajor, oldestMinor = 2, 11

func (j *JetStream) checkServer() error {
	version := j.nc.ConnectedServerVersion()
	if version == "" {
		return fmt.Errorf("cannot use NATS: there is no connection")
	}
	if tooOld(version) {
		return fmt.Errorf("cannot use nats-server %s: want %d.%d or later, older ones silently ignore what they do not know: %w",
			version, oldestMajor, oldestMinor, ErrPermanent)
	}
	if most := j.nc.MaxPayload(); most < leastPayload {
		return fmt.Errorf("cannot use this NATS server: its max_payload is %d bytes, want %d or more (what it is by default), or a state could grow beyond it: %w",
			most, leastPayload, ErrPermanent)
	}
	return nil
}

func tooOld(version string) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false // not a release: the check of the echoed configuration must do
	}
	major, err := strconv.Atoi(strings.TrimPrefix(parts[0], "v"))
	minor, err2 := strconv.Atoi(parts[1])
	if err != nil || err2 != nil {
		return false
	}
	return major < oldestMajor || major == oldestMajor && minor < oldestMinor
}
