package stream

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseDeliveryReadsBothForms(t *testing.T) {
	t.Parallel()
	want := delivery{consumerSequence: 7, streamSequence: 42, stored: 1700000000000000001, pending: 9}
	for name, reply := range map[string]string{
		"the old form":                     "$JS.ACK.SCHOOL.belfry-x.1.42.7.1700000000000000001.9",
		"the new form":                     "$JS.ACK._.ACCHASH.SCHOOL.belfry-x.1.42.7.1700000000000000001.9",
		"the new form with a random token": "$JS.ACK.hub.ACCHASH.SCHOOL.belfry-x.1.42.7.1700000000000000001.9.rnd",
	} {
		if got, ok := parseDelivery(reply); !ok || got != want {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
	}
	for _, reply := range []string{
		"", "$JS.ACK.", "_INBOX.a.1", "$JS.FC.SCHOOL.c.1.2.3.4.5", "$JS.ACK.S.c.1.42.7.9",
		"$JS.ACK.S.c.1.x.7.17.9", "$JS.ACK.S.c.1..7.17.9", "$JS.ACK.S.c.1.42.7.17.", "$JS.ACK.S.c.1.4.2.7.1.9",
	} {
		if got, ok := parseDelivery(reply); ok {
			t.Errorf("%q gives %+v", reply, got)
		}
	}
}

func TestParseDeliveryIsTheInverseOfTheServersFormat(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := delivery{
			consumerSequence: rapid.Uint64().Draw(t, "consumer"), streamSequence: rapid.Uint64().Draw(t, "stream"),
			stored: rapid.Int64Min(0).Draw(t, "stored"), pending: rapid.Uint64().Draw(t, "pending"),
		}
		reply := fmt.Sprintf("$JS.ACK.S.c.1.%d.%d.%d.%d", want.streamSequence, want.consumerSequence, want.stored, want.pending)
		if got, ok := parseDelivery(reply); !ok || got != want {
			t.Fatalf("%s gives %+v, %v", reply, got, ok)
		}
	})
}

// A property and no fuzz target: to fuzz this package, Go compiles all of
// nats-server anew.
func TestParseDeliveryReadsAllOrNothing(t *testing.T) {
	t.Parallel()
	token := rapid.StringMatching(`[0-9]{0,21}|[A-Z_]{0,3}|[0-9][.A-Z][0-9]|-1`)
	rapid.Check(t, func(t *rapid.T) {
		reply := ackPrefix + strings.Join(rapid.SliceOfN(token, 0, 13).Draw(t, "tokens"), ".")
		if d, ok := parseDelivery(reply); !ok && d != (delivery{}) {
			t.Fatalf("%q: half read: %+v", reply, d)
		}
	})
}
