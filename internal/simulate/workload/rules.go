package workload

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// Rules writes the rules file of the workload. quota is lines of YAML for the
// app's quota, without indentation.
func (w *Workload) Rules(quota ...string) []byte {
	var b strings.Builder
	b.WriteString("version: 1\napps:\n  town:\n    app_key: key\n    app_secret: secret-of-the-town\n" +
		"    base_urls: [\"https://provider.example.com\"]\n    sender: town\n    packages: [com.example.town]\n    quota:\n")
	for _, line := range append([]string{"per_hour: 2", "per_day: 3"}, quota...) {
		fmt.Fprintf(&b, "      %s\n", line)
	}
	w.audiences(&b)
	w.templates(&b)
	b.WriteString("rules:\n")
	for i := range w.Streams {
		s := &w.Streams[i]
		fmt.Fprintf(&b, "  - name: %s\n    on: %s\n    audience: %s\n    template: %s\n    item: \"{{ .id }}\"\n    priority: %s\n"+
			"    gather: {idle: %s, at_most: %s}\n    expires_after: %s\n",
			s.name(), s.subject(), s.Audience, s.Template, s.Priority, Idle, s.AtMost, s.Expires)
	}
	return []byte(b.String())
}

func (s *Stream) name() string {
	return fmt.Sprintf("%s-%s-%s", s.Audience, s.Template, s.Priority)
}

func (s *Stream) subject() string {
	return fmt.Sprintf("town.%s.%s.%s", s.Audience, s.Template, s.Priority)
}

func (w *Workload) audiences(b *strings.Builder) {
	b.WriteString("audiences:\n")
	seen := map[string]bool{}
	for _, s := range w.Streams {
		if !seen[s.Audience] {
			fmt.Fprintf(b, "  %s: {app: town, package: com.example.town, platforms: [ios, android], tags: {all: [%s]}}\n", s.Audience, s.Audience)
			seen[s.Audience] = true
		}
	}
}

func (w *Workload) templates(b *strings.Builder) {
	b.WriteString("templates:\n")
	seen := map[string]bool{}
	for _, s := range w.Streams {
		if !seen[s.Template] {
			fmt.Fprintf(b, "  %s:\n    gather: {idle: %s, at_most: %s}\n    keep: 20\n    expires_after: %s\n"+
				"    message: {type: \"RC:TxtMsg\", content: {content: \"{{ .Count }} new\"}}\n"+
				"    notification: {title: %s, alert: \"{{ .Count }} new\"}\n", s.Template, Idle, s.AtMost, s.Expires, s.Template)
			seen[s.Template] = true
		}
	}
}

// Messages is a made-up history as a stream would deliver it.
func (w *Workload) Messages(seed uint64, from time.Time, days int) iter.Seq2[mapping.Message, error] {
	return func(yield func(mapping.Message, error) bool) {
		for i, e := range w.Generate(seed, from, days) {
			m := mapping.Message{
				Subject: e.Stream.subject(), Stream: "TOWN", Sequence: uint64(i + 1), Time: e.At,
				Data: fmt.Appendf(nil, `{"id":%q}`, e.Key),
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}
