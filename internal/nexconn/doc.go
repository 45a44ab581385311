// Package nexconn hands broadcasts to Nexconn's "Broadcast by package name"
// and says what became of each.
//
// The provider offers no idempotency key and no way to ask afterwards, so the
// one question that matters is: may a byte of the request have left? The
// package arranges everything around a sure answer.
//
//   - Every try has a connection of its own, made and encrypted before the
//     request is written, so that trouble on the way is certainly "not sent"
//     (dial.go). The backup host is tried only then.
//   - The bytes of the request are counted on the connection itself, below
//     TLS. Right before the first of them, and never later, the deadline and
//     the caller's context are asked for permission (wire.go).
//   - Once a byte may have left, nothing is cut short but by the answer's own
//     time limit: giving up early would turn a known outcome into doubt.
//   - One table says what each end of a try means (outcome.go): accepted,
//     rejected, not sent, throttled, blocked or in doubt.
//
// Facts about the provider are quoted by section of the provider reference
// ("section 4.3") with its marks: D documented, S from the vendor's own
// clients, L legacy, I inferred, U unknown.
package nexconn
