package nexconn_test

import (
	"testing"

	"github.com/belfry-bridge/belfry/internal/nexconn"
)

func TestSignMeetsTheVectorsOfTheReference(t *testing.T) {
	for _, v := range []struct{ secret, nonce, timestamp, want string }{
		{"sim-app-secret", "14314", "1408710653491", "19a0cc7036dc956b729384fb68f22ad26a6c636a"},
		{"test_secret_0001", "123456789012345678", "1700000000000", "d0e9c945f2858aed2c5afdc8765b88b92c90e4de"},
		{"test_secret_0001", "123456789012345678", "1700000000", "4c84c3374f9ed729edd69ec4fc147137a4980a32"},
		{"s", "0", "0", "797b374c572a7b7819f2cee6b083825d30f55eb0"},
	} {
		if got := nexconn.Sign(v.secret, v.nonce, v.timestamp); got != v.want {
			t.Errorf("Sign(%q, %q, %q) = %s, want %s", v.secret, v.nonce, v.timestamp, got, v.want)
		}
	}
}
