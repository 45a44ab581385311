package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
)

// has reports whether the replica names a trouble, as its page shows it:
// "<condition> <about>: <message>".
func (r *replica) has(condition, about string) bool {
	for _, c := range overview(r.page).Conditions {
		if c.Name == condition && strings.HasPrefix(c.About, about) {
			return true
		}
	}
	return false
}

// createInput makes the stream of events, however long NATS takes for it.
func (c *chaos) createInput() {
	c.t.Helper()
	c.until("the input stream is created", func() bool {
		ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Second)
		defer cancel()
		_, err := c.js.CreateStream(ctx, jetstream.StreamConfig{Name: "SCHOOL", Subjects: []string{"school.>"}})
		return err == nil
	})
}

// untilSent waits until the provider has exactly these keys, one a broadcast,
// and each has its result.
func (c *chaos) untilSent(keys ...string) {
	c.t.Helper()
	c.until(fmt.Sprintf("%v have left and are reported", keys), func() bool {
		c.read()
		reported := map[string]bool{}
		for _, r := range c.results {
			for _, id := range r.EventIDs {
				reported[id] = r.State == bridge.ResultSent
			}
		}
		return reported[keys[len(keys)-1]] && len(c.provider.Broadcasts()) >= len(keys)
	})
	sent := c.provider.Broadcasts()
	for i, b := range sent {
		if i >= len(keys) || strings.TrimSpace(b.Text) != keys[i] {
			c.t.Fatalf("broadcast %d of %d says %q, want one of each of %v", i+1, len(sent), b.Text, keys)
		}
	}
}

// gaps are the reported ones, by why.
func (c *chaos) gaps() (why []string) {
	c.read()
	for _, r := range c.results {
		if r.Gap != nil {
			why = append(why, r.Gap.Why)
		}
	}
	return why
}

func TestChaosTroubleADaemonWaitsForNATSThatIsDownAtStart(t *testing.T) {
	long(t)
	t.Parallel()
	first, server := startNATS(t, t.TempDir(), freePort(t))
	c := newChaos(t, first, 1, 100) // the rest of the world is there
	port := freePort(t)
	c.natsURL = fmt.Sprintf("nats://127.0.0.1:%d", port)
	r := c.launch("")
	c.until("the daemon says what it waits for", func() bool {
		status, body := get(r.page + "/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "nats.disconnected")
	})
	if status, _ := get(r.page + "/healthz"); status != http.StatusOK {
		t.Errorf("health is %d while NATS is down: the daemon would be restarted for nothing", status)
	}
	r.signal(syscall.SIGHUP) // to read the rules again, not to end
	server.kill()
	startNATS(t, t.TempDir(), port)
	c.until("the daemon is ready", func() bool {
		status, _ := get(r.page + "/readyz")
		return status == http.StatusOK && !r.has("nats.disconnected", "")
	})
}

// What the owner has in memory is the only copy of the ledger: it is written
// into the new stream, so that the quota survives.
func TestChaosTroubleTheLedgerSurvivesNATSThatComesBackEmpty(t *testing.T) {
	long(t)
	t.Parallel()
	port := freePort(t)
	natsURL, server := startNATS(t, t.TempDir(), port)
	c := newChaos(t, natsURL, 1, 100)
	c.launchAll(1)
	c.event("k0")
	c.untilSent("k0")

	server.kill()
	c.until("the daemon says that NATS is gone", func() bool { return c.town[0].has("nats.disconnected", "") })
	startNATS(t, t.TempDir(), port)
	c.nextMsg = 1
	c.createInput()
	c.event("k1")
	c.untilSent("k0", "k1")
	c.until("what was lost is reported", func() bool { return strings.Join(c.gaps(), " ") == "recreated" })
	charged := func(n int) func() bool {
		return func() bool {
			s := c.ownerStatus()
			return len(s.Quota) > 0 && s.Quota[0].Used == n && s.Counts.Sent == uint64(n)
		}
	}
	c.until("both sends are charged", charged(2))
	c.until("no trouble is left", func() bool {
		return !c.town[0].has("nats.disconnected", "") && !c.town[0].has("stream.missing", "") && !c.town[0].has("state.unreachable", "")
	})

	c.town[0].kill() // and the next owner finds it all
	c.town[0] = c.launch("")
	c.event("k2")
	c.untilSent("k0", "k1", "k2")
	c.until("all sends are charged after a takeover", charged(3))
}

func TestChaosTroubleAStreamThatIsMadeAnewIsAReportedGap(t *testing.T) {
	long(t)
	t.Parallel()
	natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
	c := newChaos(t, natsURL, 1, 100)
	c.launchAll(1)
	c.event("k0")
	c.untilSent("k0")

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.js.DeleteStream(ctx, "SCHOOL"); err != nil {
		t.Fatal(err)
	}
	c.until("the daemon says that it can't read", func() bool {
		r := c.town[0]
		return r.has("stream.missing", "SCHOOL") || r.has("source.none", "") || r.has("source.interrupted", "SCHOOL")
	})
	c.createInput()
	c.event("k1")
	c.untilSent("k0", "k1")
	c.until("the gap is reported", func() bool { return strings.Join(c.gaps(), " ") == "recreated" })
	c.until("no trouble is left", func() bool {
		r := c.town[0]
		return !r.has("stream.missing", "") && !r.has("source.none", "") && !r.has("source.interrupted", "")
	})
}

const restricted = `listen: "127.0.0.1:%d"
jetstream: {store_dir: %q}
authorization: {users: [
  {user: admin, password: admin-word}
  {user: belfry, password: belfry-word, permissions: {publish: {deny: [%s]}}}
]}
`

func overwrite(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A denied publish looks like a timeout to the one who publishes.
func TestChaosTroubleADeniedPublishIsNamedAndNothingIsLost(t *testing.T) {
	long(t)
	t.Parallel()
	port, folder := freePort(t), t.TempDir()
	config := writeFile(t, "nats.conf", fmt.Sprintf(restricted, port, folder, `"belfry.result.>"`))
	server := start(t, nil, built(t, "nats-server"), "-c", config)
	admin := fmt.Sprintf("nats://admin:admin-word@127.0.0.1:%d", port)
	awaitNATS(t, admin)
	c := newChaos(t, admin, 1, 100)
	c.natsURL = fmt.Sprintf("nats://belfry:belfry-word@127.0.0.1:%d", port)
	c.launchAll(1)
	c.event("k0")
	c.until("the daemon names what is denied", func() bool {
		return c.town[0].has("nats.permissions", "publish belfry.result.campus.students.sent") && c.town[0].has("results.unavailable", "")
	})
	if n := len(c.provider.Broadcasts()); n != 1 {
		t.Errorf("%d broadcasts left, want 1: results wait, sends do not", n)
	}
	if log := c.town[0].log.String(); strings.Contains(log, "belfry-word") {
		t.Error("the log shows the password")
	}
	overwrite(t, config, fmt.Sprintf(restricted, port, folder, ""))
	server.signal(syscall.SIGHUP)
	c.untilSent("k0")
	c.until("the trouble is over", func() bool {
		return !c.town[0].has("nats.permissions", "") && !c.town[0].has("results.unavailable", "")
	})
}

// The outage is so long that the owner gives its lease up: still it is the one
// that has the state, and the standby leaves it the time.
func TestChaosTroubleTheLedgerSurvivesALongOutageAfterWhichNATSIsEmpty(t *testing.T) {
	long(t)
	t.Parallel()
	port := freePort(t)
	natsURL, server := startNATS(t, t.TempDir(), port)
	c := newChaos(t, natsURL, 1, 100)
	c.launchAll(2)
	c.event("k0")
	c.untilSent("k0")
	c.until("the standby knows the owner", func() bool {
		code, out, _ := cli(t, "status", "--nats", natsURL)
		return code == exitOK && strings.Contains(out, "owner") && strings.Contains(out, "standby")
	})
	server.kill()
	c.until("nobody owns the app any more", func() bool { return c.ownerStatus().Role != bridge.RoleOwner })
	startNATS(t, t.TempDir(), port)
	c.nextMsg = 1
	c.createInput()
	c.event("k1")
	c.untilSent("k0", "k1")
	c.until("both sends are known and charged", func() bool {
		s := c.ownerStatus()
		return s.Counts.Sent == 2 && len(s.Quota) > 0 && s.Quota[0].Used == 2 && s.Paused == nil
	})
}

// As after a power loss: NATS comes back as it was some time ago.
func TestChaosTroubleWritesThatNATSLostAreNotForgotten(t *testing.T) {
	long(t)
	t.Parallel()
	port, now, then := freePort(t), t.TempDir(), filepath.Join(t.TempDir(), "then")
	natsURL, server := startNATS(t, now, port)
	c := newChaos(t, natsURL, 1, 100)
	c.launchAll(2)
	c.event("k0")
	c.untilSent("k0")
	server.kill()
	if err := os.CopyFS(then, os.DirFS(now)); err != nil {
		t.Fatal(err)
	}
	_, server = startNATS(t, now, port)
	c.event("k1")
	c.untilSent("k0", "k1")

	server.kill()
	startNATS(t, then, port)
	c.nextMsg = 1
	c.until("the loss of the event is reported", func() bool { return strings.Join(c.gaps(), " ") == "rewound" })
	c.event("k2")
	c.untilSent("k0", "k1", "k2")
	c.until("all sends are known and charged", func() bool {
		s := c.ownerStatus()
		return s.Counts.Sent == 3 && len(s.Quota) > 0 && s.Quota[0].Used == 3 && s.Paused == nil
	})
}

// Whoever stands by sees the stream missing at once, and whoever has just
// started sees no lease in a new one: neither must begin with nothing.
func TestChaosTroubleADeletedStateIsStoredAgainByAnIdleOwnerNotByAStandby(t *testing.T) {
	long(t)
	t.Parallel()
	natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
	c := newChaos(t, natsURL, 1, 100)
	c.launchAll(2)
	c.event("k0")
	c.untilSent("k0")
	owner, _ := c.stateToken()
	deleteStateStream(t, c.js)
	c.launchAll(1)
	c.until("the state is stored again", func() bool { return storedStates(t, c.js) == 1 })
	if again, _ := c.stateToken(); again != owner {
		t.Fatalf("the state was stored again by %s, want its owner %s", again, owner)
	}
	for i, r := range c.town {
		if r.status().Role == bridge.RoleOwner {
			r.kill()
			c.town = slices.Delete(c.town, i, i+1)
			break
		}
	}
	c.event("k1")
	c.untilSent("k0", "k1")
	c.until("both sends are known and charged after the takeover", func() bool {
		s := c.ownerStatus()
		return s.Counts.Sent == 2 && len(s.Quota) > 0 && s.Quota[0].Used == 2
	})
}

func TestChaosTroubleAStateThatIsLostWithItsOwnerPausesTheApp(t *testing.T) {
	long(t)
	t.Parallel()
	natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
	c := newChaos(t, natsURL, 1, 100)
	c.launchAll(1)
	c.event("k0")
	c.untilSent("k0")
	c.town[0].kill()
	deleteStateStream(t, c.js)
	c.town[0] = c.launch("")
	c.until("the app is owned, and has read its events again", func() bool {
		s := c.ownerStatus()
		return s.Role == bridge.RoleOwner && len(s.Digests) > 0
	})
	code, out, errs := cli(t, "status", "--nats", natsURL)
	if code != exitOK || !strings.Contains(out, "PAUSED") || !strings.Contains(out, "the stored state is lost") || !strings.Contains(out, "belfry resume --app campus") {
		t.Errorf("status says (exit %d):\n%s%s", code, out, errs)
	}
	if log := c.town[0].log.String(); !strings.Contains(log, `"level":"ERROR"`) || !strings.Contains(log, "begins anew and is paused") {
		t.Errorf("the log does not name the loss:\n%s", log)
	}
	if n := len(c.provider.Broadcasts()); n != 1 {
		t.Errorf("%d broadcasts left, want the one from before", n)
	}
}
