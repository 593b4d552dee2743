package webdav

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/protocols/webdav/wire"
)

// Times and sizes of an exchange.
const (
	// cutGrace is what a cut leaves for saying so to a client that listens.
	cutGrace = 250 * time.Millisecond
	// piece is how much is handed to the kernel before the deadline is moved: a client
	// must take some of it within the stall time. Each smaller one ends with a client
	// that has taken all, and is woken for the next.
	piece = 1 << 20
	// often is how small a part of the stall time a deadline is left as it is for.
	often = 32
	// A refused upload is read on, within these bounds, since many clients
	// look for the answer only when they have sent everything.
	drainQuietly = 256 << 10
	drainMost    = 64 << 20
	drainTime    = 10 * time.Second
)

// errCut is what reading and writing end with once the exchange is cut.
var errCut = errors.New("the session or handle was cut")

// An exchange is one request and its answer on the connection. It moves the
// deadlines as bytes move, and breaks both ways when it is cut.
type exchange struct {
	out     http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
	body    *upload
	status  int        // 0 until the header is written
	below   *wire.Conn // nil where the request has no connection of its own
	secure  bool
	http1   bool // a deadline ends what waits; HTTP/2's ends the stream, also where nothing does

	mu     sync.Mutex // guards what follows, and the deadlines
	cut    bool
	over   bool
	reads  time.Time // when the deadlines were moved
	writes time.Time
}

func newExchange(w http.ResponseWriter, r *http.Request, stall time.Duration) (*exchange, error) {
	x := &exchange{out: w, control: http.NewResponseController(w), stall: stall, secure: r.TLS != nil, http1: r.ProtoMajor < 2}
	x.body = &upload{x: x, in: r.Body, length: r.ContentLength}
	if r.Body == nil || r.Body == http.NoBody {
		x.body.in, x.body.end = http.NoBody, io.EOF
		x.body.whole.Store(true)
	}
	x.body.expects = strings.EqualFold(r.Header.Get("Expect"), "100-continue")
	if !x.http1 {
		return x, errors.Join(x.control.SetWriteDeadline(time.Time{}), x.control.SetReadDeadline(time.Time{}))
	}
	x.below = wire.From(r.Context())
	now := time.Now()
	x.writes = now
	if err := x.control.SetWriteDeadline(now.Add(stall)); err != nil {
		return nil, err
	}
	if x.body.end != nil {
		return x, nil
	}
	x.reads = now
	return x, x.control.SetReadDeadline(now.Add(stall))
}

// Header is http.ResponseWriter's.
func (x *exchange) Header() http.Header { return x.out.Header() }

// WriteHeader is http.ResponseWriter's; it gives way for the answer's deadline.
func (x *exchange) WriteHeader(status int) {
	x.begin(status)
	x.out.WriteHeader(status)
}

// begin gives the client another stall time for what nobody has read of the body:
// the server reads that before the answer, or ends the connection.
func (x *exchange) begin(status int) {
	if x.status != 0 {
		return
	}
	x.status = status
	if x.http1 && x.body.end == nil {
		_ = x.reading() // where it is cut the server need not read
	}
}

// Write is http.ResponseWriter's.
func (x *exchange) Write(b []byte) (int, error) {
	x.begin(http.StatusOK)
	if err := x.writing(); err != nil {
		return 0, err
	}
	defer x.rest(x.control.SetWriteDeadline, &x.writes)
	return x.out.Write(b)
}

// ReadFrom hands pieces of files to the kernel where the connection allows it.
func (x *exchange) ReadFrom(src io.Reader) (int64, error) {
	limited, ok := src.(*io.LimitedReader)
	if ok {
		if c, ok := limited.R.(*content); ok {
			n, err := c.copyTo(x, limited.N)
			limited.N -= n
			return n, err
		}
	}
	to, kernel := x.out.(io.ReaderFrom)
	if limited == nil || !kernel {
		return io.Copy(plainWriter{x}, src)
	}
	return x.pieces(to, limited)
}

func (x *exchange) pieces(to io.ReaderFrom, from *io.LimitedReader) (int64, error) {
	x.begin(http.StatusOK)
	var total int64
	for from.N > 0 {
		if err := x.writing(); err != nil {
			return total, err
		}
		want := min(from.N, piece)
		n, err := to.ReadFrom(&io.LimitedReader{R: from.R, N: want})
		from.N -= n
		total += n
		switch {
		case n > 0 && errors.Is(err, os.ErrDeadlineExceeded): // not stalled: slow
		case err != nil || n < want:
			return total, err
		}
	}
	return total, nil
}

// hold has what is answered leave in as few pieces as possible. Where files go
// through the kernel the header is written at once, or net/http would look into
// the content first.
func (x *exchange) hold() error {
	if x.below == nil {
		return nil
	}
	x.below.Hold()
	if x.secure {
		return nil
	}
	return x.control.Flush()
}

// release ends hold, and returns why what was held back could not be written.
func (x *exchange) release() error {
	if x.below == nil {
		return nil
	}
	_ = x.writing() // the content may have been long in coming; a cut leaves its grace
	var err error
	if x.secure {
		err = x.control.Flush()
	}
	return errors.Join(err, x.below.Release())
}

// plainWriter hides ReadFrom.
type plainWriter struct{ w io.Writer }

func (p plainWriter) Write(b []byte) (int, error) { return p.w.Write(b) }

// started reports whether an answer has begun.
func (x *exchange) started() bool { return x.status != 0 }

// writing gives the client another stall time to take what comes.
func (x *exchange) writing() error { return x.goOn(x.control.SetWriteDeadline, &x.writes) }

// reading gives the client another stall time to send.
func (x *exchange) reading() error { return x.goOn(x.control.SetReadDeadline, &x.reads) }

// goOn moves a deadline that was not moved just now: each move costs a timer.
func (x *exchange) goOn(set func(time.Time) error, last *time.Time) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := time.Now()
	if err := x.ended(); err != nil || now.Sub(*last) < x.stall/often {
		return err
	}
	*last = now
	return set(now.Add(x.stall))
}

// rest takes a deadline of HTTP/2 away when nothing waits any more: what the
// gateway itself takes long for is no stall of the client's.
func (x *exchange) rest(set func(time.Time) error, last *time.Time) {
	if x.http1 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended() == nil {
		*last = time.Time{}
		_ = set(time.Time{}) // it was settable when the exchange began
	}
}

func (x *exchange) move(set func(time.Time) error, by time.Duration) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.ended(); err != nil {
		return err
	}
	return set(time.Now().Add(by))
}

// ended tells why nothing is to be waited for any more, under the lock.
func (x *exchange) ended() error {
	switch {
	case x.cut:
		return errCut
	case x.over:
		return http.ErrHandlerTimeout
	}
	return nil
}

// cutWith breaks the exchange when ctx ends, until release. What was working
// with ctx may fail before the exchange is broken: release then does that.
func (x *exchange) cutWith(ctx context.Context) (release func()) {
	return x.endWith(ctx, func(error) {})
}

// endWith is cutWith that cancels too, before it breaks the exchange.
func (x *exchange) endWith(ctx context.Context, cancel context.CancelCauseFunc) (release func()) {
	stop := context.AfterFunc(ctx, func() {
		cancel(context.Cause(ctx))
		x.breakOff()
	})
	return func() {
		if stop(); ctx.Err() != nil {
			x.breakOff()
		}
	}
}

// breakOff ends reading at once and writing within cutGrace, whatever the client does.
func (x *exchange) breakOff() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cut || x.over {
		return
	}
	x.cut = true
	now := time.Now()
	// Both were settable when the exchange began. Behind a whole request the server
	// reads on, and a deadline would end every later one of the connection.
	if !x.body.whole.Load() {
		_ = x.control.SetReadDeadline(now)
	}
	_ = x.control.SetWriteDeadline(now.Add(cutGrace))
}

func (x *exchange) wasCut() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cut
}

// finish leaves the connection to the server: nothing of this exchange touches
// its deadlines any more. What is still buffered has a stall time to leave.
func (x *exchange) finish() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if now := time.Now(); !x.over && !x.cut && now.Sub(x.writes) >= x.stall/often {
		_ = x.control.SetWriteDeadline(now.Add(x.stall))
	}
	x.over = true
}

// settle makes sure that the client comes to read the answer to an upload that
// was not taken. A little that is left is read before the answer, and the
// connection goes on. Otherwise send goes out first, and more is read after it.
func (x *exchange) settle(send func()) {
	b := x.body
	switch {
	case b.end != nil || b.expects && b.n == 0 || !x.http1 || x.wasCut():
		send()
	case b.length >= 0 && b.length-b.n <= drainQuietly:
		if x.move(x.control.SetReadDeadline, drainTime) == nil {
			_, _ = io.CopyN(io.Discard, b.in, drainQuietly) // the answer stands, whatever becomes of the rest
			b.end = io.EOF
		}
		send()
	default:
		x.sendThenDrain(send)
	}
}

func (x *exchange) sendThenDrain(send func()) {
	if err := x.control.EnableFullDuplex(); err != nil {
		send()
		return
	}
	x.Header().Set("Connection", "close")
	send()
	if x.control.Flush() != nil || x.move(x.control.SetReadDeadline, drainTime) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, x.body.in, drainMost) // the connection is closed after this
}

// upload is the body of a request. It stands beside the request's own, which
// the server has to recognise to know whether its client waits for 100 Continue.
type upload struct {
	x       *exchange
	in      io.ReadCloser
	length  int64 // as announced, else negative
	expects bool  // the client waits for 100 Continue
	n       int64
	end     error       // what reading ended with
	whole   atomic.Bool // nothing of it is left to be read
}

// Read is io.Reader's; the client has a stall time for each piece.
func (u *upload) Read(b []byte) (int, error) {
	if u.end != nil {
		return 0, u.end
	}
	if err := u.x.reading(); err != nil {
		u.end = err
		return 0, err
	}
	n, err := u.in.Read(b)
	u.x.rest(u.x.control.SetReadDeadline, &u.x.reads)
	u.ends(n, err)
	return n, u.end
}

// ends counts what was read, and keeps what reading ended with.
func (u *upload) ends(n int, err error) {
	u.n += int64(n)
	u.end = err
	if err == io.EOF {
		u.whole.Store(true)
	}
	if err != nil && err != io.EOF {
		u.end = &brokenError{err}
	}
}

// Close is io.Closer's.
func (u *upload) Close() error { return u.in.Close() }

// empty reports whether the request has no body at all, chunked or not.
func (u *upload) empty() bool {
	if u.length > 0 {
		return false
	}
	peek := bufio.NewReaderSize(u, 16)
	_, err := peek.Peek(1)
	return errors.Is(err, io.EOF)
}

// A brokenError is what reading a body ends with that did not come whole.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return "the request broke off: " + e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }
