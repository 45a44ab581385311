// Package control lets operators ask and order a running daemon over NATS.
//
// Every replica answers belfry.control.status with its overview. An order for
// an app goes to belfry.control.order.<app>; all replicas that know the app
// hear it, and its owner alone answers: it has changed the state and
// committed the change, or says why not. The service registers itself with
// the NATS services framework, so `nats micro ls` lists it.
package control
