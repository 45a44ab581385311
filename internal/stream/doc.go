// Package stream is Belfry's side of NATS JetStream. It implements the ports
// of package bridge: where the state of an app lives ([bridge.Store]), who
// owns the app ([bridge.Lease]), where events come from ([bridge.Source]) and
// where results go ([bridge.Publisher]).
//
// # The way in
//
// [Connect] makes a connection that is tried for ever, or [StartEmbedded]
// first starts a nats-server inside this process. [New] makes the ports over
// the connection:
//
//	conditions := stream.NewConditions(time.Now, listen)
//	nc, err := stream.Connect(stream.Options{URL: url, Conditions: conditions})
//	js, err := stream.New(nc, stream.Config{Replica: id, Provision: true, Conditions: conditions})
//	err = js.Provision(ctx) // waits for NATS, creates and checks Belfry's two streams
//	leases := js.Leases() // leases.Run spreads their apps over the replicas
//	js.Store(app); js.Source(app); js.Publisher(); leases.Lease(app)
//
// # What is where
//
//	BELFRY          belfry.state.<app>     the durable state, one message
//	                belfry.lease.<app>     who owns the app, one message
//	BELFRY_RESULTS  belfry.result.>        results
//	                belfry.deadletter.>    events that could not be used
//	(core NATS)     belfry.handover.<app>  an idle replica asks for an app
//
// A state is changed by compare-and-set on the sequence of its subject, and
// read from the leader of its stream. So two replicas that both believe to
// own an app can't both commit, whatever happened to their leases: all
// safety of Belfry rests on that, and a lease only decides who tries.
//
// # Reading without acknowledgements
//
// Events are read by consumers that nobody acknowledges to: how far an app
// has come is in its state, beside what it made of the events. A consumer
// lives for one attempt and has a fresh name; it must deliver with consecutive
// consumer sequences, and at the first hole, error or silence it is left and
// another one begins after the last event that was received. At every such
// beginning the stream is compared with the checkpoint. What can no longer be
// read is handed over as a [bridge.Gap], never left out in silence.
//
// # Trouble
//
// Nothing that may pass ends what waits: connecting, provisioning, acquiring a
// lease, reading. It is tried again until the context ends, and only a
// configuration that can never work is returned, as an error that
// errors.Is(err, [ErrPermanent]). Storing, fetching and publishing are a single
// try each; package bridge decides what follows. Either way trouble is a named
// condition in [Conditions], from which log, metrics and status are fed.
//
// A server that may lose acknowledged writes at a power loss is a risk that
// this package cannot see: use three replicas, or sync_interval: always. The
// latter is a setting of the whole server; streams of events that don't need
// it can opt out with persist_mode: async (nats-server 2.12 and later).
//
// # Permissions
//
// For what is here a user needs (docs/operations.md has what all of Belfry
// does) to publish to belfry.>, to subscribe to
// belfry.handover.* and _INBOX.>, to answer requests (allow_responses), and to
// publish to
//
//	$JS.API.STREAM.NAMES
//	$JS.API.STREAM.INFO.*
//	$JS.API.STREAM.MSG.GET.*
//	$JS.API.STREAM.CREATE.BELFRY and ….BELFRY_RESULTS, unless provisioning is off
//
// and for each stream that it reads to
//
//	$JS.API.CONSUMER.CREATE.<stream>.>
//	$JS.API.CONSUMER.DELETE.<stream>.*
//	$JS.API.CONSUMER.MSG.NEXT.<stream>.*
package stream
