package server

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"gatehouse/storage/state"
)

// One line when the store goes and one when it is back, however many calls fail,
// and also where some succeed meanwhile.
func TestTheStoreGoesAndComesBackOnce(t *testing.T) {
	var log bytes.Buffer
	c := newContact()
	c.speak(slog.New(slog.NewTextHandler(&log, nil)))
	now := time.Unix(0, 0)
	c.now = func() time.Time { return now }
	away := fmt.Errorf("put: %w", state.ErrAway)
	for _, step := range []struct {
		after time.Duration
		err   error
		total time.Duration
		lines int
	}{
		{0, nil, 0, 0},
		{time.Second, context.Canceled, 0, 0},
		{time.Second, away, 0, 1},
		{time.Second, away, time.Second, 1},
		{time.Second, nil, 2 * time.Second, 1},
		{time.Second, away, 3 * time.Second, 1},
		{2 * time.Second, state.ErrNotFound, 5 * time.Second, 2},
		{time.Second, nil, 5 * time.Second, 2},
		{time.Second, away, 5 * time.Second, 3},
		{3 * time.Second, context.Canceled, 8 * time.Second, 3},
		{0, fmt.Errorf("put: %w", state.ErrFull), 8 * time.Second, 4}, // it answers
		{0, &state.ConflictError{}, 8 * time.Second, 4},
	} {
		now = now.Add(step.after)
		c.heard(step.err)
		if got := c.away(); got != step.total || strings.Count(log.String(), "\n") != step.lines {
			t.Errorf("at %v (%v): away for %v, want %v, with %d lines:\n%s", now.Unix(), step.err, got, step.total, step.lines, log.String())
		}
	}
}
