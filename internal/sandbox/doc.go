// Package sandbox is a simulator of Nexconn's "Broadcast by package name". It
// is not Nexconn, and says so in every answer (the X-Belfry-Sandbox header)
// and on its page.
//
// It exists so that a whole bridge can be run and tested without an App Key:
// it checks requests as strictly as the documentation allows, keeps the
// quota, fails on request, and remembers what was really broadcast, which a
// caller that got a 504 cannot know.
//
// A request is verified in this order; the first objection is the answer. The
// provider's true order is unknown (section 11 of the provider reference).
//
//  1. The method is POST and the path is exactly the endpoint's: 404, code 404.
//  2. A script step with drop "before" closes the connection here.
//  3. The caller's address is allowed (DenyIP): 403, code 1007.
//  4. One full set of headers, prefixed or not: 401, code 1004. The App Key is
//     known: 401, code 1001, and neither locked nor deleted: 401, code 1006.
//  5. The nonce, the timestamp and the signature are right: 401, code 1004.
//  6. X-Request-ID has at most 36 characters (400, code 1005); the content type
//     is JSON, the body not empty (400, code 1003) and an object (400, code 1002).
//  7. The limiter has room: 429, code 1008.
//  8. The Broadcast Service is enabled: 430, code 1009.
//  9. Every field is valid: 400, codes 400, 1002 and 1005 (fields.go).
//  10. The script's step, if there is one, has its say; otherwise the broadcast
//     is accepted: 200, code 0.
//
// What reaches step 8 counts against the quota, also when it is refused there
// or later (UncountRejected changes that); a call answered 429 does not.
//
// Every default is one of section 12's; Config documents the switches.
package sandbox
