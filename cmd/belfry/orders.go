package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/control"
)

// order completes a verb that gives one order and prints the owner's answer.
func order(std stdio, cmd *cobra.Command, build func(args []string) (control.Order, chooser, error)) *cobra.Command {
	var a asking
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, choose, err := build(args)
		if err != nil {
			return err
		}
		answer, err := a.give(cmd.Context(), std.err, o, choose)
		if err != nil {
			return err
		}
		if a.json {
			return printJSON(std.out, answer)
		}
		fmt.Fprintln(std.out, answer.Text)
		return nil
	}
	a.flags(cmd)
	return cmd
}

// orderApp is order for one app, named or the only one. whyUsage is what --why
// asks for, empty where no reason is wanted.
func orderApp(std stdio, cmd *cobra.Command, whyUsage string, build func(args []string) (control.Order, error)) *cobra.Command {
	var app string
	cmd.Flags().StringVar(&app, "app", "", "app; may be omitted if there is only one")
	reason := func() (string, error) { return "", nil }
	if whyUsage != "" {
		reason = whyFlag(cmd, whyUsage)
	}
	return order(std, cmd, func(args []string) (control.Order, chooser, error) {
		why, err := reason()
		if err != nil {
			return control.Order{}, nil, err
		}
		o, err := build(args)
		o.Why = why
		return o, oneApp(app), err
	})
}

// whyFlag asks for a reason, and reads it when the order is given.
func whyFlag(cmd *cobra.Command, usage string) func() (string, error) {
	why := cmd.Flags().String("why", "", usage)
	_ = cmd.MarkFlagRequired("why")
	return func() (string, error) {
		if strings.TrimSpace(*why) == "" {
			return "", usageError{errors.New("cannot leave --why empty: it is for those who come upon it later")}
		}
		return *why, nil
	}
}

func newResolve(std stdio) *cobra.Command {
	var sent, notSent bool
	cmd := &cobra.Command{
		Use:   "resolve BROADCAST --sent | --not-sent",
		Short: "Say whether a broadcast in doubt was sent",
		Long: `Says what became of a broadcast in doubt. Look at the provider's console or a test phone first.

With --sent it counts as sent. With --not-sent its items go back to their digest and will be sent again:
if the broadcast had left after all, everybody reads it twice. The send is then refunded. If the provider
counted the call all the same, record it with belfry quota spend.`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&sent, "sent", false, "it was sent")
	cmd.Flags().BoolVar(&notSent, "not-sent", false, "it certainly was not sent")
	cmd.MarkFlagsMutuallyExclusive("sent", "not-sent")
	cmd.MarkFlagsOneRequired("sent", "not-sent")
	return order(std, cmd, func(args []string) (control.Order, chooser, error) {
		return control.Order{Verb: control.Resolve, Broadcast: args[0], Sent: sent}, appInDoubt(args[0]), nil
	})
}

// appInDoubt finds the app whose broadcast it is.
func appInDoubt(id string) chooser {
	return func(all []bridge.Overview) (string, error) {
		for _, s := range owned(all) {
			if slices.ContainsFunc(s.InDoubt, func(b bridge.BroadcastStatus) bool { return b.ID == id }) {
				return s.App, nil
			}
		}
		return "", fmt.Errorf("cannot resolve %q: no such broadcast is in doubt (see belfry status)", id)
	}
}

func newPause(std stdio) *cobra.Command {
	cmd := &cobra.Command{Use: "pause --why TEXT", Short: "Send nothing until resumed; events are still gathered", Args: cobra.NoArgs}
	return orderApp(std, cmd, "reason, for those who find it paused", func([]string) (control.Order, error) {
		return control.Order{Verb: control.PauseIt}, nil
	})
}

func newResume(std stdio) *cobra.Command {
	cmd := &cobra.Command{Use: "resume", Short: "Send again: after a pause, after the provider blocked the app, or before a back-off ends", Args: cobra.NoArgs}
	return orderApp(std, cmd, "", func([]string) (control.Order, error) { return control.Order{Verb: control.Resume}, nil })
}

func newSend(std stdio) *cobra.Command {
	var app string
	cmd := &cobra.Command{
		Use: "send DIGEST --why TEXT", Short: "Send a digest before all others, with the next send that is left",
		Long: `Sends a digest before all others, with the next send that is left. Its window ends, and neither prices,
slots nor a reserve hold it. Quiet hours, mutes, a pause and the quota still do. What joins it until then
goes with it. belfry digests lists the digests, with their ids first.`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&app, "app", "", "app; found by the digest if omitted")
	reason := whyFlag(cmd, "reason, for the log and for who looks at the digest")
	return order(std, cmd, func(args []string) (control.Order, chooser, error) {
		why, err := reason()
		return control.Order{Verb: control.Send, Digest: args[0], Why: why}, appOfDigest(args[0], app), err
	})
}

// appOfDigest finds the app whose digest it is, unless it is named.
func appOfDigest(id, app string) chooser {
	return func(all []bridge.Overview) (string, error) {
		if app != "" {
			return oneApp(app)(all)
		}
		for _, s := range owned(all) {
			if slices.ContainsFunc(s.Digests, func(d bridge.DigestStatus) bool { return d.Digest == id }) {
				return s.App, nil
			}
		}
		return "", fmt.Errorf("cannot send %q: no such digest waits (see belfry digests), or there was no room to tell: then name its --app", id)
	}
}

func newMute(std stdio) *cobra.Command {
	var audience, template string
	var for_ time.Duration
	cmd := &cobra.Command{
		Use: "mute --for DURATION --why TEXT", Short: "Keep some digests from being sent for a while",
		Long: "Without --audience and --template all digests of the app are muted. They still gather events. What expires\nmeanwhile is reported as muted.",
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&audience, "audience", "", "only digests for this audience")
	f.StringVar(&template, "template", "", "only digests of this template")
	f.Var((*spanFlag)(&for_), "for", "how long, such as 90m or 2d")
	_ = cmd.MarkFlagRequired("for")
	return orderApp(std, cmd, "reason, for those who find it muted", func([]string) (control.Order, error) {
		if for_ <= 0 {
			return control.Order{}, usageError{errors.New("cannot mute: --for must be longer than nothing")}
		}
		return control.Order{Verb: control.Mute, Audience: audience, Template: template, Seconds: for_.Seconds()}, nil
	})
}

func newUnmute(std stdio) *cobra.Command {
	cmd := &cobra.Command{Use: "unmute ID", Short: "End a mute", Args: cobra.ExactArgs(1)}
	return orderApp(std, cmd, "", func(args []string) (control.Order, error) {
		return control.Order{Verb: control.Unmute, Mute: args[0]}, nil
	})
}

func newQuota(std stdio) *cobra.Command {
	cmd := &cobra.Command{Use: "quota", Short: "Record sends that others make under the same App Key; correct for a clock that was wrong"}
	cmd.AddCommand(newSpend(std), newTakeBack(std), newTrustClock(std))
	return cmd
}

func newTakeBack(std stdio) *cobra.Command {
	cmd := &cobra.Command{Use: "take-back ID", Short: "Take back a send that was recorded by mistake", Args: cobra.ExactArgs(1)}
	return orderApp(std, cmd, "", func(args []string) (control.Order, error) {
		return control.Order{Verb: control.Unspend, ID: args[0]}, nil
	})
}

func newTrustClock(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use: "trust-clock --why TEXT", Short: "Say that the owner's clock is right, after it was ahead",
		Long: `Sends that were made while the clock showed less than it had shown before count until it has caught up. If
it was ahead by a year, that takes a year. This order dates them, and whatever else lies in the future, to
now.

First look at the clock of the machine that owns the app: if it is behind now, more is sent than the
provider allows.`,
		Args: cobra.NoArgs,
	}
	return orderApp(std, cmd, "who has looked at the clock, and what was wrong", func([]string) (control.Order, error) {
		return control.Order{Verb: control.Trust}, nil
	})
}

func newSpend(std stdio) *cobra.Command {
	var at, id string
	cmd := &cobra.Command{
		Use: "spend --at TIME --why TEXT", Short: "Record a send that somebody else made; it counts against the quota",
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&at, "at", "now", "when it was sent: RFC 3339, or now")
	f.StringVar(&id, "id", "", "the same id is not counted twice; a new one by default")
	return orderApp(std, cmd, "who sent it and why", func([]string) (control.Order, error) {
		o := control.Order{Verb: control.Spend, Now: at == "now", ID: cmp.Or(id, "external-"+randomName(8))}
		if !o.Now {
			var err error
			if o.At, err = time.Parse(time.RFC3339, at); err != nil {
				return control.Order{}, usageError{fmt.Errorf("cannot use --at %q: want a time such as 2026-11-02T15:04:05+08:00", at)}
			}
		}
		return o, nil
	})
}
