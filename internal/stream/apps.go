package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Apps lists the apps of which the state stream has a state, whoever runs them.
func (j *JetStream) Apps(ctx context.Context) ([]string, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	s, err := j.js.Stream(ctx, j.cfg.StateStream)
	if err != nil {
		return nil, fmt.Errorf("cannot look at stream %s: %w", j.cfg.StateStream, err)
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(StateSubjects+">"))
	if err != nil {
		return nil, fmt.Errorf("cannot list the states in %s: %w", j.cfg.StateStream, err)
	}
	var apps []string
	for _, subject := range slices.Sorted(maps.Keys(info.State.Subjects)) {
		apps = append(apps, strings.TrimPrefix(subject, StateSubjects))
	}
	return apps, nil
}

// leftAlone is how old a lease may be before we say that nobody runs the app.
// It is renewed every second; the rest is for clocks that differ. Nothing
// that must be safe depends on it.
const leftAlone = 30 * time.Second

// Runs reports whether some replica seems to run the app.
func (j *JetStream) Runs(ctx context.Context, app string) (bool, error) {
	msg, err := j.casSubject(LeaseSubjects + app).get(ctx)
	if err != nil || msg == nil {
		return false, err
	}
	var r leaseRecord
	if err := json.Unmarshal(msg.Data, &r); err != nil {
		return true, nil //nolint:nilerr // of a later version
	}
	return !r.Released && time.Since(msg.Time) < leftAlone, nil
}
