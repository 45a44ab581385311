package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/internal/stream"
)

func TestTheLogTellsInWordsHowLongATroubleLasted(t *testing.T) {
	var out bytes.Buffer
	d := &daemon{log: slog.New(slog.NewJSONHandler(&out, nil))}
	d.logCondition(stream.Condition{Name: stream.StreamMissing, About: "SCHOOL", Since: time.Now().Add(-time.Hour)}, false)
	var line struct{ After any }
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	text, _ := line.After.(string)
	if d, err := time.ParseDuration(text); err != nil || d < time.Hour {
		t.Errorf("it says %v, want at least 1h0m0s: %s", line.After, out.Bytes())
	}
}
