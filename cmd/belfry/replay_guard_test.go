package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/internal/stream"
)

func TestAnEventOfWhichSeveralDeadLettersTellIsReplayedOnce(t *testing.T) {
	t.Parallel()
	natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
	_, js := connect(t, natsURL)
	createSchool(t, js)
	p := publications{stream: "RESULTS"}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: p.stream, Subjects: []string{stream.DeadLetterSubjects + ">"}}); err != nil {
		t.Fatal(err)
	}
	// An acknowledgement, which a publisher has had sent here, is none.
	event := &nats.Msg{Subject: "school.none", Reply: stream.DeadLetterSubjects + "undecodable", Data: []byte("{}")}
	if err := js.Conn().PublishMsg(event); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the acknowledgement is stored", func() bool {
		s, err := js.Stream(t.Context(), p.stream)
		return err == nil && s.CachedInfo().State.Msgs == 1
	})
	for _, l := range []struct{ id, sequence, gone string }{{"dl-1", "7", ""}, {"dl-2", "7", ""}, {"dl-3", "8", "the stream no longer had the event's bytes"}} {
		m := &nats.Msg{Subject: stream.DeadLetterSubjects + "undecodable", Data: []byte("{"), Header: nats.Header{
			"Belfry-App": {"campus"}, "Belfry-Stream": {"SCHOOL"}, "Belfry-Sequence": {l.sequence}, "Belfry-Subject": {"school.a"},
			"Belfry-Time": {"2026-11-02T09:00:00Z"}, "X-Kept": {"yes"},
		}}
		if l.gone != "" {
			m.Header["Belfry-Gone"], m.Data = []string{l.gone}, nil
		}
		if _, err := js.PublishMsg(t.Context(), m, jetstream.WithMsgID(l.id)); err != nil {
			t.Fatal(err)
		}
	}
	replay := func(again bool) string {
		letters, err := p.letters(t.Context(), js, choice{})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := p.replay(t.Context(), stdio{out: &out}, js, letters, again); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	wants := []struct {
		again bool
		said  []string
		have  uint64 // events that the stream has then
	}{
		{false, []string{"dl-1  replayed as dl-1.replay.1", "dl-2  left alone: another dead letter of the same event", "dl-3  left alone: its bytes are not there: the stream no longer had"}, 2},
		{false, []string{"dl-1  left alone: it was replayed before (1 time)", "dl-2  left alone: it was replayed before (1 time)", "dl-3  left alone: its bytes"}, 2},
		{true, []string{"dl-1  replayed as dl-1.replay.2", "dl-2  left alone: another dead letter of the same event", "dl-3  left alone: its bytes"}, 3},
	}
	for i, want := range wants {
		said := replay(want.again)
		for _, line := range want.said {
			if !strings.Contains(said, line) {
				t.Errorf("time %d: it says\n%s\nwant %q", i+1, said, line)
			}
		}
		if s, err := js.Stream(t.Context(), "SCHOOL"); err != nil || s.CachedInfo().State.Msgs != want.have {
			t.Errorf("time %d: the stream has %d events, %v; want %d", i+1, s.CachedInfo().State.Msgs, err, want.have)
		}
	}
}
