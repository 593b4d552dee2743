package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/storage/state"
)

// A history is what was done to a stream, on a disk that fails and loses power,
// and what must be there.
type history struct {
	t       *testing.T
	dir     string
	disk    *disk
	journal *Journal

	kept    []string // acknowledged, from position 1 on
	trimmed int
	ids     map[state.OperationID]uint64 // acknowledged
	failing int                          // how many calls still fail
	kinds   []string                     // and which

	// of the last one, where its outcome is not known
	maybe     []string
	maybeID   state.OperationID
	maybeTrim int
	number    int
}

// TestPower appends and trims while the disk fails now and then and loses its
// power: what was acknowledged is there, what was refused is not, and what is
// unknown is there whole or not at all, once.
func TestPower(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		h := &history{t: t, dir: t.TempDir(), disk: newDisk(), ids: make(map[state.OperationID]uint64)}
		h.disk.fail = h.fail
		h.start(r)
		r.Repeat(map[string]func(*rapid.T){
			"append": h.append, "append again": h.append, "retry": h.retry, "trim": h.trim, "fail": h.failSoon,
			"recover": func(*rapid.T) { h.failing = 0 }, "read": h.read, "restart": h.restart, "power": h.power, "power amid a write": h.powerAmid,
		})
		h.failing = 0
		if err := h.journal.Close(); err != nil {
			r.Errorf("close: %v", err)
		}
	})
}

func (h *history) fail(what string) error {
	if h.failing == 0 || !slices.Contains(h.kinds, what) {
		return nil
	}
	h.failing--
	return errDisk
}

func (h *history) start(r *rapid.T) {
	j, err := open(h.dir, Options{}, h.disk, 3000)
	if err != nil {
		r.Fatalf("open: %v", err)
	}
	h.journal = j
	h.settle(r)
}

// settle finds what came of what was not known.
func (h *history) settle(r *rapid.T) {
	s := h.journal.streams["log"]
	if s == nil {
		if len(h.kept) > 0 {
			r.Fatal("the stream is gone")
		}
		return
	}
	if h.maybe != nil && int(s.last) == len(h.kept)+len(h.maybe) {
		h.kept = append(h.kept, h.maybe...)
		if h.maybeID != "" {
			h.ids[h.maybeID] = s.last
		}
	}
	if h.maybeTrim > 0 && int(s.trimmed) == h.maybeTrim {
		h.trimmed = h.maybeTrim
	}
	h.maybe, h.maybeID, h.maybeTrim = nil, "", 0
	h.read(r)
}

func (h *history) append(r *rapid.T) {
	var texts []string
	var entries [][]byte
	for range rapid.IntRange(1, 4).Draw(r, "entries") {
		h.number++
		text := fmt.Sprintf("%d%*s", h.number, rapid.SampledFrom([]int{0, 10, 300, 900}).Draw(r, "size"), "")
		texts, entries = append(texts, text), append(entries, []byte(text))
	}
	var id state.OperationID
	if rapid.Bool().Draw(r, "id") {
		id = state.NewOperationID()
	}
	h.try(r, id, texts, entries)
}

func (h *history) try(r *rapid.T, id state.OperationID, texts []string, entries [][]byte) {
	p, err := h.journal.Append(h.t.Context(), "log", id, entries...)
	switch {
	case err == nil:
		h.maybe, h.maybeTrim = nil, 0
		h.kept = append(h.kept, texts...)
		if int(p) != len(h.kept) {
			r.Fatalf("it came to %d, want %d", p, len(h.kept))
		}
		if id != "" {
			h.ids[id] = p
		}
	case errors.Is(err, state.ErrUnknown):
		if h.maybe != nil && h.maybeID != id {
			r.Fatalf("a second outcome is not known: %v", err)
		}
		h.maybe, h.maybeID = texts, id
	case !errors.Is(err, errDisk):
		r.Fatalf("append: %v", err)
	case h.maybe != nil && id != "" && id == h.maybeID:
		r.Fatalf("what was not known is refused: %v", err)
	}
}

// retry tries what was acknowledged, or is not known.
func (h *history) retry(r *rapid.T) {
	if h.maybe != nil && h.maybeID != "" {
		var entries [][]byte
		for _, text := range h.maybe {
			entries = append(entries, []byte(text))
		}
		h.try(r, h.maybeID, h.maybe, entries)
		return
	}
	for id, want := range h.ids {
		if int(want) <= h.trimmed {
			continue // with what was trimmed its ids may be gone
		}
		if p, err := h.journal.Append(h.t.Context(), "log", id, []byte("again")); err != nil || p != want {
			r.Fatalf("again it came to %d, %v, want %d", p, err, want)
		}
		return
	}
}

func (h *history) trim(r *rapid.T) {
	upTo := rapid.IntRange(0, len(h.kept)).Draw(r, "up to")
	err := h.journal.Trim(h.t.Context(), "log", uint64(upTo))
	switch {
	case err == nil:
		h.trimmed = max(h.trimmed, upTo)
	case errors.Is(err, state.ErrUnknown):
		h.maybeTrim = upTo
	case !errors.Is(err, errDisk):
		r.Fatalf("trim: %v", err)
	}
}

// failSoon has some calls fail: one, so that it can be put right at once, or
// many.
func (h *history) failSoon(r *rapid.T) {
	h.failing = rapid.SampledFrom([]int{1, 1, 2, 50}).Draw(r, "how many")
	h.kinds = rapid.SampledFrom([][]string{
		{"write"}, {"sync"}, {"write", "sync"}, {"open"}, {"sync", "open"}, {"write", "truncate"}, {"write", "sync", "truncate", "open"},
		{"folder"}, {"sync", "truncate", "folder"},
	}).Draw(r, "what")
}

func (h *history) read(r *rapid.T) {
	h.t.Helper()
	got := texts(h.t, h.journal)
	if want := h.kept[h.trimmed:]; !slices.Equal(got, want) {
		r.Fatalf("%d entries, want %d:\n%.200q\n%.200q", len(got), len(want), got, want)
	}
}

// restart kills the program: all that it wrote is there.
func (h *history) restart(r *rapid.T) {
	h.failing = 0
	h.abandon(r)
	h.start(r)
}

func (h *history) power(r *rapid.T) {
	h.failing = 0
	h.abandon(r)
	if err := h.disk.cut(rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "sectors"), 0))); err != nil {
		r.Fatal(err)
	}
	h.start(r)
}

// powerAmid takes the power away before a write is durable, or the program, and
// then the power.
func (h *history) powerAmid(r *rapid.T) {
	if h.maybe == nil {
		h.failing, h.kinds = 50, []string{"sync", "truncate", "open"}
		h.append(r)
	}
	if rapid.Bool().Draw(r, "killed first") {
		h.restart(r)
	}
	h.power(r)
}

func (h *history) abandon(r *rapid.T) {
	for _, s := range h.journal.streams {
		if s.writer.file != nil {
			if err := s.writer.file.Close(); err != nil {
				r.Fatal(err)
			}
		}
	}
}
