package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/sandbox"
)

func TestReconcileProvesTheAccountAndNamesADifference(t *testing.T) {
	t.Parallel()
	provider, natsURL, _, js := startSchool(t)
	rules := e2eRules // with more subjects than a consumer is given filters: it gets others as well
	for i := range 10 {
		rules += fmt.Sprintf("  - {name: more-%d, on: school.more.%d, audience: students, template: lessons}\n", i, i)
	}
	_, page := startBelfry(t, provider, natsURL, writeFile(t, "rules.yaml", rules))
	lesson(t, js, 7, "Maths", 30)
	lesson(t, js, 7, "Maths again", 30)
	lesson(t, js, 8, "Music", 300) // matches no rule
	publish(t, js, "school.lesson.cancelled", "{nonsense")
	publish(t, js, "school.more.other", "{}") // of no subject that a rule asks for
	lesson(t, js, 9, "Physics", 20)
	eventually(t, "all is sent", func() bool { return overviewOf(t, page).Counts.Sent == 2 })

	code, out, errs := cli(t, "reconcile", "--nats", natsURL, "--strict")
	if code != exitOK || strings.Contains(out, differs) || !strings.Contains(strings.Join(strings.Fields(out), " "), "events of SCHOOL, 1 to 6 5 5 ok") {
		t.Errorf("reconcile: exit %d\n%s%s", code, out, errs)
	}

	t.Run("a result too many", func(t *testing.T) {
		forged := `{"id":"forged","data":{"state":"sent","broadcast":"x-1","events":3}}`
		publish(t, js, "belfry.result.campus.students.sent", forged)
		code, out, _ := cli(t, "reconcile", "--nats", natsURL, "--within", "1s", "--json")
		var findings []finding
		if err := json.Unmarshal([]byte(out), &findings); err != nil {
			t.Fatal(err)
		}
		wrong := map[string]int{}
		for _, f := range findings {
			if f.Verdict != agrees {
				wrong[f.What] = int(f.Found) - int(f.Counted)
			}
		}
		if code != exitFailed || len(wrong) != 2 || wrong["events in results that are sent"] != 3 || wrong["results of broadcasts sent"] != 1 {
			t.Errorf("exit %d, differences %v; want 3 events and 1 broadcast too many", code, wrong)
		}
	})
	t.Run("events that the stream has dropped", func(t *testing.T) {
		if err := purge(t, js, "SCHOOL", 3); err != nil {
			t.Fatal(err)
		}
		_, out, _ := cli(t, "reconcile", "--nats", natsURL, "--within", "1s")
		if !strings.Contains(out, "not provable: the stream begins at 3 by now") {
			t.Errorf("reconcile does not say that the first two are gone:\n%s", out)
		}
	})
}

func TestReconcileAsksAgainWhatIsNotAnsweredInTimeOrDiffersStill(t *testing.T) {
	t.Parallel()
	silent := fmt.Errorf("cannot read: %w", context.DeadlineExceeded)
	leaderless := fmt.Errorf("cannot read: %w", &jetstream.APIError{Code: http.StatusServiceUnavailable, ErrorCode: 10008})
	other := errors.New("no such app")
	denied := fmt.Errorf("cannot read: %w: %w", context.DeadlineExceeded, nats.ErrPermissionViolation)
	differing, proved := []finding{{Verdict: differs}}, []finding{{Verdict: "proved"}}
	for name, tt := range map[string]struct {
		silent, differs int // so often first
		silence         error
		err             error
		want            []finding
		wantErr         error
		after           time.Duration
	}{
		"clean at once":            {want: proved},
		"silent, then clean":       {silent: 3, want: proved, after: 600 * time.Millisecond},
		"leaderless, then clean":   {silent: 3, silence: leaderless, want: proved, after: 600 * time.Millisecond},
		"differs, then clean":      {differs: 2, want: proved, after: 400 * time.Millisecond},
		"differs to the end":       {differs: 1000, want: differing, after: 10*time.Second + 200*time.Millisecond},
		"denied":                   {err: denied, wantErr: denied},
		"another error":            {err: other, wantErr: other},
		"silent beyond a minute":   {silent: 1000, wantErr: context.DeadlineExceeded, after: 70 * time.Second},
		"silent beyond the within": {silent: 100, want: proved, after: 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, looks := time.Now(), 0
				got, err := untilClean(t.Context(), 10*time.Second, func(context.Context) ([]finding, error) {
					switch looks++; {
					case looks <= tt.silent:
						return nil, cmp.Or(tt.silence, silent)
					case looks <= tt.silent+tt.differs:
						return differing, nil
					case tt.err != nil:
						return nil, tt.err
					}
					return proved, nil
				})
				if !errors.Is(err, tt.wantErr) || !slices.Equal(got, tt.want) {
					t.Errorf("got %v, %v", got, err)
				}
				if took := time.Since(begin); took != tt.after {
					t.Errorf("it took %s, want %s", took, tt.after)
				}
			})
		})
	}
}

func TestTheAccountIsCleanAfterTheDaemonWasKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	provider := startSandbox(t, sandbox.Config{Quota: sandbox.Quota{PerHour: 1000, PerDay: 1000}})
	natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
	_, js := connect(t, natsURL)
	createSchool(t, js)
	rules := writeFile(t, "rules.yaml", strings.Replace(e2eRules, "quota: {policy: asap}", "quota: {policy: asap, per_hour: 1000, per_day: 1000}", 1))
	const rounds, each = 5, 12
	for round := range rounds {
		daemon, page := startBelfry(t, provider, natsURL, rules)
		for i := range each {
			lesson(t, js, round*each+i/2, "Maths", 30) // every key twice
			publish(t, js, "school.lesson.cancelled", "{nonsense")
		}
		read := uint64(2 * (round*each + each/2)) // somewhere in the middle of the round, sending or not
		eventually(t, "half of the round is read", func() bool { return overviewOf(t, page).Counts.Read >= read })
		daemon.kill()
	}
	_, page := startBelfry(t, provider, natsURL, rules)
	eventually(t, "all is read, and nothing but what is in doubt waits", func() bool {
		s := overviewOf(t, page)
		doubt := 0
		for _, b := range s.InDoubt {
			doubt += b.Events
		}
		return s.Counts.Read == 2*rounds*each && s.Waiting == doubt
	})
	code, out, errs := cli(t, "reconcile", "--nats", natsURL, "--strict")
	if code != exitOK {
		t.Errorf("reconcile: exit %d\n%s%s", code, out, errs)
	}
	t.Logf("after %d kills:\n%s", rounds, out)
	conform(t, js)
}

func TestDeadLettersAreListedShownAndReplayedOnce(t *testing.T) {
	t.Parallel()
	provider, natsURL, _, js := startSchool(t)
	_, page := startBelfry(t, provider, natsURL, writeFile(t, "rules.yaml", e2eRules))
	publishHeader(t, js, "school.lesson.cancelled", "{nonsense", nats.Header{"Origin": {"test"}})
	eventually(t, "the dead letter is published", func() bool {
		s := overviewOf(t, page)
		return s.Counts.DeadLetters == 1 && s.Outbox == 0
	})

	var letters []deadLetter
	code, out, errs := cli(t, "deadletter", "list", "--nats", natsURL, "--json")
	if err := json.Unmarshal([]byte(out), &letters); err != nil || code != exitOK || len(letters) != 1 {
		t.Fatalf("list: exit %d, %v\n%s%s", code, err, out, errs)
	}
	d := letters[0]
	if string(d.Data) != "{nonsense" || d.Header["Origin"][0] != "test" || d.Subject != "school.lesson.cancelled" || d.Stream != "SCHOOL" || d.Sequence != "1" || d.Reason != "undecodable" || d.Error == "" {
		t.Errorf("the dead letter is %+v", d)
	}
	if code, out, _ := cli(t, "deadletter", "show", d.ID, "--nats", natsURL); code != exitOK || !strings.Contains(out, "\n\n{nonsense\n") || !strings.Contains(out, "1 of SCHOOL") {
		t.Errorf("show: exit %d\n%s", code, out)
	}
	for _, filter := range [][]string{{"--reason", "oversized"}, {"--rule", "cancelled"}, {"--app", "other"}, {"--since", "1ns"}} {
		if _, out, _ := cli(t, append([]string{"deadletter", "list", "--nats", natsURL}, filter...)...); !strings.HasPrefix(out, "no dead letters of that choice") {
			t.Errorf("list %v shows\n%s", filter, out)
		}
	}
	if code, _, errs := cli(t, "deadletter", "replay", "--nats", natsURL); code != exitUsage || !strings.Contains(errs, "--all") {
		t.Errorf("replay of nothing in particular: exit %d, %s", code, errs)
	}

	replay := func(args ...string) string {
		code, out, errs := cli(t, append([]string{"deadletter", "replay", "--nats", natsURL}, args...)...)
		if code != exitOK {
			t.Fatalf("replay %v: exit %d, %s%s", args, code, out, errs)
		}
		return out
	}
	if out := replay("--rule", "nosuch"); !strings.Contains(out, "no dead letters of that choice") {
		t.Errorf("replay of none says %q", out)
	}
	if out := replay(d.ID); !strings.Contains(out, "replayed as "+d.ID+".replay.1") {
		t.Errorf("replay says %s", out)
	}
	eventually(t, "the new event is read, and is a dead letter of its own", func() bool {
		s := overviewOf(t, page)
		return s.Counts.DeadLetters == 2 && s.Counts.Read == 2 && s.Outbox == 0
	})
	again := messageAt(t, js, "SCHOOL", 2)
	if string(again.Data) != "{nonsense" || again.Subject != "school.lesson.cancelled" || again.Header.Get(replayHeader) != d.ID ||
		again.Header.Get("Origin") != "test" || again.Header.Get(nats.MsgIdHdr) != d.ID+".replay.1" {
		t.Errorf("the replayed event is %+v", again)
	}
	if out := replay(d.ID); !strings.Contains(out, "replayed before (1 time)") {
		t.Errorf("a second replay says %s", out)
	}
	if _, out, _ := cli(t, "deadletter", "list", "--nats", natsURL); !strings.Contains(out, "(replayed 1 time)") || !strings.Contains(out, "(a replay of "+d.ID+")") {
		t.Errorf("list says %s", out)
	}
	if out := replay("--since", "1h", "--again", "--reason", "undecodable"); strings.Count(out, "replayed as") != 2 ||
		strings.Count(out, ", after 1 replay before\n") != 2 || !strings.HasSuffix(out, "\n2 replayed, 2 of them not for the first time; 0 left alone\n") {
		t.Errorf("replaying both again says %s", out)
	}
	eventually(t, "both are read", func() bool { return overviewOf(t, page).Counts.Read == 4 })
	if code, out, _ := cli(t, "reconcile", "--nats", natsURL, "--strict"); code != exitOK {
		t.Errorf("reconcile after replays: exit %d\n%s", code, out)
	}
	if err := js.DeleteStream(t.Context(), "SCHOOL"); err != nil {
		t.Fatal(err)
	}
	code, _, errs = cli(t, "deadletter", "replay", d.ID, "--again", "--nats", natsURL)
	if code == exitOK || !strings.Contains(errs, "no stream takes the subject school.lesson.cancelled now") {
		t.Errorf("a replay to nobody: exit %d, %s", code, errs)
	}
}

func TestAStreamThatIsNotThereIsAnsweredWithThoseThatAre(t *testing.T) {
	t.Parallel()
	natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
	env := writeFile(t, "env", "APP_KEY=k\nAPP_SECRET=s\nPRIMARY=https://a.example.com\nBACKUP=https://b.example.com\n")
	simulate := []string{"simulate", "--rules", writeFile(t, "rules.yaml", e2eRules), "--env-file", env, "--stream", "NOPE", "--nats", natsURL}
	list := []string{"deadletter", "list", "--result-stream", "NOPE", "--nats", natsURL}
	for _, args := range [][]string{simulate, list} {
		if code, _, errs := cli(t, args...); code == exitOK || !strings.Contains(errs, "the stream NOPE: this NATS has no streams at all; is it the right one (--nats)?") {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
	_, js := connect(t, natsURL)
	createSchool(t, js)
	for _, args := range [][]string{simulate, list} {
		if code, _, errs := cli(t, args...); code == exitOK || !strings.Contains(errs, "cannot read the stream NOPE: this NATS has only SCHOOL\n") {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
}

func publish(t testing.TB, js jetstream.JetStream, subject, data string) {
	t.Helper()
	publishHeader(t, js, subject, data, nil)
}

func publishHeader(t testing.TB, js jetstream.JetStream, subject, data string, h nats.Header) {
	t.Helper()
	if _, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: subject, Header: h, Data: []byte(data)}); err != nil {
		t.Fatalf("cannot publish to %s: %v", subject, err)
	}
}

func messageAt(t testing.TB, js jetstream.JetStream, stream string, sequence uint64) *jetstream.RawStreamMsg {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetMsg(t.Context(), sequence)
	if err != nil {
		t.Fatalf("cannot get message %d of %s: %v", sequence, stream, err)
	}
	return m
}

// purge drops what is before a sequence, as a stream's limits do.
func purge(t testing.TB, js jetstream.JetStream, stream string, before uint64) error {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		return err
	}
	return s.Purge(t.Context(), jetstream.WithPurgeSequence(before))
}

func TestResultsThatAreGoneWithTheirStreamAreNotProvable(t *testing.T) {
	t.Parallel()
	s := &bridge.Status{App: "campus", Born: "b0rn", Began: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC), Counts: bridge.Counts{Sent: 2, Broadcasts: 1}}
	for made, want := range map[time.Duration]string{0: differs, 30 * time.Second: differs, time.Hour: unprovable} {
		for _, f := range publishedFindings(s, published{complete: true, made: s.Began.Add(made)}) {
			if f.Counted > 0 && (f.Verdict != want || (want == unprovable) != strings.Contains(f.Why, "was made anew")) {
				t.Errorf("made after %s: %+v", made, f)
			}
		}
	}
}

func TestResultsOfAStateThatWasLostAreNotCountedAgainstTheNextOne(t *testing.T) {
	t.Parallel()
	s := &bridge.Status{App: "campus", Born: "newone", Counts: bridge.Counts{Sent: 2, Broadcasts: 1, DeadLetters: 1}}
	told := published{
		complete: true, deadLetters: map[string]bool{"dl-1": true, "dl-2": true},
		results: map[string]bridge.Result{
			"oldone-3.sent": {State: bridge.ResultSent, Broadcast: "oldone-3", Events: 40},
			"newone-4.sent": {State: bridge.ResultSent, Broadcast: "newone-4", Events: 2},
		},
	}
	before := 0
	for _, f := range publishedFindings(s, told) {
		if strings.Contains(f.What, "sent before") {
			before++
		}
		switch {
		case strings.Contains(f.What, "sent before") && (f.Found != 1 || f.Verdict != unprovable):
			t.Errorf("a broadcast of the lost state: %+v", f)
		case f.What == deadLettersFound && f.Verdict != unprovable:
			t.Errorf("dead letters, of which some may be older: %+v", f)
		case f.Verdict == differs:
			t.Errorf("%+v", f)
		}
	}
	if before != 1 {
		t.Errorf("the broadcast of the lost state is told %d times", before)
	}
	delete(told.results, "oldone-3.sent")
	for _, f := range publishedFindings(s, told) {
		if f.What == deadLettersFound && f.Verdict != differs {
			t.Errorf("one dead letter too many: %+v", f)
		}
	}
}

func TestWhatCannotBeProvenAfterAnOlderStateWasPutBackIsSaidToBe(t *testing.T) {
	s := &bridge.Status{App: "campus", Born: "anew", Restored: time.Now(), Counts: bridge.Counts{Read: 2, Items: 2, Sent: 2, Broadcasts: 2}}
	told := published{complete: true, results: map[string]bridge.Result{
		"born-2.sent": {State: bridge.ResultSent, Broadcast: "born-2", Events: 1},
		"anew-9.sent": {State: bridge.ResultSent, Broadcast: "anew-9", Events: 1},
	}}
	for _, f := range publishedFindings(s, told) {
		if f.Verdict == differs || f.Found < f.Counted && f.Verdict != unprovable {
			t.Errorf("%+v", f)
		}
	}
}

func TestWhatIsNotProvableIsADifferenceOnlyWhereItIsAskedFor(t *testing.T) {
	for verdict, want := range map[string][2]bool{agrees: {true, true}, unprovable: {true, false}, differs: {false, false}} {
		findings := []finding{{Verdict: agrees}, {Verdict: verdict}}
		if got := [2]bool{clean(findings, false), clean(findings, true)}; got != want {
			t.Errorf("%s: clean %v, want %v", verdict, got, want)
		}
	}
}
