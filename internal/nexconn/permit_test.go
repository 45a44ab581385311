package nexconn_test

import (
	"errors"
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
