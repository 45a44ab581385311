package nexconn_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/nexconn"
	"github.com/belfry-bridge/belfry/internal/sandbox"
)

func TestASendWithoutAPermitIsNotBegunAtAnyHost(t *testing.T) {
	for name, allowed := range map[string]int{"when it is about to connect": 0, "when it is about to write": 1} {
		t.Run(name, func(t *testing.T) {
			provider, urls := sandboxHosts(t, sandbox.Config{})
			c := newClient(t, nexconn.Config{BaseURLs: urls})
			s, asked := lesson("b-1"), 0
			s.Permit = func() error {
				if asked++; asked > allowed {
					return errors.New("the lease is over")
				}
				return nil
			}
			o := send(t, c, s)
			if o.Kind != bridge.NotSent || len(o.Attempts) != 1 || o.Attempts[0].Written || o.Attempts[0].Result != "the lease is over" {
				t.Errorf("outcome %+v, want not sent after one try without a byte, and why", o)
			}
			if n := len(provider.Requests()); n != 0 {
				t.Errorf("%d requests arrived", n)
			}
		})
	}
}

// Over TLS one request is several writes. A permit that ends in their midst must
// not break the request off: what has left would be taken for not begun.
func TestAPermitIsAskedBeforeTheFirstByteAndNeverAfterIt(t *testing.T) {
	host := secureHost(t, accept)
	defer host.Close()
	s, asked := lesson("b-1"), 0
	s.Body = append(s.Body, strings.Repeat(" ", 64<<10)...)
	s.Permit = func() error {
		if asked++; asked > 2 { // before it connects, and before the first byte
			return errors.New("the lease is over")
		}
		return nil
	}
	o := send(t, newClient(t, nexconn.Config{BaseURLs: []string{host.URL}, RootCAs: rootsOf(host)}), s)
	if o.Kind != bridge.Accepted || asked != 2 {
		t.Errorf("outcome %+v after the permit was asked for %d times; want accepted after 2", o, asked)
	}
}
