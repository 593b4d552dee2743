package admintest

import (
	"context"
	"errors"
	"strings"
	"sync"

	"gatehouse/admin/webhooks/message"
)

// A Receiver is where webhooks lead: it takes what Answer lets it.
type Receiver struct {
	mu     sync.Mutex
	answer func(message.Signed) error
	taken  []message.Signed
}

// Answer sets how messages are answered; nil takes them all.
func (r *Receiver) Answer(how func(message.Signed) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = how
}

// Taken returns the messages that were taken, in order.
func (r *Receiver) Taken() []message.Signed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]message.Signed(nil), r.taken...)
}

// Check is webhooks.Sender's: it refuses loopback.
func (r *Receiver) Check(url string) error {
	if strings.Contains(url, "127.0.0.1") {
		return errors.New("this is no address for webhooks")
	}
	return nil
}

// Send is webhooks.Sender's.
func (r *Receiver) Send(_ context.Context, _ string, m message.Signed) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answer != nil {
		if err := r.answer(m); err != nil {
			return err
		}
	}
	r.taken = append(r.taken, m)
	return nil
}
