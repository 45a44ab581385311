package stream

import (
	"errors"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
)

// ErrPermanent is what errors.Is finds in an error that no retry can mend: a
// configuration that can never work. Everything else is retried.
var ErrPermanent = bridge.ErrPermanent

// Error codes of the JetStream API that this package decides by.
// Source: errors.json of nats-server 2.15.
const (
	codeNoMessage           = jetstream.ErrorCode(10037) // no message found
	codeInvalidConfig       = jetstream.ErrorCode(10052) // the stream configuration contradicts itself
	codeMessageTooLarge     = jetstream.ErrorCode(10054) // beyond the stream's max_msg_size
	codeHeadersTooLarge     = jetstream.ErrorCode(10097) // beyond 64 KiB
	codeStreamNotFound      = jetstream.ErrorCode(10059)
	codeSubjectOverlap      = jetstream.ErrorCode(10065) // another stream has our subjects
	codeWrongSequence       = jetstream.ErrorCode(10071) // expected last sequence differs, and which
	codeStorageExceeded     = jetstream.ErrorCode(10047) // less storage is left than the stream would reserve
	codeStreamBytesExceeded = jetstream.ErrorCode(10122) // the account allows no stream of that size
	codeReplicasUnsupported = jetstream.ErrorCode(10074) // replicas > 1 without a cluster
	codeWrongSequenceBare   = jetstream.ErrorCode(10164) // expected last sequence differs
)

// apiCode returns the code with which JetStream refused a request; 0: it did not.
func apiCode(err error) jetstream.ErrorCode {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.ErrorCode
	}
	return 0
}

func isMissing(err error) bool {
	return apiCode(err) == codeStreamNotFound || errors.Is(err, jetstream.ErrStreamNotFound)
}

func isConflict(err error) bool {
	code := apiCode(err)
	return code == codeWrongSequence || code == codeWrongSequenceBare
}
