package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestManyBusyAppsAreReconciledAlthoughOneAlwaysHasSomethingOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agreed, looks := agreement{}, 0
		apps := []string{"north", "east", "south"}
		findings, err := untilClean(t.Context(), 10*time.Second, func(context.Context) (all []finding, err error) {
			looks++
			for i, app := range apps {
				found, err := agreed.orLook(app, func() ([]finding, error) {
					published := uint64(7)
					if looks%len(apps) == i { // is a result ahead at this moment
						published++
					}
					return []finding{compare(app, "events in results that are expired", 7, published)}, nil
				})
				if err != nil {
					return nil, err
				}
				all = append(all, found...)
			}
			return all, nil
		})
		if err != nil || len(findings) != len(apps) || !clean(findings, true) || looks != 2 {
			t.Errorf("after %d looks: %+v, %v", looks, findings, err)
		}
	})
}
