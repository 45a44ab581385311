package main

import (
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
)

// ambiguousRules has two apps; two streams store the subject of the annex.
const ambiguousRules = `version: 1
apps:
  campus: {app_key: "${APP_KEY}", app_secret: "${APP_SECRET}", base_urls: ["${PRIMARY}"], sender: office, packages: [com.example.student], quota: {policy: asap}}
  annex: {app_key: "${APP_KEY}-annex", app_secret: "${APP_SECRET}", base_urls: ["${PRIMARY}"], sender: office, packages: [com.example.student]}
audiences:
  students: {app: campus, package: com.example.student}
  guests: {app: annex, package: com.example.student}
templates:
  lessons:
    gather: {at_most: 100ms}
    message: {type: RC:TxtMsg, content: {content: "{{ .Count }}"}}
    notification: {alert: "{{ .Count }}"}
rules:
  - {name: cancelled, on: school.lesson.cancelled, audience: students, template: lessons}
  - {name: visit, on: annex.*, audience: guests, template: lessons}
`

// withoutLines leaves out the lines that have one of the words.
func withoutLines(text, words string) string {
	return regexp.MustCompile(`(?m)^.*(`+words+`).*\n`).ReplaceAllString(text, "")
}

func TestAnAppThatCannotBeReadLeavesTheOthersRunning(t *testing.T) {
	t.Parallel()
	provider, natsURL, nc, js := startSchool(t)
	for name, subject := range map[string]string{"ONE": "annex.one", "TWO": "annex.two"} {
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subject}}); err != nil {
			t.Fatal(err)
		}
	}
	results := follow(t, nc)
	x := &reload{t: t, rules: writeFile(t, "rules.yaml", withoutLines(ambiguousRules, "annex"))}
	x.daemon, x.page = startBelfry(t, provider, natsURL, x.rules)
	refused := func(page string) func() bool {
		return func() bool {
			return (&replica{process: x.daemon, page: page}).has("source.refused", "annex")
		}
	}
	x.good(ambiguousRules)
	eventually(t, "the app that cannot be read is named", refused(x.page))

	// The next owner has had these rules from its start.
	second, page := startBelfry(t, provider, natsURL, x.rules)
	x.daemon.signal(syscall.SIGTERM)
	if code := x.daemon.exit(patience); code != exitOK {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	eventually(t, "the next owner names it as well", refused(page))
	if _, err := js.Publish(t.Context(), "school.lesson.cancelled", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other app sends", func() bool {
		all := results()
		return len(all) == 1 && all[0].State == bridge.ResultSent && all[0].App == "campus"
	})
	second.signal(syscall.SIGTERM)
	if code := second.exit(patience); code != exitOK {
		t.Errorf("exit code %d after SIGTERM", code)
	}

	alone := start(t, rulesEnv(provider), built(t, "belfry"), "run", "--nats", natsURL, "--http", "",
		"--rules", writeFile(t, "alone.yaml", withoutLines(ambiguousRules, "campus|students")))
	if code := alone.exit(patience); code != exitFailed || !strings.Contains(alone.log.String(), "name the ones to read under sources:") {
		t.Errorf("an app that is alone and cannot be read: exit code %d\n%s", code, alone.log)
	}
}
