package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/sandbox"
)

const e2eRules = `version: 1
apps:
  campus:
    app_key: ${APP_KEY}
    app_secret: ${APP_SECRET}
    base_urls: ["${PRIMARY}", "${BACKUP}"]
    sender: office
    packages: [com.example.student]
    quota: {policy: asap}
sources:
  school: {stream: SCHOOL, start: all}
audiences:
  students: {app: campus, package: com.example.student, platforms: [ios, android]}
templates:
  lessons:
    gather: {idle: 500ms, at_most: 2s}
    expires_after: 1h
    message:
      type: RC:TxtMsg
      content: {content: "{{ range .Items }}[{{ .Text }}]{{ end }}", extra: "digest={{ .ID }}"}
    notification: {title: "{{ .Count }} changes", alert: "{{ .Last.Text }}"}
rules:
  - name: cancelled
    on: school.lesson.cancelled
    when: event.data.notice_minutes < 120
    audience: students
    template: lessons
    key: event.data.lesson_id
    item: "{{ .data.course }}"
`

// lesson publishes one cancelled lesson.
func lesson(t testing.TB, js jetstream.JetStream, id int, course string, notice int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	body := fmt.Sprintf(`{"lesson_id": %d, "course": %q, "notice_minutes": %d}`, id, course, notice)
	if _, err := js.Publish(ctx, "school.lesson.cancelled", []byte(body)); err != nil {
		t.Fatalf("cannot publish lesson %d: %v", id, err)
	}
}

// startSchool starts what a daemon is run against: a provider, and NATS with the
// school's stream.
func startSchool(t testing.TB) (provider *sandbox.Server, url string, nc *nats.Conn, js jetstream.JetStream) {
	t.Helper()
	provider = startSandbox(t, sandbox.Config{})
	url, _ = startNATS(t, t.TempDir(), freePort(t))
	nc, js = connect(t, url)
	createSchool(t, js)
	return provider, url, nc, js
}

func createSchool(t testing.TB, js jetstream.JetStream) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "SCHOOL", Subjects: []string{"school.>"}}); err != nil {
		t.Fatal(err)
	}
}

// follow collects the results that are published from now on, without the
// warnings, which tell of nothing that has happened.
func follow(t testing.TB, nc *nats.Conn) func() []bridge.Result {
	t.Helper()
	all := followAll(t, nc)
	return func() []bridge.Result {
		return slices.DeleteFunc(slices.Clone(all()), func(r bridge.Result) bool { return isWarning(r.State) })
	}
}

// followAll collects the warnings as well.
func followAll(t testing.TB, nc *nats.Conn) func() []bridge.Result {
	t.Helper()
	sub, err := nc.SubscribeSync("belfry.result.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	var all []bridge.Result
	return func() []bridge.Result {
		for {
			m, err := sub.NextMsg(time.Millisecond)
			if err != nil {
				return all
			}
			var e struct {
				SpecVersion string        `json:"specversion"`
				Type        string        `json:"type"`
				Data        bridge.Result `json:"data"`
			}
			if err := json.Unmarshal(m.Data, &e); err != nil || e.SpecVersion != "1.0" {
				t.Fatalf("result %s is no CloudEvent 1.0: %v\n%s", m.Subject, err, m.Data)
			}
			all = append(all, e.Data)
		}
	}
}

func isWarning(s bridge.ResultState) bool {
	return s == bridge.ResultQuotaLow || s == bridge.ResultWillMiss
}

func TestThreeEventsBecomeOneBroadcastAndOneResultAcrossARestart(t *testing.T) {
	t.Parallel()
	provider, natsURL, nc, js := startSchool(t)
	results := follow(t, nc)
	rules := writeFile(t, "rules.yaml", e2eRules)

	daemon, page := startBelfry(t, provider, natsURL, rules, "--name", "first")
	lesson(t, js, 7, "Maths", 30)
	lesson(t, js, 8, "Music", 300) // filtered out
	lesson(t, js, 7, "Maths, once more", 25)
	eventually(t, "one result", func() bool { return len(results()) == 1 })

	sent := provider.Broadcasts()
	if len(sent) != 1 || sent[0].Text != "[Maths, once more]" || sent[0].Title != "1 changes" || sent[0].ToAll || sent[0].Package != "com.example.student" {
		t.Fatalf("sent %+v; want one broadcast of the newer of two items with one key", sent)
	}
	r := results()[0]
	if r.State != bridge.ResultSent || r.ProviderID != sent[0].ID || r.Items != 1 || r.Events != 1 || len(r.EventIDs) != 1 || r.Broadcast != sent[0].RequestID {
		t.Errorf("result %+v; want one that names the broadcast and its event", r)
	}
	eventually(t, "the metrics count the broadcast", func() bool {
		_, body := get(page + "/metrics")
		return strings.Contains(body, `belfry_broadcasts_total{app="campus"} 1`)
	})

	daemon.signal(syscall.SIGTERM)
	if code := daemon.exit(10 * time.Second); code != exitOK {
		t.Fatalf("exit code %d after SIGTERM", code)
	}
	lesson(t, js, 9, "Physics", 10) // meanwhile
	_, page = startBelfry(t, provider, natsURL, rules, "--name", "second")
	eventually(t, "the event of the meantime has its result", func() bool { return len(results()) == 2 })
	if sent := provider.Broadcasts(); len(sent) != 2 || sent[1].Text != "[Physics]" {
		t.Errorf("sent %+v; want the second to hold only what came meanwhile", sent)
	}
	eventually(t, "everything is accounted for", func() bool {
		s := overviewOf(t, page)
		c := s.Counts
		return c.Read == 4 && c.Matched == 3 && c.Unmatched == 1 && c.Sent == 2 && c.Replaced == 1 && s.Waiting == 0
	})
}

// Permissions do not keep a publisher from it: a server does not look at the
// subject that an acknowledgement goes to.
func TestAStateThatAPublisherHasOverwrittenIsStoredAgain(t *testing.T) {
	t.Parallel()
	provider, natsURL, nc, js := startSchool(t)
	results := follow(t, nc)
	rules := writeFile(t, "rules.yaml", e2eRules)
	daemon, page := startBelfry(t, provider, natsURL, rules, "--name", "first")
	eventually(t, "it owns the app", func() bool { return overviewOf(t, page).Role == bridge.RoleOwner })

	sub, err := nc.SubscribeSync("belfry.state.campus")
	if err != nil {
		t.Fatal(err)
	}
	event := &nats.Msg{Subject: "school.lesson.unknown", Reply: "belfry.state.campus", Data: []byte(`{"id":"x"}`)}
	if err := nc.PublishMsg(event); err != nil {
		t.Fatal(err)
	}
	overwritten := false
	eventually(t, "the state is stored again over the acknowledgement", func() bool {
		m, err := sub.NextMsg(time.Millisecond)
		if err != nil {
			return false
		}
		token := m.Header.Get(bridge.CommitHeader)
		overwritten = overwritten || token == ""
		return overwritten && token != ""
	})
	daemon.signal(syscall.SIGTERM)
	if code := daemon.exit(10 * time.Second); code != exitOK {
		t.Fatalf("exit code %d after SIGTERM", code)
	}
	startBelfry(t, provider, natsURL, rules, "--name", "second")
	lesson(t, js, 7, "Maths", 30)
	eventually(t, "one result", func() bool { return len(results()) == 1 })
	if sent := provider.Broadcasts(); len(sent) != 1 {
		t.Errorf("sent %+v", sent)
	}
}
