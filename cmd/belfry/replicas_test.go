package main

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
)

// sixApps are the test rules for six apps, a to f.
func sixApps() string {
	var apps, audiences, rules strings.Builder
	for _, app := range strings.Split("a b c d e f", " ") {
		fmt.Fprintf(&apps, "  %s: {app_key: key-of-%s, app_secret: \"${APP_SECRET}\", base_urls: [\"${PRIMARY}\"], sender: office, packages: [com.example.student]}\n", app, app)
		fmt.Fprintf(&audiences, "  everyone-%s: {app: %s, package: com.example.student, platforms: [ios]}\n", app, app)
		fmt.Fprintf(&rules, "  - {name: rule-%s, on: school.%s, audience: everyone-%s, template: t, key: event.data.id}\n", app, app, app)
	}
	return "version: 1\napps:\n" + apps.String() + "sources: {school: {stream: SCHOOL, start: all}}\naudiences:\n" + audiences.String() + `templates:
  t:
    gather: {at_most: 1h}
    expires_after: 6h
    message: {type: RC:TxtMsg, content: {content: "{{ .Count }}"}}
    notification: {alert: x}
rules:
` + rules.String()
}

// owners says how many apps each replica owns, by the replica's own word.
func owners(pages map[string]string) map[string]int {
	out := map[string]int{}
	for name, page := range pages {
		out[name] = 0
		for _, s := range overview(page).Apps {
			if s.Role == bridge.RoleOwner {
				out[name]++
			}
		}
	}
	return out
}

func TestSixAppsAreSharedByThreeReplicasAndTakenOver(t *testing.T) {
	t.Parallel()
	long(t)
	provider, natsURL, _, js := startSchool(t)
	rules := writeFile(t, "rules.yaml", sixApps())
	daemons, pages := map[string]*process{}, map[string]string{}
	for _, name := range []string{"one", "two", "three"} {
		daemons[name], pages[name] = startBelfry(t, provider, natsURL, rules, "--name", name)
	}
	shared := func(each int) func() bool {
		return func() bool {
			total := 0
			for _, n := range owners(pages) {
				if n < each {
					return false
				}
				total += n
			}
			return total == 6
		}
	}
	begun := time.Now()
	eventually(t, "every replica owns two apps", shared(2))
	t.Logf("shared evenly after %s", time.Since(begun).Round(10*time.Millisecond))

	deleteStateStream(t, js)
	eventually(t, "every owner has stored its states again", func() bool { return storedStates(t, js) == 6 })
	eventually(t, "the apps are shared evenly", shared(2))
	for name, page := range pages {
		for _, s := range overview(page).Apps {
			if s.Paused != nil {
				t.Errorf("replica %s paused %s: %s", name, s.App, s.Paused.Why)
			}
		}
		if log := daemons[name].log.String(); strings.Contains(log, "begins anew") {
			t.Errorf("replica %s has begun anew:\n%s", name, log)
		}
	}

	begun = time.Now()
	daemons["one"].signal(syscall.SIGTERM)
	delete(pages, "one")
	eventually(t, "the two others own everything after a shutdown", shared(2))
	t.Logf("taken over %s after SIGTERM", time.Since(begun).Round(10*time.Millisecond))
	if code := daemons["one"].exit(10 * time.Second); code != exitOK {
		t.Errorf("exit code %d", code)
	}

	begun = time.Now()
	daemons["two"].kill()
	delete(pages, "two")
	eventually(t, "the last one owns everything after a crash", shared(6))
	t.Logf("taken over %s after SIGKILL", time.Since(begun).Round(10*time.Millisecond))

	code, out, errs := cli(t, "status", "--nats", natsURL)
	if code != exitOK || strings.Count(out, "owner") != 6 || !strings.Contains(out, "replica three") {
		t.Errorf("status says (exit %d):\n%s%s", code, out, errs)
	}
}

func deleteStateStream(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := js.DeleteStream(ctx, "BELFRY"); err != nil {
		t.Fatal(err)
	}
}

// storedStates counts the apps that have a state in the stream.
func storedStates(t *testing.T, js jetstream.JetStream) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := js.Stream(ctx, "BELFRY")
	if err != nil {
		return 0
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter("belfry.state.>"))
	if err != nil {
		return 0
	}
	return len(info.State.Subjects)
}
