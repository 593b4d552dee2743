package events

import (
	"context"
	"encoding/binary"
	"log/slog"

	"gatehouse/storage/state"
)

const (
	// headings is the stream of a spool's journal that says what went from it last.
	headings = "headings"
	// headingsKept is after how many of them the old ones are let go.
	headingsKept = 256
)

// A heading is kept before entries of several groups go from a spool into the trail
// at once, and says under which id: after a kill they go again as they were, so that
// what was under way, and arrives later, is known.
type heading struct {
	id          state.OperationID
	after, upTo uint64 // positions in the spool
}

const headingSize = 8 + 8

// holds reports that what stands at a position went under this id.
func (h heading) holds(at uint64) bool { return h.after < at && at <= h.upTo }

func (h heading) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, h.after)
	return append(binary.BigEndian.AppendUint64(b, h.upTo), h.id...)
}

// lastHeading is the one that was kept last. Where it cannot be read there is none.
func lastHeading(files spoolFiles) heading {
	found, err := files.ReadBack(headings, 0, 1)
	if err != nil || len(found) == 0 || len(found[0].Value) <= headingSize {
		return heading{}
	}
	b := found[0].Value
	return heading{state.OperationID(b[headingSize:]), binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

// head keeps the heading of a group. On a disk that does not take it the group goes all
// the same: what is kept there must not be held up by it.
func (s *spool) head(ctx context.Context, g *group) {
	ctx, cancel := context.WithTimeout(ctx, spoolAfter)
	defer cancel()
	h := heading{g.id, s.sent, g.upTo}
	at, err := s.files.Append(ctx, headings, state.NewOperationID(), h.encode())
	if err == nil && at%headingsKept == 0 {
		err = s.files.Trim(ctx, headings, at-1)
	}
	if err != nil {
		s.log.Warn("it was not noted what goes into the trail now", slog.Any("error", err))
	}
}
