package bridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// MaxState is the most bytes that an encoded state may have (architecture,
// section 4). A NATS server takes messages of 1 MiB by default.
const MaxState = 700 << 10

const (
	stateVersion   = 1
	maxDecodedSize = 8 << 20   // several times what our own states expand to
	packWindow     = 512 << 10 // an encoder keeps several of them, and every app has one
)

// magic starts every state message, so that a foreign one is recognised.
var magic = []byte("belfry1\n")

// ErrCorrupt is returned for a state message that Encode can't have written.
// It is never repaired or replaced on its own: an operator must look.
var ErrCorrupt = errors.New("the state is corrupt")

// newerError is the ErrCorrupt of a state that is good, but not for this build.
type newerError struct{ what string }

func (e newerError) Error() string {
	return "a newer build has stored it, with " + e.what + ", which this one does not know; the state is good: run the newer build again"
}

func (e newerError) Is(target error) bool { return target == ErrCorrupt }

// ErrUnstorable is returned for a state that Encode can't write.
var ErrUnstorable = errors.New("the state cannot be stored")

type envelope struct {
	Version int `json:"version"`
	*State
}

// Codec encodes and decodes states. It holds compression buffers: one per goroutine.
type Codec struct {
	zip *zstd.Encoder
	buf bytes.Buffer
}

// NewCodec returns a codec.
func NewCodec() (*Codec, error) {
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(packWindow), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, fmt.Errorf("cannot set up compression: %w", err)
	}
	return &Codec{zip: zip}, nil
}

// Encode returns the state as one message.
func (c *Codec) Encode(s *State) ([]byte, error) {
	c.buf.Reset()
	if err := json.NewEncoder(&c.buf).Encode(envelope{stateVersion, s}); err != nil {
		return nil, fmt.Errorf("cannot encode the state of %s: %w: %w", s.App, ErrUnstorable, err)
	}
	if c.buf.Len() >= maxDecodedSize { // however well it packs: nobody would unpack it
		return nil, fmt.Errorf("cannot encode the state of %s: %w: %d bytes before compression are more than %d", s.App, ErrUnstorable, c.buf.Len(), maxDecodedSize)
	}
	out := c.zip.EncodeAll(c.buf.Bytes(), slices.Clone(magic))
	if len(out) > MaxState {
		return nil, fmt.Errorf("cannot encode the state of %s: %w: %d bytes are more than %d", s.App, ErrUnstorable, len(out), MaxState)
	}
	return out, nil
}

// Decode is the inverse of Encode. Anything else than a state of that app is ErrCorrupt.
func Decode(app string, data []byte) (*State, error) {
	body, err := unpack(data)
	if err != nil {
		return nil, fmt.Errorf("cannot decode the state of %s: %w: %w", app, ErrCorrupt, err)
	}
	s := &State{}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields() // a newer version's fields must not be dropped in silence
	env := envelope{State: s}
	err = dec.Decode(&env) // the version is read in spite of fields that do not fit
	field, unknown := strings.CutPrefix(fmt.Sprint(err), "json: unknown field ")
	switch {
	case env.Version > stateVersion:
		return nil, fmt.Errorf("cannot read the state of %s: %w", app, newerError{fmt.Sprintf("version %d", env.Version)})
	case unknown:
		return nil, fmt.Errorf("cannot read the state of %s: %w", app, newerError{"the field " + field})
	case err != nil:
		return nil, fmt.Errorf("cannot decode the state of %s: %w: %w", app, ErrCorrupt, err)
	case env.Version != stateVersion:
		return nil, fmt.Errorf("cannot decode the state of %s: %w: it has version %d", app, ErrCorrupt, env.Version)
	}
	if err := s.check(app); err != nil {
		return nil, fmt.Errorf("cannot decode the state of %s: %w: %w", app, ErrCorrupt, err)
	}
	s.measure()
	return s, nil
}

// unpack returns the JSON of a state message.
func unpack(data []byte) ([]byte, error) {
	body, ok := bytes.CutPrefix(data, magic)
	if !ok {
		return nil, fmt.Errorf("it does not begin with %q", magic)
	}
	zip, err := zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxDecodedSize))
	if err != nil {
		return nil, err
	}
	defer zip.Close()
	return io.ReadAll(io.LimitReader(zip, maxDecodedSize))
}

// sameBirth reports whether two stored states descend from the same beginning.
// One that was begun anew, after a loss, counts its epochs and sequences from
// 1 again, and is the newer one for all that.
func sameBirth(a, b []byte) bool { return birth(a) == birth(b) }

// birth is a stored state's random name; empty if it can't be read.
func birth(data []byte) string {
	var s struct {
		Born string `json:"born"`
	}
	if body, err := unpack(data); err != nil || json.Unmarshal(body, &s) != nil {
		return ""
	}
	return s.Born
}

// check refuses what no sequence of folds and sends can have led to.
func (s *State) check(app string) error {
	switch {
	case s.App != app:
		return fmt.Errorf("it belongs to the app %q", s.App)
	case s.Born == "" || s.Epoch == 0 || s.Commit == 0:
		return errors.New("it has no birth, epoch or commit")
	case s.Sources == nil:
		return errors.New("it has no checkpoints")
	case !slices.IsSortedFunc(s.Digests, compareDigests):
		return errors.New("its digests are out of order")
	case s.Sending != nil && !s.Sending.whole():
		return errors.New("its broadcast under way has no digest")
	case slices.ContainsFunc(s.Held, func(b *Broadcast) bool { return !b.whole() }):
		return errors.New("a broadcast in doubt has no digest")
	}
	for _, d := range s.Digests {
		if err := d.check(); err != nil {
			return err
		}
	}
	return nil
}

func (b *Broadcast) whole() bool {
	return b != nil && b.ID != "" && b.Digest != nil && b.Digest.check() == nil
}

func (d *Digest) check() error {
	switch {
	case d == nil || d.ID == "" || d.Audience == "" || d.Template == "":
		return errors.New("a digest has no id, audience or template")
	case d.Events < 1 || d.Count() < 1 || d.Seen < 0:
		return fmt.Errorf("digest %s is empty", d.ID)
	case d.Rules == nil:
		return fmt.Errorf("digest %s names no rules", d.ID)
	case !slices.IsSortedFunc(d.Rest, compareBuckets):
		return fmt.Errorf("digest %s has its counts out of order", d.ID)
	case slices.ContainsFunc(d.Rest, func(b Bucket) bool { return b.Count < 1 }):
		return fmt.Errorf("digest %s has an empty count", d.ID)
	case slices.ContainsFunc(d.Rest, func(b Bucket) bool { return len(b.Marks) > len(b.IDs) || len(b.IDs) > b.Count }):
		return fmt.Errorf("digest %s has more marks than items", d.ID)
	}
	return nil
}

func compareDigests(a, b *Digest) int {
	if a == nil || b == nil {
		return -1
	}
	if c := a.key().compare(b.key()); c != 0 {
		return c
	}
	return -1 // two of one key are out of order too
}
