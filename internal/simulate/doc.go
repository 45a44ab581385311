// Package simulate runs a history of events through rules, fold and planner in
// virtual time. Nothing is sent: every broadcast is taken as accepted at once.
//
// It is the same code that runs in production: [mapping.App.Map] decides about
// an event, [bridge.State] folds it, [bridge.Choose] plans, and the clock is
// turned from one event or wake-up to the next. [Driver] is that clock, and
// rule tests use it too. [Foresee] turns it on from the state of a living app:
// what becomes of what waits, if no other event arrives.
//
// # What a run says
//
// A [Report] lists the broadcasts and what became of every event. It says what
// was earned: for each item that was delivered its priority's worth times its
// usefulness at that time. And it says how good that is: the score is the
// share of an upper bound (package bound) on what any scheduler could have
// earned that knew the whole history beforehand.
package simulate
