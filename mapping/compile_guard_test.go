package mapping_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-bridge/belfry/mapping"
)

// Names become tokens of subjects.
func TestWhatCannotBeMeantIsRefused(t *testing.T) {
	var tags []string
	for i := range mapping.MaxTags + 1 {
		tags = append(tags, fmt.Sprint("t", i))
	}
	const region, pkg = "region: singapore", "    package: com.example.student\n"
	for _, c := range []struct{ old, new, want string }{
		{"\n  campus:", "\n  cam.pus:", `"cam.pus" as the name of an app`},
		{"\n  students:", "\n  stu.dents:", `"stu.dents" as the name of an audience`},
		{"name: one", "name: o.ne", `"o.ne" as the name of a rule`},
		{"version: 1", "version: 1\nsources:\n  s.1: {stream: S}", `"s.1" as the name of a source`},
		{region, `base_urls: ["https://api.example.com?key=1"]`, "want only https:// and a host"},
		{region, `base_urls: ["https://api.example.com#top"]`, "want only https:// and a host"},
		{region, `base_urls: ["https://api.example.com/v2"]`, "want only https:// and a host"},
		{region, `base_urls: ["https://"]`, `cannot use "https://" as a base URL`},
		{region, `base_urls: ["ftp://sandbox"]`, `cannot use "ftp://sandbox" as a base URL`},
		{region, `base_urls: ["http://8.8.8.8"]`, "cannot use http:// for 8.8.8.8"},
		{region, `base_urls: ["http://api.example.com"]`, "cannot use http:// for api.example.com"},
		{region, `base_urls: ["https://a.example", "https://a.example"]`, `cannot use the base URL "https://a.example" twice`},
		{region, `base_urls: ["https://a.example", "https://b.example", "https://c.example"]`, "more than two base_urls"},
		{"    " + region + "\n", "", "without region or base_urls"},
		{region, region + "\n    max_body_bytes: 999", "want at least 1000"},
		{"[com.example.student]", "[com.example.student, 'com.*']", `"com.*" as a package name`},
		{"[com.example.student]", "[com.example.student, 'com.é']", `"com.é" as a package name`},
		{"[com.example.student]", "[com.example.student, 'com example']", `"com example" as a package name`},
		{"[com.example.student]", "[com.example.student, com.example.student]", "twice"},
		{pkg, pkg + "    tags: {any: [" + strings.Join(tags, ", ") + "]}\n", "21 tags"},
		{pkg, pkg + "    tags: {any: [a, a]}\n", `the tag "a" twice`},
		{pkg, pkg + "    platforms: [ios, ios]\n", `the platform "ios" twice`},
		{pkg, pkg + "    quiet_hours: 22:00-22:00\n", "as quiet_hours"},
		{pkg, pkg + "    quiet_hours: 22:00-7h\n", "as quiet_hours"},
		{pkg, pkg + "    quiet_hours: 25:00-07:00\n", "as quiet_hours"},
		{pkg, pkg + "    quiet_for: all\n", "quiet_for without quiet_hours"},
		{region, region + "\n    quota: {timezone: Local}", `unknown time zone "Local"`},
		{region, region + "\n    quota: {policy: slots, slots: ['9:000']}", "9:000"},
		{"on: school.>", "on: [school.>, school.>]", `the subject "school.>" twice`},
		{"template: changes", "template: changes\n    expires_after: 15m", "cannot gather for 15m what expires after 15m: nothing would ever be sent; let it live longer (expires_after)"},
		{"template: changes", "template: changes\n    gather: {at_most: 7h}", "rules.yaml:25:23: cannot gather for 7h"},
		{"audience: students\n", "audience: students\n    with: {token: nats.tokens[1]}\n", "in it needs quotes"},
	} {
		src := strings.Replace(school{}.source(), c.old, c.new, 1)
		_, problems := compileText(src)
		if text := problems.Text(); !problems.HasErrors() || !strings.Contains(text, c.want) {
			t.Errorf("%s: want %q\n%s", c.new, c.want, text)
		}
	}
}

func TestEveryoneIsNotNarrowedInVain(t *testing.T) {
	for _, more := range []string{"users: event.data.users", "tags: {all: [a]}", "package: com.example.student"} {
		src := strings.Replace(school{app: "everyone: true"}.source(), "package: com.example.student", "everyone: true\n    "+more, 1)
		_, problems := compileText(src)
		if !strings.Contains(problems.Text(), "everyone together with package, tags or users") {
			t.Errorf("%s: %s", more, problems.Text())
		}
	}
}

func TestPlainHTTPIsForASandboxNextDoor(t *testing.T) {
	for _, host := range []string{"127.0.0.1:8080", "[::1]:8080", "10.0.0.7", "192.168.1.2:80", "sandbox:8080", "x.localhost", "belfry.internal", "provider.test"} {
		app := school{}.with("region: singapore", `base_urls: ["http://`+host+`"]`).compile(t)
		if diff := cmp.Diff([]string{"http://" + host}, app.BaseURLs); diff != "" {
			t.Error(diff)
		}
	}
}

func TestAFileWithASecretHasOneLine(t *testing.T) {
	for content, want := range map[string]string{"hush\n": "", " hush ": "", "": "one line", "\n": "one line", "hush\nhush2\n": "one line", "hu\x01sh": "a character in it that nobody sees"} {
		src := strings.Replace(school{}.source(), "app_secret: ${CAMPUS_APP_SECRET}", "app_secret_file: secret", 1)
		set, problems := mapping.Compile("rules.yaml", []byte(src), mapping.Options{LookupEnv: campusEnv(), ReadFile: func(string) ([]byte, error) { return []byte(content), nil }})
		if problems.HasErrors() != (want != "") || !strings.Contains(problems.Text(), want) || strings.Contains(problems.Text(), "hush") {
			t.Errorf("%q: %s", content, problems.Text())
		}
		if want == "" && set.Apps["campus"].Secret.Reveal() != "hush" {
			t.Errorf("%q: another secret", content)
		}
	}
	_, problems := mapping.Compile("rules.yaml", []byte(strings.Replace(school{}.source(), "app_secret: ${CAMPUS_APP_SECRET}", "app_secret_file: secret", 1)),
		mapping.Options{LookupEnv: campusEnv(), ReadFile: func(path string) ([]byte, error) {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
		}})
	if !strings.Contains(problems.Text(), `cannot read app_secret_file "secret": permission denied`) {
		t.Error(problems.Text())
	}
}

func TestATruthIsWhatIsWritten(t *testing.T) {
	for written, want := range map[string]bool{"": true, "quota: {count_rejected: true, urgent_at_once: true}": true, "quota: {count_rejected: false, urgent_at_once: false}": false} {
		if q := (school{app: written}).compile(t).Quota; q.CountRejected != want || q.UrgentAtOnce != want {
			t.Errorf("%s: %t, %t", written, q.CountRejected, q.UrgentAtOnce)
		}
	}
}

func TestARulesGroupComesBeforeItsTemplates(t *testing.T) {
	for rule, want := range map[string]string{"": "7", "group_by: event.data.campus": "north"} {
		d := school{template: "group_by: event.data.lesson_id", rule: rule}.compile(t).Map(lessonMessage())
		if len(d.Matches) != 1 || d.Matches[0].Group != want {
			t.Errorf("%q: %+v, want the group %q", rule, d, want)
		}
	}
}

func TestAnIdleThatIsNeverReachedIsToldOfAndNoOther(t *testing.T) {
	for name, c := range map[string]struct {
		template, rule string
		told           bool
	}{
		"beside the template's":         {"gather: {idle: 20m, at_most: 10m}", "", true},
		"beside what is usual":          {"gather: {idle: 20m}", "", true},
		"a rule's beside what is usual": {"", "gather: {idle: 20m}", true},
		"beside a rule's":               {"gather: {idle: 20m}", "gather: {at_most: 1h}", false},
	} {
		_, problems := compileText(school{template: c.template, rule: c.rule}.source())
		if got := strings.Contains(problems.Text(), "idle 20m has no effect"); got != c.told {
			t.Errorf("%s: told %t: %s", name, got, problems.Text())
		}
	}
}

func TestTagsWithoutATagAreToldOfBesideOtherMistakesAndOnce(t *testing.T) {
	for tags, told := range map[string]bool{"{}": true, "{all: []}": true, "{al: [x]}": false, "{all: x}": false, "x": false} {
		src := strings.Replace(school{audience: "tags: " + tags}.source(), "region: singapore", "region: mars", 1)
		_, problems := compileText(src)
		if got := strings.Contains(problems.Text(), "tags without any tag"); got != told || len(problems) != 2 {
			t.Errorf("%s: told %t: %s", tags, got, problems.Text())
		}
	}
}

// The parser needs memory for the square of what is open: a short file could take gigabytes.
func TestFilesThatAreNestedTooDeeply(t *testing.T) {
	for src, want := range map[string]string{
		"a: " + strings.Repeat("[", 100_000):       ":1:5004: cannot read a file nested this deeply",
		"a: " + strings.Repeat("[a: ", 100_000):    ":1:20004: cannot read a file nested this deeply",
		"a: " + strings.Repeat("{a: [\n ", 20_000): ":2501:2: cannot read a file nested this deeply",
		"a:\n  " + strings.Repeat("- ", 100_000):   ":2:1: cannot read a file nested this deeply",
	} {
		set, problems := mapping.Compile("rules.yaml", []byte(src), mapping.Options{})
		if set != nil || len(problems) != 1 || !strings.Contains(problems.Text(), want) {
			t.Errorf("%.20s: want %q, got %.200q", src, want, problems.Text())
		}
	}
	var open strings.Builder // in text and in comments: nobody closes these
	for i := range 2000 {
		fmt.Fprintf(&open, "  - {name: r%d, on: a.r%d, audience: students, template: changes, when: 'event.data.title.startsWith(\"[\")'} # [0..9)\n", i, i)
	}
	if _, problems := compileText(school{more: open.String()}.source()); problems.HasErrors() {
		t.Errorf("brackets of text are refused: %.300s", problems.Text())
	}
	many := school{app: "quota: {slots: [\"09:00\"]}", rule: "item: '" + strings.Repeat("[]{}]", 20_000)[:60_000] + "'"}
	if _, problems := compileText(many.source()); problems.HasErrors() {
		t.Errorf("brackets that are closed are refused: %.300s", problems.Text())
	}
}

// It would be cut with every send.
func TestAFixedAlertThatIsTooLongIsRefused(t *testing.T) {
	for n, refused := range map[int]bool{mapping.MaxSetting: false, mapping.MaxSetting + 1: true} {
		src := strings.Replace(school{}.source(), "{alert: news}", "{alert: "+strings.Repeat("n", n)+"}", 1)
		_, problems := compileText(src)
		if got := strings.Contains(problems.Text(), fmt.Sprintf("cannot use an alert of %d bytes: the limit is 4000", n)); got != refused || problems.HasErrors() != refused {
			t.Errorf("%d bytes: %.100s", n, problems.Text())
		}
	}
}

// Where urgent items wait too, being urgent is no remedy.
func TestTheRemedyForQuietHoursHelps(t *testing.T) {
	for quietFor, urgent := range map[string]bool{"not-urgent": true, "all": false} {
		src := school{audience: "quiet_hours: 22:00-07:00\nquiet_for: " + quietFor}.source()
		_, problems := compileText(src)
		if text := problems.Text(); !strings.Contains(text, "let it live longer") || strings.Contains(text, "make it urgent") != urgent {
			t.Errorf("quiet_for %s:\n%s", quietFor, text)
		}
	}
}
