// Package quota counts sends. It knows what a provider allows (a few windows,
// each with a maximum) and what was spent (a ledger), and answers two
// questions: how many sends are left now, and when is there one again.
//
// # Windows
//
// A window is either rolling ("at most 2 in any 60 minutes") or calendar
// ("at most 3 a day in Asia/Shanghai"). There can be any number of them; the
// sends left are the minimum over all. Calendar days follow the zone's own
// rules: a day of 23 or 25 hours is one day, a midnight that does not exist is
// the first instant after it, and an hour that the clock shows twice counts
// as one.
//
// # One idea
//
// For every window, a spend stops counting at one instant: where it leaves
// the window. A spend counts until then, and counts also while it lies in the
// future, which is what a clock that was set back makes of it. Everything
// else (the sends left, the next free instant, the usage) follows from those
// instants.
//
// # Clocks
//
// Our clock and the provider's differ. The guard widens every window at both
// ends: a spend counts as if it had happened up to a guard later, and is
// forgotten a guard late. A calendar send just before midnight therefore
// counts on both days.
//
// A send takes time, and the provider may count it at its end: it is charged
// at its beginning, and then postponed to the latest time that is possible.
//
// A clock that steps back and forth makes the ledger stricter, never laxer.
// While the clock shows less than it has shown before, nobody knows when a
// spend really happened: it is marked unsure, counts in every window, and is
// dated by the first reading that has caught up again. When the clock is set
// forward, Slip dates what was sent later by as much: it did not get older, and a
// calendar window does not end before it would have (Skew). What no ledger can see is
// a clock that is wrong from the start of a process on, until the provider tells the time.
package quota
