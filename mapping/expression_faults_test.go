package mapping_test

import (
	"strings"
	"testing"
)

// What other languages write is told with what is written here.
func TestExpressionsOfOtherLanguagesAreExplained(t *testing.T) {
	for when, want := range map[string]string{
		`event.data.room != nil`:                         "write null",
		`event.data.open == True`:                        "write true",
		`timestamp(event.data.at) > now()`:               "event.time is when it happened",
		`event.data.gate-no == 1`:                        `event.data["gate-no"]`,
		`nats.headers.X-Trace == "n"`:                    `["X-Trace"]`,
		`has(event.data["gate-no"])`:                     `"gate-no" in event.data`,
		`event.data?.room == 1`:                          "ask with has(event.data.room)",
		`event.data.?room.orValue(1) == 1`:               "ask with has(event.data.room)",
		`$event.data.room == 1`:                          "without $",
		`event.data.a == 1 & event.data.b == 1`:          "write &&",
		`event.data.a == 1 | event.data.b == 1`:          "write ||",
		`timestamp(event.data.at) - event.time < 2h`:     `write duration("90m")`,
		`event.data.at > event.time - duration("2 h")`:   `write duration("90m")`,
		`event.time > timestamp("2026-12-01")`:           `write timestamp("2026-11-02T10:00:00Z")`,
		`event.time.getHours("Asia/Singapur") < 8`:       `unknown time zone "Asia/Singapur"; did you mean "Asia/Singapore"?`,
		`event.time.getHours("+08:00") < 8`:              "",
		`event.time.getHours("+8:00") < 8`:               "",
		`event.time.getDayOfWeek("8:30") < 1`:            "",
		`event.time.getHours("") < 8`:                    "",
		`event.time.getHours("99:99") < 8`:               `unknown time zone "99:99"`,
		`event.time.getHours("Local") < 8`:               `unknown time zone "Local"`,
		`event.time.getHours("Asia/Singapore") < 8`:      "",
		`event.data.rooms.exists(r == 1)`:                "write event.data.rooms.exists(r, ",
		`event.data.rooms.any(r, r == 1)`:                "write event.data.rooms.exists(r, ",
		`event.data.room.toLowerCase() == "b"`:           `did you mean "lowerAscii"?`,
		`event.data.a-event.data.b > 1 && x`:             `fields of the event start with event.`,
		`"gate-no" in event.data && event.data.n-1 == 1`: "",
	} {
		_, problems := compileText(school{rule: "when: |-\n  " + when}.source())
		text := problems.Text()
		if want == "" && problems.HasErrors() || !strings.Contains(text, want) || strings.Contains(text, "!error!") {
			t.Errorf("%s: want %q\n%s", when, want, text)
		}
	}
	_, problems := compileText(school{rule: "when: !has(event.data.draft)"}.source())
	if text := problems.Text(); !strings.Contains(text, "starts with ! into quotes") {
		t.Error(text)
	}
}
