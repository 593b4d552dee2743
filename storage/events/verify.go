package events

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"gatehouse/storage/state"
)

const (
	// mostFaults is how many faults a report names.
	mostFaults = 20
	// verifyTries is how often a verification begins anew where retention has
	// cut the trail under it.
	verifyTries = 3
)

// ErrVerifying says that the trail is being verified or cut already.
var ErrVerifying = errors.New("the events are being verified already: try again later")

// What is wrong with a place of the trail.
const (
	FaultChanged    = "changed"    // the entry was changed, or put in
	FaultMissing    = "missing"    // entries are gone
	FaultOrder      = "order"      // the entry stands elsewhere than it was written, or twice
	FaultForeign    = "foreign"    // the entry is of no chain, or made under a key that is not here
	FaultCheckpoint = "checkpoint" // a checkpoint is damaged, or the trail is another than it attests
)

// A Fault is one thing that is wrong with the trail, and where.
type Fault struct {
	Position uint64 `json:"position"`
	Node     string `json:"node,omitempty"`
	Sequence uint64 `json:"sequence,omitempty"`
	What     string `json:"what" enum:"changed,missing,order,foreign,checkpoint"`
	Detail   string `json:"detail"`
}

// A Report is what a verification found. The trail is whole where it has no faults.
type Report struct {
	Whole   bool   `json:"whole"`
	Entries int64  `json:"entries"`
	First   uint64 `json:"first_position"`
	Last    uint64 `json:"last_position"`
	// Cut is where retention last cut the trail: entries up to there are gone.
	Cut    uint64       `json:"cut_position"`
	Nodes  []NodeReport `json:"nodes"`
	Faults []Fault      `json:"faults"`
	More   bool         `json:"more_faults"`
	// Held is how many checkpoints the trail was held against, Older how many
	// attest only what retention has dropped since.
	Held  int `json:"checkpoints_held"`
	Older int `json:"checkpoints_older"`
	// PublicKey verifies the signatures of checkpoints (Ed25519, base64).
	PublicKey string `json:"public_key"`
}

// A NodeReport is the chain of one node.
type NodeReport struct {
	Node    string    `json:"node"`
	Entries int64     `json:"entries"`
	Last    uint64    `json:"last_sequence"`
	Newest  time.Time `json:"newest"`
}

// Verify reads the whole trail and reports where it is not as it was written.
// It is held against the checkpoints given as texts and against those kept
// beside it. One runs at a time: ErrVerifying.
func (l *Log) Verify(ctx context.Context, against []string) (Report, error) {
	if !l.judge.TryLock() {
		return Report{}, ErrVerifying
	}
	defer l.judge.Unlock()
	var report Report
	for range verifyTries {
		before, err := l.store.Revision(ctx, Scope)
		if err != nil {
			return report, fmt.Errorf("verify the events: %w", err)
		}
		c, err := l.check(ctx, against)
		if err != nil {
			return report, fmt.Errorf("verify the events: %w", err)
		}
		report = c.report
		after, err := l.store.Revision(ctx, Scope)
		if err != nil || report.Whole || before == after {
			return report, err
		}
	}
	return report, nil
}

func (l *Log) check(ctx context.Context, against []string) (*checker, error) {
	c := newChecker(&l.keys)
	c.report.PublicKey = base64.StdEncoding.EncodeToString(l.PublicKey())
	kept, err := l.keptCheckpoints(ctx)
	if err != nil {
		return nil, err
	}
	c.hold(kept, "kept beside the trail")
	c.hold(against, "given")
	start, err := l.anchor(ctx)
	if errors.Is(err, ErrCheckpoint) {
		c.fault(Fault{What: FaultCheckpoint, Detail: "the record of where retention cut the trail is damaged or forged"})
		err = nil
	}
	if err != nil {
		return nil, err
	}
	last, err := l.before(ctx, 0, 1)
	if err != nil {
		return nil, err
	}
	c.begin(start)
	if len(last) > 0 {
		if err := l.pieces(ctx, start.Position, last[0].Position, c); err != nil {
			return nil, err
		}
	}
	c.end()
	return c, nil
}

// A visitor is shown the entries of the trail, and what is damaged, in order.
type visitor interface {
	visit(state.Entry)
	damaged(*state.DamageError)
}

// pieces shows what stands after a position up to and with another.
func (l *Log) pieces(ctx context.Context, after, upTo uint64, v visitor) error {
	for after < upTo {
		entries, err := l.store.Read(ctx, Stream, after, pieceSize)
		if damage := damageIn(err); damage != nil {
			v.damaged(damage)
			after = damage.Last
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Position > upTo {
				return nil
			}
			v.visit(e)
			after = e.Position
		}
		if len(entries) == 0 {
			return nil
		}
	}
	return nil
}
