package stream

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// quick are lease times for tests that wait for many of them.
func quick() leaseTimes {
	return leaseTimes{
		renew: 50 * time.Millisecond, patience: time.Second, poll: 20 * time.Millisecond,
		handover: 500 * time.Millisecond, grace: 10 * time.Second, vanished: 2 * time.Second,
	}
}

// owning runs what the daemon does with each app: acquire, work until lost, release.
func owning(ctx context.Context, leases *Leases, apps []string) *sync.WaitGroup {
	var wg sync.WaitGroup
	for _, app := range apps {
		lease := leases.Lease(app)
		lease.times = quick()
		wg.Go(func() {
			for ctx.Err() == nil {
				lost, err := lease.Acquire(ctx)
				if err != nil {
					return
				}
				select {
				case <-lost:
				case <-ctx.Done():
				}
				_ = lease.Release(context.WithoutCancel(ctx))
			}
		})
	}
	leases.every = 100 * time.Millisecond
	wg.Go(func() { _ = leases.Run(ctx) })
	return &wg
}

func TestSixAppsSpreadOverThreeReplicasAndBackWhenTheyLeave(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	apps := []string{"app1", "app2", "app3", "app4", "app5", "app6"}
	type replica struct {
		leases *Leases
		leave  func()
	}
	replicas := map[string]replica{}
	join := func(name string) {
		ctx, cancel := context.WithCancel(context.Background())
		leases := provisioned(t, n.URL(), name).Leases()
		wg := owning(ctx, leases, apps)
		leave := sync.OnceFunc(func() { cancel(); wg.Wait() })
		t.Cleanup(leave)
		replicas[name] = replica{leases, leave}
	}
	owners := func(of string) map[string]string {
		list := map[string]string{}
		for _, o := range replicas[of].leases.Owners() {
			list[o.App] = o.Replica
		}
		return list
	}
	eventually := func(what, of string, want map[string]int) {
		t.Helper()
		ctx := within(t, 20*time.Second)
		for fmt.Sprint(loads(owners(of))) != fmt.Sprint(want) {
			select {
			case <-ctx.Done():
				t.Fatalf("%s: %v, want %v", what, owners(of), want)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	join("a")
	eventually("one replica has all", "a", map[string]int{"a": 6})
	join("b")
	join("c")
	for _, of := range []string{"a", "b", "c"} {
		eventually("two each, as seen by "+of, of, map[string]int{"a": 2, "b": 2, "c": 2})
	}
	replicas["a"].leave()
	eventually("the others share what was left", "b", map[string]int{"b": 3, "c": 3})
	replicas["c"].leave()
	eventually("the last one has all", "b", map[string]int{"b": 6})
}
