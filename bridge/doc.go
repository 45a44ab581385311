// Package bridge is the heart of Belfry: it turns the many events of an app
// into the very few broadcasts that the provider allows, each accounted for,
// none sent twice.
//
// # The story
//
// An event arrives. Package mapping has decided what it means: an item with a
// key, a text, a priority, a window and an expiry, for one audience and one
// template. [State.Fold] puts the item into the [Digest] for them, where it
// replaces an older item with the same key. Nothing else happens yet.
//
// The digest gathers until its window closes. From then on it is ready, and
// the planner ([Decide]) weighs it against the other digests, the sends that
// are left in the ledger and what the rest of the day is likely to bring.
// When its moment has come, [State.Begin] makes it a [Broadcast]: taken out of
// the gathering, charged to the ledger, and committed, before a byte leaves.
//
// The provider's answer becomes an [Outcome], and [State.Settle] decides by it:
// the broadcast ends as sent or rejected; or it certainly was not sent and
// the digest goes on gathering; or nobody can know, and it is held in doubt
// until a human decides ([State.Resolve]). It is never sent again on a guess.
// Whatever happened is put into the outbox as a [Result], committed, and
// published.
//
// # Who owns what
//
// A [Bridge] runs one app in one goroutine: events, answers, orders and
// reloads reach it over channels, one after the other, so that [State] needs
// no locks. The loop is in tenure.go; what it reads, plans, stores and publishes
// is kept by a type each, in reading.go, planner.go, writer.go and publish.go. The
// goroutines that read, publish (deliver.go) and send for it touch none of that.
//
// Everything that decides is a method of State or a pure function;
// time is an argument. The world is reached through the small interfaces in
// ports.go, which package bridgetest implements in memory, with every fault.
//
// # What survives
//
// State is the only durable thing, and it is stored as one message: digests,
// ledger, outbox and the checkpoints of the streams that were read, all in
// one commit. An event is therefore folded exactly once: if the commit has
// landed, the checkpoint is past the event; if it has not, the event is read
// again. A commit is a compare-and-set on one sequence. The owner whose commit
// is refused knows that another has taken over, and stops; so there are never
// two that send. The protocol is in commit.go, taking over in claim.go.
//
// Should the store itself lose everything, the owner, who has the state in
// memory, stores it again. Where no such owner is left, the app begins anew
// and is paused until an operator has looked: see claim.go.
//
// Where the process may die, the comment at that line says what the next
// owner finds there and what it does.
package bridge
