package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/sandbox"
)

var (
	chaosKills = flag.Int("chaos.kills", 12, "how often a chaos run kills a daemon, half as often where it is alone; 200 at night (with a -timeout to match)")
	chaosSeed  = flag.Uint64("chaos.seed", 0, "seed of the random times; 0: a new one")
)

// chaosPatience is for what may need a lease to run out, on a busy machine.
const chaosPatience = 90 * time.Second

const chaosRules = `version: 1
apps:
  campus:
    app_key: ${APP_KEY}
    app_secret: ${APP_SECRET}
    base_urls: ["${PRIMARY}", "${BACKUP}"]
    sender: office
    packages: [com.example.student]
    quota: {per_hour: %[1]d, per_day: %[1]d, policy: asap}
sources:
  school: {stream: SCHOOL, start: all}
audiences:
  students: {app: campus, package: com.example.student, platforms: [ios, android]}
templates:
  lessons:
    gather: {idle: 200ms, at_most: 500ms}
    keep: 200
    expires_after: 24h
    when_in_doubt: hold
    message:
      type: RC:TxtMsg
      content: {content: "{{ range .Items }}{{ .Key }} {{ end }}"}
    notification: {title: "{{ .Count }} changes", alert: "{{ .Last.Key }}"}
rules:
  - {name: cancelled, on: school.lesson.cancelled, audience: students, template: lessons, key: event.id, item: "{{ .id }}"}
`

// chaosBinary is the daemon with failpoints, built once.
var chaosBinary = sync.OnceValues(func() (string, error) { return build("belfry-chaos", ".", "chaos") })

// chaos is one run: a town of replicas, what is published to them, and what
// came of it. Its methods belong to the test's goroutine.
type chaos struct {
	t        *testing.T
	random   *rand.Rand
	quota    int
	provider *sandbox.Server
	natsURL  string
	js       jetstream.JetStream
	program  string
	rules    string
	more     []string // arguments of every replica
	started  time.Time

	town  []*replica
	kills map[string]int // by what ended them

	results map[string]bridge.Result
	nextMsg uint64

	mu   sync.Mutex // guards keys
	keys []string   // published and acknowledged
	stop func()     // ends publishing
}

// replica is one daemon and what is meant to end it.
type replica struct {
	*process
	page  string
	fate  string    // a failpoint, "random", or empty: none
	doom  time.Time // with random: when it is killed; zero: not settled yet
	since time.Time
}

func newChaos(t *testing.T, natsURL string, streamReplicas, quota int, change ...func(*sandbox.Config)) *chaos {
	t.Helper()
	if !canPause {
		t.Skip("the failpoints of its program pause it, which only Unix can do")
	}
	built(t, "belfry") // makes the folder
	program, err := chaosBinary()
	if err != nil {
		t.Fatal(err)
	}
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-chaos.seed=%d", seed)
	provider := sandbox.Config{Quota: sandbox.Quota{PerHour: quota, PerDay: quota}}
	for _, f := range change {
		f(&provider)
	}
	c := &chaos{
		t: t, random: rand.New(rand.NewPCG(seed, 0)), quota: quota, natsURL: natsURL, program: program, started: time.Now(),
		provider: startSandbox(t, provider),
		rules:    writeFile(t, "rules.yaml", fmt.Sprintf(chaosRules, quota)),
		more:     []string{"--stream-replicas", strconv.Itoa(streamReplicas)},
		kills:    map[string]int{}, results: map[string]bridge.Result{}, nextMsg: 1,
	}
	nc, err := nats.Connect(natsURL, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.PingInterval(500*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if c.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	c.until("the input stream is created", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := c.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "SCHOOL", Subjects: []string{"school.>"}, Replicas: streamReplicas})
		return err == nil
	})
	return c
}

// launch starts a replica with a fate.
func (c *chaos) launch(fate string) *replica {
	c.t.Helper()
	page := fmt.Sprintf("127.0.0.1:%d", freePort(c.t))
	env := rulesEnv(c.provider)
	if fate != "random" {
		env = append(env, "BELFRY_FAILPOINT="+fate)
	}
	args := append([]string{"run", "--nats", c.natsURL, "--rules", c.rules, "--http", page, "--log-format", "json"}, c.more...)
	return &replica{process: start(c.t, env, c.program, args...), page: "http://" + page, fate: fate, since: time.Now()}
}

func (r *replica) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

func (r *replica) owns() bool { return strings.Contains(r.log.String(), "owns the app") }

func (r *replica) status() bridge.Status { return overviewOf(r.t, r.page) }

// publish sends keyed events in bursts, each exactly once, until finish.
func (c *chaos) publish() {
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan struct{})
	random := rand.New(rand.NewPCG(c.random.Uint64(), 1))
	go func() {
		defer close(done)
		for burst := 0; ctx.Err() == nil; burst++ {
			for range 1 + random.IntN(4) {
				c.event(fmt.Sprintf("k%d", c.published()))
			}
			select { // the pauses are part of the load: windows must close
			case <-ctx.Done():
			case <-time.After(time.Duration(random.IntN(2000)) * time.Millisecond):
			}
		}
	}()
	c.stop = func() { cancel(); <-done }
	c.t.Cleanup(c.stop)
}

// event publishes one event until NATS has it. Its id makes tries whose
// answer got lost harmless.
func (c *chaos) event(key string) {
	for c.t.Context().Err() == nil {
		ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Second)
		_, err := c.js.Publish(ctx, "school.lesson.cancelled", []byte("{}"), jetstream.WithMsgID(key))
		cancel()
		if err == nil {
			c.mu.Lock()
			c.keys = append(c.keys, key)
			c.mu.Unlock()
			return
		}
		time.Sleep(20 * time.Millisecond) // between two tries
	}
}

func (c *chaos) published() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.keys)
}

// until goes on with everything until a condition holds.
func (c *chaos) until(what string, holds func() bool) {
	c.t.Helper()
	deadline := time.Now().Add(chaosPatience)
	for !holds() {
		if time.Now().After(deadline) {
			c.t.Fatalf("not within %s: %s", chaosPatience, what)
		}
		time.Sleep(25 * time.Millisecond) // between two looks
	}
}

// read takes in the results that came since the last look. It asks for one
// message after the other: whatever happens to NATS, the next look goes on.
func (c *chaos) read() {
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Second)
	defer cancel()
	stream, err := c.js.Stream(ctx, "BELFRY_RESULTS")
	if err != nil {
		return
	}
	for {
		m, err := stream.GetMsg(ctx, c.nextMsg)
		if err != nil {
			return
		}
		c.nextMsg++
		var e struct {
			ID   string        `json:"id"`
			Data bridge.Result `json:"data"`
		}
		if err := json.Unmarshal(m.Data, &e); err != nil || !strings.HasPrefix(m.Subject, "belfry.result.") {
			c.t.Fatalf("cannot use what was published on %s: %v\n%s", m.Subject, err, m.Data)
		}
		if !isWarning(e.Data.State) {
			c.results[e.ID] = e.Data
		}
	}
}

// record is what the proof may look at.
func (c *chaos) record() record {
	c.read()
	c.mu.Lock()
	r := record{keys: slices.Clone(c.keys), broadcasts: c.provider.Broadcasts(), results: c.results, quota: c.quota}
	c.mu.Unlock()
	for _, call := range c.provider.Requests() {
		r.calls = append(r.calls, call.At)
		if call.Status == http.StatusTooManyRequests {
			r.refused++
		}
	}
	return r
}

// inDoubt lists the broadcasts whose doubt nobody has ended.
func (c *chaos) inDoubt() []string {
	var open []string
	for _, r := range c.results {
		_, sent := c.results[r.Broadcast+".sent"]
		_, notSent := c.results[r.Broadcast+".not_sent"]
		if r.State == bridge.ResultInDoubt && !sent && !notSent {
			open = append(open, r.Broadcast)
		}
	}
	return open
}

// resolve is the operator, who looks into the provider's record and says the
// truth. With too many broadcasts in doubt nothing more would be sent.
func (c *chaos) resolve() {
	c.read()
	open := c.inDoubt()
	if len(open) < 8 {
		return
	}
	for _, id := range open {
		word := "--not-sent"
		if slices.ContainsFunc(c.provider.Broadcasts(), func(b sandbox.Broadcast) bool { return b.RequestID == id }) {
			word = "--sent"
		}
		ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Second)
		var out bytes.Buffer
		// The owner may just have died: who is left in doubt is tried again.
		_ = run(ctx, []string{"resolve", id, word, "--nats", c.natsURL}, stdio{env: os.LookupEnv, in: strings.NewReader(""), out: &out, err: &out})
		cancel()
	}
}

// ownerStatus is what the owner says; its role tells whether there is one.
func (c *chaos) ownerStatus() bridge.Status {
	for _, r := range c.town {
		if !r.ended() {
			if s := r.status(); s.Role == bridge.RoleOwner {
				return s
			}
		}
	}
	return bridge.Status{}
}

// settle waits until nothing is under way, ends all replicas in good order,
// and gives the proof.
func (c *chaos) settle(title string) tally {
	c.t.Helper()
	if c.stop != nil {
		c.stop()
	}
	var faults []string
	deadline := time.Now().Add(chaosPatience)
	for settled := false; !settled; {
		_, faults = account(c.record())
		s := c.ownerStatus()
		doubtful := 0
		for _, b := range s.InDoubt {
			doubtful += b.Events
		}
		settled = len(faults) == 0 && s.Role == bridge.RoleOwner && s.CaughtUp && s.Sending == nil && s.Outbox == 0 && s.Waiting == doubtful
		if !settled && time.Now().After(deadline) {
			c.t.Fatalf("not settled within %s: %+v\n%s", chaosPatience, s, strings.Join(faults, "\n"))
		}
		time.Sleep(25 * time.Millisecond) // between two looks
	}
	if code, out, errs := cli(c.t, "reconcile", "--strict", "--nats", c.natsURL); code != exitOK {
		c.t.Errorf("the daemon's own books differ: belfry reconcile exits with %d\n%s%s", code, out, errs)
	}
	for _, r := range c.town {
		r.signal(syscall.SIGTERM)
	}
	for _, r := range c.town {
		if code := r.exit(chaosPatience); code != exitOK {
			c.t.Errorf("exit code %d after SIGTERM", code)
		}
	}
	t, faults := account(c.record())
	for _, f := range faults {
		c.t.Error(f)
	}
	if len(faults) == 0 {
		fmt.Printf("chaos, %s: %s\n  in %s%s\n", title, t, time.Since(c.started).Round(time.Second), c.killed())
	}
	return t
}

// killed says what ended the daemons, if anything did.
func (c *chaos) killed() string {
	if len(c.kills) == 0 {
		return ""
	}
	n, list := 0, []string{}
	for why, times := range c.kills {
		n += times
		list = append(list, fmt.Sprintf("%d %s", times, why))
	}
	slices.Sort(list)
	return fmt.Sprintf("; %d kills: %s", n, strings.Join(list, ", "))
}

// signalled reports whether a signal ended the process, and which.
func (r *replica) signalled() (syscall.Signal, error) {
	status, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return 0, errors.New("it ended by itself")
	}
	return status.Signal(), nil
}
