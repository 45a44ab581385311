// Package unnamed says what is lost with the state of an app that the rules do
// not name, and what an operator can do about it.
//
// Such a state is left where an app was renamed or taken out of the rules. What
// waits in it is sent by nobody, and what it has sent counts against the quota
// of its App Key all the same: under another name the same app would begin with
// an empty ledger, and read, and send, the same events again.
//
// [Find] takes the states of both kinds of apps, those that the rules name and
// those that they don't, and tells of each of the latter an [App]: which apps
// of the rules may be it (those with its App Key), which of its sends still
// count and are known to none of these, and what waits. The words are the
// same wherever it is told: in the daemon's condition, in belfry check
// --against, and in the reason for which an app must not send yet.
//
// An app of the rules that was there before the unnamed state is not a new name
// but an old one, to which the app has returned: it goes on from where it was
// left.
//
// Where the states are read is the caller's matter, and so is the clock.
package unnamed
