package main

import (
	"testing"
	"time"
)

// A kind of event that comes up for the first time within the period must not
// hide the others.
func TestAPeriodOfAStreamIsReadWhole(t *testing.T) {
	t.Parallel()
	natsURL, _ := startNATS(t, t.TempDir(), freePort(t))
	nc, js := connect(t, natsURL)
	createSchool(t, js)
	publish(t, js, "school.a", "{}")
	publish(t, js, "school.b", "{}")
	info, err := js.Stream(t.Context(), "SCHOOL")
	if err != nil {
		t.Fatal(err)
	}
	from := info.CachedInfo().State.LastTime.Add(time.Nanosecond)
	for range 20 {
		publish(t, js, "school.b", "{}")
	}
	for _, subject := range []string{"school.c", "school.other", "school.a"} {
		publish(t, js, subject, "{}")
	}
	got, err := readStream(t.Context(), nc, "SCHOOL", []string{"school.a", "school.b", "school.c"}, from, time.Time{}, &bar{})
	if err != nil || len(got) != 22 {
		t.Errorf("%d events, %v; want 22", len(got), err)
	}
}
