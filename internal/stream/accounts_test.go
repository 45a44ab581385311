package stream

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// With the accounts and the stream of the operators' page, events cross over,
// and nobody who publishes them reaches a state.
func TestTheAccountsOfTheOperatorsPageKeepPublishersFromTheState(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```nats accounts\n(.*?)```.*?```json sources\n(.*?)```").FindSubmatch(page)
	if blocks == nil {
		t.Fatal("the page has no accounts")
	}
	o := EmbeddedOptions{Dir: t.TempDir(), Logger: quiet()}.serverOptions()
	if err := o.ProcessConfigString(string(blocks[1])); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(startServer(t, o), "nats://")
	school := connect(t, "nats://school:change-me@"+host, "school")
	school.addStream(t, "SCHOOL")
	school.fill(t, "SCHOOL.lesson", 1, 3)

	belfry := provisioned(t, "nats://belfry:change-me-too@"+host, "a")
	var sourced jetstream.StreamConfig
	if err := json.Unmarshal(blocks[2], &sourced); err != nil {
		t.Fatal(err)
	}
	ctx := within(t, 20*time.Second)
	if _, err := belfry.js.CreateStream(ctx, sourced); err != nil {
		t.Fatal(err)
	}
	r := belfry.read(t, []string{"SCHOOL.lesson"}, fromStart("SCHOOL"), nil)
	r.untilMessages(3)

	state := belfry.Store("campus")
	if _, err := state.Put(ctx, []byte("one"), "a/1/1", 0); err != nil {
		t.Fatal(err)
	}
	if err := school.nc.PublishRequest("SCHOOL.lesson", StateSubjects+"campus", []byte("4")); err != nil {
		t.Fatal(err)
	}
	r.untilMessages(4)
	r.end()
	if err := school.nc.PublishRequest("deliver.belfry.S.any", StateSubjects+"campus", nil); err != nil {
		t.Fatal(err)
	}
	school.waitFor(t, "+nats.permissions publish deliver.belfry.S.any")
	if s, err := state.Get(ctx); err != nil || s.Token != "a/1/1" {
		t.Errorf("stored is %+v, %v", s, err)
	}
}
