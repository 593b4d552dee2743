package webhooks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"gatehouse/storage/events"
)

// A message is what goes out, as Standard Webhooks has it.
type message struct {
	Type      events.Kind `json:"type"`
	Timestamp time.Time   `json:"timestamp"`
	Data      any         `json:"data"`
}

// testMessage is the type of a message that only tries whether it arrives.
const testMessage = "webhook.test"

func encode(e events.Event) ([]byte, error) {
	body, err := json.Marshal(message{Type: e.Kind, Timestamp: e.Time, Data: e})
	if err != nil {
		return nil, fmt.Errorf("encode an event: %w", err)
	}
	return body, nil
}

// messageID is the same for every try of an event at a webhook, and of no other
// message: not of another webhook's, nor of one that stands at the same position
// after an older state was restored.
func messageID(webhook string, e events.Event) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", webhook, e.Position, e.Time.UnixNano()))
	return "evt_" + hex.EncodeToString(sum[:16])
}

// A Sender posts messages.
type Sender interface {
	// Check refuses an address that no message could ever go to.
	Check(url string) error
	// Send returns nil where the other side took the message, a *RefusedError
	// where it answered otherwise, any other error where it is not to be reached.
	Send(ctx context.Context, url string, m Signed) error
}
