// Command belfry turns domain events into the few broadcasts that a provider
// allows. Every verb explains itself: belfry help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // zones are known even where the machine has none
)

func main() {
	ctx := stopOnSignal(context.Background())
	os.Exit(run(ctx, os.Args[1:], stdio{env: os.LookupEnv, in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// stopOnSignal ends the context at the first signal, for a stop in good order,
// and the process at the second.
func stopOnSignal(parent context.Context) context.Context {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() { // lives as long as the process
		<-signals
		cancel()
		<-signals
		os.Exit(exitKilled)
	}()
	return ctx
}

// keepWithoutReaders lets a daemon live on when nobody reads its log any more.
// By default the next line would kill it, at whatever it was about.
func keepWithoutReaders() { signal.Ignore(syscall.SIGPIPE) }
