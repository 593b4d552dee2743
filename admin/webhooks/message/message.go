// Package message makes what a webhook sends, by the rules of Standard Webhooks:
// a body in JSON, an id that is the same for every try, and a signature.
package message

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A Message is the body of what goes out.
type Message struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      any       `json:"data"`
}

// Encode is a message as it is sent.
func (m Message) Encode() ([]byte, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode a message: %w", err)
	}
	return body, nil
}

// ID is the same for every try of an event at a webhook, and of no other message:
// not of another webhook's, nor of one that stands at the same position after an
// older state was restored.
func ID(webhook string, position uint64, at time.Time) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", webhook, position, at.UnixNano()))
	return "evt_" + hex.EncodeToString(sum[:16])
}

// TestID is that of a message that is of no event, and tried once.
func TestID() string { return "test_" + strings.ToLower(rand.Text()) }
