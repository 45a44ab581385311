package stream

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/bridge/bridgetest"
)

func TestStoreKeepsTheContract(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	one, two := provisioned(t, n.URL(), "a"), provisioned(t, n.URL(), "b")
	var apps atomic.Int64
	bridgetest.StoreContract(t, func(*testing.T) (bridge.Store, func() bridge.Store) {
		app := fmt.Sprint("app", apps.Add(1))
		return one.Store(app), func() bridge.Store { return two.Store(app) }
	})
}
