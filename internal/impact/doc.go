// Package impact says what new rules would do to a running daemon, before they
// are put in place (belfry check --against), and what they have changed once
// they are (the log of a reload).
//
// # To what waits
//
// [Of] takes the rules to come, those in force where somebody says which they
// are, and every app as the daemon has it: its status and its committed state.
// A digest is kept, orphaned, returned or re-keyed, and by planning both on in
// virtual time (package simulate) it is said to go earlier, later, at the same
// time or never. What cannot be known is said to be unknown rather than
// guessed: a state that could not be read, an app that nobody owns at this
// moment, the rules in force if nobody named them.
//
// # To what is to come
//
// The changes of an app are sentences for an operator: its quota and what is
// left of it, its quiet hours and sender, its rules one by one, the streams
// that it would read from now on, mutes that mute nothing any more, and what
// package unnamed tells of apps that may be the same under another name.
//
// # In the file
//
// [Changes] compares two versions of a file as they are written, before the
// environment is put in: a value by its path, and of a secret only that it is
// another.
//
// Nothing here asks a daemon, reads a clock or prints.
package impact
