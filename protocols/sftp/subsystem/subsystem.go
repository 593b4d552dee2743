// Package subsystem serves the SFTP protocol over one channel, from the guarded
// file system of a session. It decides nothing: it reads requests, keeps them
// in the order that the protocol asks for, and puts answers and errors into
// words of the protocol.
package subsystem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"gatehouse/auth/session"
	"gatehouse/protocols/sftp/buffers"
	"gatehouse/protocols/sftp/wire"
)

// A Config is what one channel is served with. All fields must be set.
type Config struct {
	FS      *session.FS
	Account string // its home folder is "/"
	Log     *slog.Logger
	Buffers *buffers.Pool
	// Handles bounds the open files and folders; channels may share it.
	Handles *Handles
	// Stalled is how long the peer may take for 32 KiB before Cut is called.
	Stalled time.Duration
	// Cut ends the connection at once, and with it the channel.
	Cut func(cause error)
	// Gone is closed when the channel is, while requests may still be under way.
	Gone <-chan struct{}
	// Active is called for each request, Closed when the answer to the closing
	// of a handle was sent.
	Active, Closed func()
}

// Errors that end a channel.
var (
	ErrProtocol = errors.New("the client broke the protocol")
	ErrStalled  = errors.New("the client has stopped taking part")
)

var errPanicked = errors.New("a panic while serving a request")

// errVanished is why a transfer broke that its client never closed.
var errVanished = errors.New("the client went away before it closed the file")

// inFlight bounds the payloads that requests of one channel hold at a time, in
// bytes. A request counts as no less than least.
const (
	inFlight = 1 << 20
	least    = 16 << 10
)

// A server is one channel being served. Its fields belong to the goroutine that
// reads the requests, but for those that say that they are shared.
type server struct {
	Config
	in      *packets
	out     *replies                // shared
	memory  *semaphore.Weighted     // shared
	crew    *crew                   // beside the reading of requests
	closing sync.WaitGroup          // files that are being closed
	end     context.CancelCauseFunc // shared
	post    *post                   // shared
	ended   chan error              // why the last goroutine to read requests ended

	files   map[string]*file
	folders map[string]*folder
	lanes   lanes
	last    uint64 // the last handle given out
	pace    pace
}

// Serve answers the requests of a channel until its peer ends it, which is no
// error. Whatever is open then is closed, and what was being written is told
// that its transfer broke. Serve returns when everything is done.
func Serve(ctx context.Context, channel io.ReadWriter, c Config) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	out := newReplies(channel, c.Stalled, c.Cut)
	s := &server{
		Config:  c,
		in:      newPackets(channel, c.Buffers, c.Stalled, c.Cut, out.flush),
		out:     out,
		memory:  semaphore.NewWeighted(inFlight),
		end:     end,
		files:   map[string]*file{},
		folders: map[string]*folder{},
		lanes:   lanes{},
		crew:    newCrew(),
		ended:   make(chan error, 1),
	}
	s.post = newPost(func() { s.crew.all.Go(func() { s.readOn(ctx) }) }, out.flushSoon)
	defer s.close()
	defer s.in.stop()
	defer s.out.stop()
	defer s.crew.disband()
	defer s.post.stop()
	err := s.greet(ctx)
	if err == nil {
		err = s.run(ctx)
	}
	if err == errRelieved {
		err = <-s.ended
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// readOn reads requests in the place of a goroutine that is busy with one.
func (s *server) readOn(ctx context.Context) {
	err := errPanicked
	defer func() {
		if err != errRelieved {
			s.ended <- err
		}
	}()
	defer s.contain()
	s.pace.lost()
	err = s.run(ctx)
}

// run answers requests until there are no more, or another goroutine does.
func (s *server) run(ctx context.Context) error {
	for {
		p, err := s.in.next(ctx, s.memory)
		if err != nil {
			return err
		}
		s.Active()
		s.post.begin()
		if err := s.handle(ctx, p); err != nil {
			return err
		}
		s.post.end()
	}
}

// greet answers the packet that must come first, and tells the extensions.
func (s *server) greet(ctx context.Context) error {
	p, err := s.in.next(ctx, s.memory)
	if err != nil {
		return err
	}
	defer p.free()
	r, _, err := wire.Parse(p.bytes)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if r.Type != wire.Init {
		return fmt.Errorf("%w: it began with packet %d", ErrProtocol, r.Type)
	}
	return s.out.send(wire.AppendVersion(nil, extensions()))
}

// handle answers a request, or hands it to a worker that does. Only an error
// that ends the channel is returned.
func (s *server) handle(ctx context.Context, p packet) error {
	r, identified, err := wire.Parse(p.bytes)
	if err != nil {
		p.free()
		if !identified {
			return fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		return s.out.send(wire.AppendStatus(nil, r.ID, wire.BadMessage, "malformed request"))
	}
	switch r.Type {
	case wire.Init:
		p.free()
		return fmt.Errorf("%w: it began twice", ErrProtocol)
	case wire.Read:
		return s.read(ctx, r, p)
	case wire.Write:
		return s.write(ctx, r, p)
	case wire.Close:
		defer p.free()
		return s.closeHandle(r)
	}
	defer p.free()
	if r.Type == wire.Readdir {
		return s.sendListing(r)
	}
	if r.Type == wire.Extended && r.Extension == wire.Fsync {
		return s.fsync(r)
	}
	if r.Type == wire.Extended && r.Extension == wire.CopyData {
		return s.copyData(ctx, r)
	}
	return s.out.sendLater(s.answer(ctx, r))
}

// answer does what is asked in the turn of its request, after all that was
// asked before it and could matter to it.
func (s *server) answer(ctx context.Context, r wire.Request) []byte {
	reply, err := s.do(ctx, r)
	if err != nil {
		return s.refusal(r, err)
	}
	if reply == nil {
		return wire.AppendStatus(nil, r.ID, wire.OK, "")
	}
	return reply
}

func (s *server) do(ctx context.Context, r wire.Request) ([]byte, error) {
	switch r.Type {
	case wire.Open:
		return s.open(ctx, r)
	case wire.Opendir:
		return s.opendir(ctx, r)
	case wire.Fstat:
		return s.fstat(r)
	case wire.Fsetstat:
		return nil, s.fsetstat(r)
	case wire.Extended:
		return s.extended(ctx, r)
	}
	return s.named(ctx, r)
}

// refusal puts an error into a status packet. What has no words for the client
// is for the log.
func (s *server) refusal(r wire.Request, err error) []byte {
	code, text := Status(err)
	if text == UnknownFailure {
		s.Log.Warn("sftp request failed", "type", int(r.Type), "extension", r.Extension, "error", err)
	}
	return wire.AppendStatus(nil, r.ID, code, text)
}

// beside runs f beside the reading of requests.
func (s *server) beside(f func()) {
	s.crew.do(func() {
		defer s.contain()
		f()
	})
}

// work runs f, which may go on beside the reading of requests. Where it returns an
// error, the caller no longer reads them.
func (s *server) work(f func()) error {
	if s.pace.here() {
		return s.workHere(f)
	}
	s.workBeside(f)
	return nil
}

// workOn is work for a transfer, which leaves no garbage where it is done at once.
func (s *server) workOn(t transfer, do func(*server, transfer)) error {
	if s.pace.here() {
		return s.workHere(func() { do(s, t) })
	}
	later := t
	s.workBeside(func() { do(s, later) })
	return nil
}

func (s *server) workBeside(f func()) {
	s.pace.beside--
	s.beside(f)
}

func (s *server) workHere(f func()) error {
	begun := time.Now()
	if !s.post.do(func() { defer s.contain(); f() }) {
		s.out.flush()
		return errRelieved
	}
	s.pace.note(time.Since(begun))
	return nil
}

// contain lets a panic of its goroutine end the connection, and nothing else.
func (s *server) contain() {
	if cause := recover(); cause != nil {
		s.Log.Error("panic while serving a request", "panic", cause, "stack", string(debug.Stack()))
		s.fail(fmt.Errorf("panic: %v", cause))
	}
}

// fail ends the connection because of what happened in a worker.
func (s *server) fail(cause error) {
	s.end(cause)
	s.Cut(cause)
}

// close ends what is still open after the last request.
func (s *server) close() {
	for id, f := range s.files {
		delete(s.files, id)
		f.open.Abort(errVanished)
		if err := f.close(); err != nil {
			s.Log.Debug("close a file that its client left open", "error", err)
		}
		s.Handles.Release()
	}
	for id, d := range s.folders {
		delete(s.folders, id)
		if err := d.close(); err != nil {
			s.Log.Debug("close a folder that its client left open", "error", err)
		}
		s.Handles.Release()
	}
}
