package nexconn

import (
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the provider's signature is SHA-1; TLS protects the request
	"encoding/hex"
	"fmt"
	"math/big"
)

// Sign returns the value of the Signature header: the lower-case hex SHA-1 of
// secret, nonce and timestamp, joined without separators (section 1: S, L).
// Neither the body nor the path is covered. The timestamp is Unix time in
// milliseconds, as text.
func Sign(secret, nonce, timestamp string) string {
	sum := sha1.Sum([]byte(secret + nonce + timestamp)) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// nonceDigits is the documented maximum length of a nonce (section 1: D).
const nonceDigits = 18

// randomNonce returns 18 random decimal digits. It panics only where
// crypto/rand does: never on the systems that Belfry runs on.
func randomNonce() string {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(nonceDigits), nil)
	n, err := rand.Int(rand.Reader, limit)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%0*d", nonceDigits, n)
}
