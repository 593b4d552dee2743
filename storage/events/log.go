package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gatehouse/storage/seal"
	"gatehouse/storage/state"
)

// Stream is the name of the events in the state.
const Stream = "events"

const (
	// noteDelay is how long a noted event waits for others.
	noteDelay = 200 * time.Millisecond
	// noteDurable is when a noted event is durable, at the latest.
	noteDurable = time.Second
	// mostPending is when Note begins to wait; it gives up after notePatience.
	mostPending  = 10_000
	notePatience = 2 * time.Second
	// mostAtOnce is the most that is appended at once.
	mostAtOnce = 500
)

// How far a chain comes before it is signed: so many events, or so long after one.
const (
	signEvents = 10_000
	signEvery  = 10 * time.Minute
)

// ErrClosed says that the log takes no more events.
var ErrClosed = errors.New("the event log is closed")

// Config is what a log is made of.
type Config struct {
	State state.Store
	// Node is this gateway's name among those that share the state.
	Node string
	// Run numbers this run among those of the node, of which each has a greater number
	// than the one before. What an earlier one has sent, and arrives when this has read
	// where the chain goes on, is then refused by the state. 0: none can arrive.
	Run uint64
	// Sealer gives the keys of the chain and of the checkpoints.
	Sealer *seal.Sealer
	// Fence is asked before anything is appended: an error says that another may be
	// writing under this node's name by now. nil: nobody can.
	Fence func(context.Context) error
	// Log hears of what is wrong with the trail; nil is nobody.
	Log *slog.Logger
	// Signed is told of each checkpoint of this node; it does not block.
	Signed func(Checkpoint)
	// SignEvents and SignEvery are how far the chain comes before it is signed:
	// by default 10,000 events, and 10 minutes after one.
	SignEvents int
	SignEvery  time.Duration
	// Spool is a folder that keeps events while the state does not take them, for this
	// node alone, and made where it is needed; empty for none. SpoolSize is how many
	// bytes it keeps, 64 MiB by default.
	Spool     string
	SpoolSize int64

	files func(dir string) (spoolFiles, error) // set by tests
}

// A Log appends events to a stream of the state and reads them back. What one
// goroutine gives to Record and Note is kept in that order.
type Log struct {
	store  state.Store
	node   string
	run    state.Run // the zero one where nothing arrives late
	keys   keys
	log    *slog.Logger
	spools bool          // there is a spool
	judge  sync.Mutex    // held by the one verification or retention that runs
	some   chan struct{} // there is something to be written
	now    chan struct{} // and it should not wait
	done   chan struct{} // closed when the writer has ended

	mu      sync.Mutex // guards what follows
	pending []*entry
	taken   int           // entries that are being appended
	room    chan struct{} // closed when entries have left
	grown   chan struct{} // closed when the stream has become longer
	tail    *tail         // for those who follow; nil where nobody does
	closing bool
	stop    context.Context // ends when the writer should give up
	lost    int64
	err     error
	since   time.Time // when err began
	keeps   keeps
}

// An entry is an event on its way; done is nil for one that was noted.
type entry struct {
	event  Event
	value  []byte
	done   chan error
	losses int64 // how many lost events it tells of
	own    bool  // it tells of the log itself: no loss to anybody
}

func newEntry(e Event) (*entry, error) {
	value, err := encode(e)
	return &entry{event: e, value: value}, err
}

// stands returns the event as it is read at a position. What others may change
// later is read from what was written.
func (e *entry) stands(position uint64) Event {
	if e.event.Before != nil || e.event.After != nil {
		return read(state.Entry{Position: position, Value: e.value})
	}
	event := cut(e.event)
	event.Position = position
	return event
}

// New opens the log of a node, whose chain goes on where it ended. Its one
// goroutine ends with Close.
func New(ctx context.Context, c Config) (*Log, error) {
	if c.Sealer == nil || c.Node == "" || len(c.Node) > maxNode {
		return nil, errors.New("a log of events takes keys, and a node's name of at most 255 bytes")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	l := &Log{
		store: c.State, node: c.Node, keys: newKeys(c.Sealer), log: c.Log,
		some: make(chan struct{}, 1), now: make(chan struct{}, 1), done: make(chan struct{}),
		room: make(chan struct{}), grown: make(chan struct{}),
	}
	if err := l.enter(ctx, c.Run); err != nil {
		return nil, err
	}
	at, err := l.resume(ctx)
	if err != nil {
		return nil, err
	}
	w := newWriter(l, c, at)
	run := w.run
	if l.spools = c.Spool != ""; l.spools {
		r, err := l.relay(ctx, w, c)
		if err != nil {
			return nil, err
		}
		run = r.run
	}
	go func() {
		defer close(l.done)
		run(context.WithoutCancel(ctx))
	}()
	return l, nil
}

// Record makes an event durable before it returns: logins and changes. An error
// says that it may be missing; state.ErrUnknown, that this is not known. While the
// store is away it is durable on this machine, where there is a spool (see Away).
func (l *Log) Record(ctx context.Context, e Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.Put(e).Durable(ctx)
}

// Put gives an event its place before all that come later, and does not wait.
func (l *Log) Put(e Event) Pending { return l.put(e, l.now) }

// PutSoon is Put for who makes nobody wait: the event becomes durable with those
// that come after it, within a second.
func (l *Log) PutSoon(e Event) Pending { return l.put(e, l.some) }

// A Pending is an event that has its place, and may not be durable yet.
type Pending struct {
	done <-chan error
	err  error
}

// Durable waits until the event is durable. Its error is that of Record.
func (p Pending) Durable(ctx context.Context) error {
	if p.err != nil {
		return p.err
	}
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("record an event: %w: %w", state.ErrUnknown, ctx.Err())
	}
}

// put adds an event, and signals how to make it durable.
func (l *Log) put(e Event, how chan struct{}) Pending {
	en, err := newEntry(l.complete(e))
	if err != nil {
		return Pending{err: err}
	}
	done := make(chan error, 1)
	if en.done = done; !l.add(en) {
		return Pending{err: ErrClosed}
	}
	signal(how)
	return Pending{done: done}
}

// Note takes an event that is durable within a second: file operations. It
// does not wait for the store; it blocks only where far too many are pending,
// and gives the event up, counted in Lost, where that lasts.
func (l *Log) Note(e Event) {
	en, err := newEntry(l.complete(e))
	if err != nil || !l.wait() || !l.add(en) {
		l.lose(1)
	}
}

// Err is what the store answered when it last refused events, nil since it
// takes them again.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *Log) failingSince() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since
}

// Lost is how many noted events were given up and are not yet in the log as an
// event of their own.
func (l *Log) Lost() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// Close writes what is pending, for as long as ctx lasts, and ends the log.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return ErrClosed
	}
	l.closing, l.stop = true, ctx
	l.mu.Unlock()
	signal(l.now)
	<-l.done
	if n := l.Lost(); n > 0 {
		return fmt.Errorf("%d events are lost: %w", n, errors.Join(l.Err(), ctx.Err()))
	}
	return nil
}

func (l *Log) complete(e Event) Event {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Time = e.Time.Round(0).UTC()
	if e.Node == "" {
		e.Node = l.node
	}
	return e
}

func (l *Log) add(e *entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return false
	}
	l.pending = append(l.pending, e)
	signal(l.some)
	if len(l.pending) >= mostAtOnce {
		signal(l.now)
	}
	return true
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wait returns when there is room for an event, false when there was none in time.
func (l *Log) wait() bool {
	var late <-chan time.Time
	for {
		l.mu.Lock()
		full, room := len(l.pending)+l.taken >= mostPending && !l.closing, l.room
		l.mu.Unlock()
		if !full {
			return true
		}
		if late == nil {
			late = time.After(notePatience)
		}
		select {
		case <-room:
		case <-late:
			return false
		}
	}
}

func (l *Log) lose(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost += n
}
