package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/belfry-bridge/belfry/bridge"
)

func newDeadLetterReplay(std stdio) *cobra.Command {
	var (
		p          publications
		c          choice
		all, again bool
	)
	cmd := &cobra.Command{
		Use:   "replay [ID …]",
		Short: "Put dead letters back on their subjects, as new events",
		Long: `Publishes the bytes and headers of events that became dead letters to their original subjects again, as
new events with ids of their own and the header ` + replayHeader + `.

Every rule of every app sees them anew. A rule that had matched the event before makes its item again,
which replaces the older one with the same key. A rule without a key goes by the event's id, and says it
twice, unless the event is a CloudEvent.

An event is replayed once, however many rules or apps made a dead letter of it; --again replays it once
more. If a replay ends as a dead letter, that is a new one. It names what it is a replay of, and can be
replayed in turn.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.ids = args
			if err := c.valid(cmd); err != nil {
				return err
			}
			if c.empty() && !all {
				return usageError{errors.New("cannot replay: name dead letters, or some with --reason, --rule, --app or --since, or --all")}
			}
			if all && !c.empty() {
				return usageError{errors.New("cannot replay --all and some: leave out --all, or what chooses")}
			}
			return p.withLetters(cmd.Context(), c, func(ctx context.Context, js jetstream.JetStream, letters []deadLetter) error {
				return p.replay(ctx, std, js, letters, again)
			})
		},
	}
	p.flags(cmd)
	c.flags(cmd.Flags())
	cmd.Flags().BoolVar(&all, "all", false, "all dead letters")
	cmd.Flags().BoolVar(&again, "again", false, "also those that were replayed before")
	return cmd
}

// replayed is what became of one dead letter.
type replayed struct {
	ID  string `json:"id"`
	As  string `json:"as,omitempty"`  // the new event's id
	Why string `json:"why,omitempty"` // it was not replayed

	Earlier int `json:"earlier,omitempty"` // replays before this one
}

func (p *publications) replay(ctx context.Context, std stdio, js jetstream.JetStream, letters []deadLetter, again bool) error {
	out, done := []replayed{}, map[string]bool{}
	var failed error
	for i := range letters {
		d := &letters[i]
		r := replayed{ID: d.ID, Earlier: d.earlier}
		switch {
		case done[d.event()]:
			r.Why = "another dead letter of the same event is replayed"
		case d.Gone:
			r.Why = "its bytes are not there: " + d.GoneWhy + "; publish the event again, if you have it"
		case d.Replayed > 0 && !again:
			r.Why = "it was replayed before (" + bridge.Plural(d.Replayed, "time", "times") + "); --again does it once more"
		default:
			as, err := p.replayOne(ctx, js, d)
			if r.As = as; err != nil {
				failed = err
			}
			done[d.event()] = true
		}
		out = append(out, r)
		if failed != nil {
			break
		}
	}
	if p.json {
		return errors.Join(failed, printJSON(std.out, out))
	}
	printReplayed(std.out, out)
	return failed
}

func printReplayed(w io.Writer, all []replayed) {
	makePrintable(&all)
	if len(all) == 0 {
		fmt.Fprintln(w, noneChosen+"; nothing was replayed")
	}
	sent, again, left := 0, 0, 0
	for _, r := range all {
		switch {
		case r.As != "" && r.Earlier > 0:
			fmt.Fprintf(w, "%s  replayed as %s, after %s before\n", r.ID, r.As, bridge.Plural(r.Earlier, "replay", "replays"))
			sent, again = sent+1, again+1
		case r.As != "":
			fmt.Fprintf(w, "%s  replayed as %s\n", r.ID, r.As)
			sent++
		case r.Why != "":
			fmt.Fprintf(w, "%s  left alone: %s\n", r.ID, r.Why)
			left++
		}
	}
	if again > 0 {
		fmt.Fprintf(w, "%d replayed, %d of them not for the first time; %d left alone\n", sent, again, left)
	}
}

// replayOne publishes the event, then the note that it was. Dying in between
// leaves no note, but the next try has the same id, which the stream drops
// within its duplicate window.
func (p *publications) replayOne(ctx context.Context, js jetstream.JetStream, d *deadLetter) (as string, err error) {
	as = fmt.Sprintf("%s.replay.%d", d.ID, d.Replayed+1)
	event := &nats.Msg{Subject: d.Subject, Header: nats.Header(maps.Clone(d.Header)), Data: d.Data}
	event.Header[replayHeader] = []string{d.ID}
	_, err = js.PublishMsg(ctx, event, jetstream.WithMsgID(as))
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		return "", fmt.Errorf("cannot replay %s: no stream takes the subject %s now; create one that does, and try again", d.ID, d.Subject)
	}
	if err != nil {
		return "", fmt.Errorf("cannot replay %s to %s: %w", d.ID, d.Subject, denied(js.Conn(), err))
	}
	note := &nats.Msg{Subject: replayedSubject, Header: nats.Header{
		replayHeader: {d.ID}, "Belfry-App": {d.App}, "Belfry-Stream": {d.Stream}, "Belfry-Sequence": {d.Sequence},
		"Belfry-Time": {d.Stored}, "Belfry-Subject": {d.Subject},
	}}
	if _, err := js.PublishMsg(ctx, note, jetstream.WithMsgID(as+".note"), jetstream.WithExpectStream(p.stream)); err != nil {
		return as, fmt.Errorf("replayed %s, but cannot note that it was: %w", d.ID, denied(js.Conn(), err))
	}
	return as, nil
}
