package state

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// An OperationID makes a mutation idempotent under a retry: 16 random bytes as
// text, made by NewOperationID. Empty asks for no such protection.
type OperationID string

// OperationLife is how long an operation id is remembered; that of a call that
// ended in an error, or only looked, is not.
const OperationLife = 10 * time.Minute

// NewOperationID returns an id that was never used.
func NewOperationID() OperationID {
	var b [16]byte
	rand.Read(b[:]) // never fails: it ends the program where the system has no randomness
	return OperationID(hex.EncodeToString(b[:]))
}
