package stream

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// publishRaw publishes with headers that the Go client would not write.
func publishRaw(t *testing.T, server, subject, header, data string) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB stored 1\r\nHPUB %s stored %d %d\r\n%s%s\r\n", subject, len(header), len(header)+len(data), header, data)
	for in := bufio.NewScanner(conn); in.Scan(); {
		if strings.HasPrefix(in.Text(), "MSG stored ") {
			return
		}
	}
	t.Fatal("it is not stored")
}

func TestAnEventWithHeadersThatNobodyCanReadIsPassedBy(t *testing.T) {
	t.Parallel()
	server := startNATS(t).URL()
	c := connect(t, server, "a")
	c.addStream(t, "SCHOOL")
	publishRaw(t, server, "SCHOOL.lesson", "NATS/1.0\r\nno colon\r\n\r\n", "x")
	ctx := within(t, 10*time.Second)
	m, err := c.Source("school").Get(ctx, "SCHOOL", 1)
	if err != nil {
		t.Fatal(err)
	}
	info, err := c.js.Stream(ctx, "SCHOOL")
	if err != nil {
		t.Fatal(err)
	}
	created := info.CachedInfo().Created
	c.fill(t, "SCHOOL.lesson", 2, 3)
	r := c.read(t, []string{"SCHOOL.>"}, nil, map[string]bridge.Checkpoint{"SCHOOL": bridge.AfterEvent(created, &m)})
	r.untilMessages(2)
}

func TestHeadersThatCannotBeWrittenAreNotTriedForEver(t *testing.T) {
	t.Parallel()
	c := provisioned(t, startNATS(t).URL(), "a")
	p := bridge.Publication{ID: "x", Subject: "belfry.deadletter.undecodable", Header: nats.Header{"@timestamp": {"1"}}}
	if err := c.Publisher().Publish(within(t, 5*time.Second), p); !errors.Is(err, ErrPermanent) {
		t.Errorf("published with %v", err)
	}
	m := oddMessage()
	p = (&bridge.DeadLetter{App: "a", Stream: "S", Sequence: 1, Subject: "s", Reason: "undecodable"}).Publication("y", &m, "")
	if err := c.Publisher().Publish(within(t, 5*time.Second), p); err != nil || p.Header["ce-id"] == nil {
		t.Errorf("published with %v, headers %v", err, p.Header)
	}
	if got, want := p.Header["Belfry-Headers-Left-Out"], `"@timestamp" "\u00e9tage"`; len(got) != 1 || got[0] != want {
		t.Errorf("left out are %v, want %s", got, want)
	}
}

func oddMessage() mapping.Message {
	return mapping.Message{Data: []byte("x"), Header: map[string][]string{"@timestamp": {"1"}, "étage": {"3"}, "ce-id": {"7"}}}
}
