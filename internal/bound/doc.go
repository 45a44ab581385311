// Package bound says how much any scheduler could have earned at most, had it
// known the future: the yardstick of a simulation.
//
// # Why a bound and not the optimum
//
// Choosing the best sends of a month for many digests under rolling windows
// is a hard problem. An upper bound on it is easy, and judging a planner by a
// bound errs on the safe side: its score is never too good.
//
// # How
//
// Three things are given away, each of which can only make the result larger.
//
//  1. Time is cut into buckets, of a minute where the history allows it. A send
//     in a bucket carries all that arrives in it, at the usefulness that it
//     has at the bucket's beginning.
//  2. Rolling windows begin with a step only, of ten minutes (more in long
//     histories), and windows bind the steps that lie in them entirely.
//  3. Windows are not enforced but priced (Lagrangian relaxation): every
//     window w has a price p(w) >= 0, a send pays the prices of the windows
//     that it lies in, and every window pays p(w) × its maximum to us.
//
// With prices, digests no longer compete, and the best sends of each follow
// from a dynamic programme over the bucket of its last send. For any prices
// at all, the sum of what the digests then earn and of what the windows pay
// is an upper bound; the prices are improved step by step (subgradient), and
// the lowest sum is the bound.
//
// A digest may be sent at any time, also while it gathers: the bound is on any
// scheduler, not on those that keep to gathering windows. Mutes are ignored.
//
// Reached is what a real schedule earns, that keeps to all windows: filled up
// with the sends that gain most beyond their prices, then improved stretch by
// stretch. The optimum lies between it and the bound, and the gap between the
// two says how much the bound can be off.
package bound
