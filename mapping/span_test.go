package mapping

import (
	"testing"
	"time"
)

func TestSpansAreWrittenAsTheyAreRead(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 90 * time.Second: "1m30s", 45 * time.Minute: "45m", time.Hour: "1h", 25 * time.Hour: "25h", 48 * time.Hour: "48h",
		time.Hour + time.Second: "1h0m1s", 500 * time.Millisecond: "500ms",
	} {
		if got := FormatSpan(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
		if back, err := ParseSpan(FormatSpan(d)); err != nil || back != d {
			t.Errorf("%s is read as %v, %v", FormatSpan(d), back, err)
		}
	}
}
