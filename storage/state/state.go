// Package state is the contract for what must be remembered. An embedded file,
// Redis and memory keep it; statetest is the suite that each of them passes.
// What is stored, and its meaning, is the caller's.
package state

import (
	"context"
	"iter"
	"time"
)

// A Store remembers records, counters and streams, in scopes. A mutation that
// returned nil is durable. All methods are safe for concurrent use.
//
// A scope is the unit of a transaction and of order: its revision grows by one
// with each batch that puts or deletes. Names sort as bytes. A limit of 0 is
// DefaultLimit. Values given are not kept, values returned are the caller's.
// An expired record is as good as absent; that it expires is no change of its
// scope: it has no revision and is not watched.
type Store interface {
	// Get returns a record, or ErrNotFound; an expired record is not found.
	Get(ctx context.Context, scope, name string) (Record, error)
	// List returns up to limit records whose names begin with prefix and stand
	// after the name after ("" is the start), in order of name.
	List(ctx context.Context, scope, prefix, after string, limit int) (Page, error)
	// Scopes returns up to limit names of scopes that hold anything, in order.
	Scopes(ctx context.Context, after string, limit int) ([]string, error)
	// Apply makes all of a batch or nothing. It returns a *ConflictError where a
	// check fails, ErrUnknown where it cannot be told whether the batch was made.
	// A batch with an ID seen within the last ten minutes is not made again:
	// the first Result is returned.
	Apply(ctx context.Context, b Batch) (Result, error)
	// Count does one counter operation, atomically and by the store's clock.
	// Operation ids as with Apply.
	Count(ctx context.Context, scope string, op CounterOp) (CounterValue, error)
	// Append adds entries to a stream and returns the position of the last one.
	// Positions grow by one. Operation ids as with Apply. Under InRun it returns an
	// *OvertakenError where the stream has seen a later run of that name, and may be
	// without entries: then it tells of the run, and returns where the stream ends.
	Append(ctx context.Context, stream string, op OperationID, entries ...[]byte) (uint64, error)
	// Read returns up to limit entries after a position, oldest first.
	Read(ctx context.Context, stream string, after uint64, limit int) ([]Entry, error)
	// ReadBack returns up to limit entries before a position, newest first;
	// before 0 is from the end.
	ReadBack(ctx context.Context, stream string, before uint64, limit int) ([]Entry, error)
	// Trim drops a stream's entries up to and with a position.
	Trim(ctx context.Context, stream string, upTo uint64) error
	// Watch yields the changes of a scope's records after a revision, in order,
	// until ctx ends or the store is closed; the channel is then closed. Where
	// after is no longer in the change log, or the reader is too slow, it yields
	// one Change with Resync set, whose Revision is where it goes on: the reader
	// reads all anew. The changes of one batch share its revision.
	Watch(ctx context.Context, scope string, after uint64) (<-chan Change, error)
	// Revision returns the present revision of a scope, 0 for one never written.
	Revision(ctx context.Context, scope string) (uint64, error)
	// Dump yields everything as of one moment, for backup and migration, but for
	// operation ids and the change log. What is called from within the loop must
	// not write to the same store.
	Dump(ctx context.Context) iter.Seq2[Item, error]
	// Load fills an empty store from a dump; ErrNotEmpty otherwise. Where the
	// dump ends in an error the store is left empty.
	Load(ctx context.Context, items iter.Seq2[Item, error]) error
	// Close waits for what was begun and lets the store go.
	Close() error
}

// A Record is a value under a name. Revision is that of the scope when the
// record was last written: it never repeats, not even when a name is re-made.
type Record struct {
	Name     string
	Value    []byte
	Revision uint64
	Expires  time.Time // zero: never
}

// DefaultLimit is how many a listing or reading returns where limit is 0.
const DefaultLimit = 1000

// Limit is how many a listing returns for a limit that was asked for.
func Limit(asked int) int {
	if asked <= 0 {
		return DefaultLimit
	}
	return asked
}

// A Page is a piece of a listing; More says that there is a further one, after
// the last record's name.
type Page struct {
	Records []Record
	More    bool
}

// A Batch is checked, then written, in one scope. A name is put or deleted once.
type Batch struct {
	Scope   string
	ID      OperationID
	Checks  []Check
	Puts    []Put
	Deletes []string
}

// A Check demands that a record has this revision; 0: that there is none.
type Check struct {
	Name     string
	Revision uint64
}

// A Put writes a record. TTL is its life, by the store's clock; 0: no end.
type Put struct {
	Name  string
	Value []byte
	TTL   time.Duration
}

// A Result tells the revision that all records of the batch now have; for a
// batch of checks alone, that of the scope.
type Result struct{ Revision uint64 }

// An Entry is one of a stream.
type Entry struct {
	Position uint64
	Time     time.Time // the store's, when it was appended
	Value    []byte
}

// A Change says that a record was written or, with Deleted, removed.
type Change struct {
	Revision uint64
	Name     string
	Deleted  bool
	Resync   bool
}
