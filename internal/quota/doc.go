// Package quota answers one question: how many sends are left now, and when
// is there one again? It knows windows (rolling or calendar) and a ledger of
// sends. It is pure: time is an argument.
package quota
