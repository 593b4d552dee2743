package scp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gatehouse/protocols/sftp/subsystem"
)

// A Channel is what carries the protocol.
type Channel interface {
	io.Reader
	io.Writer
	io.Closer
}

// maxLine bounds a line of the protocol: numbers and a name, or a message.
const maxLine = 8 << 10

// Answers of the protocol: all is well, something could not be done, nothing
// can be done any more.
const (
	good    = 0
	warning = 1
	fatal   = 2
)

// Errors that end a transfer.
var (
	errProtocol = errors.New("protocol error")
	errFatal    = errors.New("the client gave up")
)

// A link is the protocol's lines and answers over a channel, in bounded time.
type link struct {
	*subsystem.Patient
	in      *bufio.Reader
	channel Channel
	c       Config
	timer   *time.Timer // of what is read
}

func newLink(ch Channel, c Config) *link {
	l := &link{Patient: subsystem.NewPatient(ch, c.Stalled, c.Cut), in: bufio.NewReader(ch), channel: ch, c: c}
	l.timer = time.AfterFunc(time.Hour, func() { c.Cut(subsystem.ErrStalled) })
	l.timer.Stop()
	return l
}

func (l *link) stop() {
	l.timer.Stop()
	l.Stop()
}

// end ends what waits for the peer.
func (l *link) end() {
	if err := l.channel.Close(); err != nil {
		l.c.Log.Debug("close the channel of scp", "error", err)
	}
}

// Read reads content, of which the peer must send a piece in time.
func (l *link) Read(b []byte) (int, error) {
	l.timer.Reset(l.c.Stalled)
	defer l.timer.Stop()
	return l.in.Read(b[:min(len(b), subsystem.Piece)])
}

// next reads the byte that begins a line or is an answer, for which the peer may
// take its time.
func (l *link) next() (byte, error) {
	if l.c.Idle > 0 {
		l.timer.Reset(l.c.Idle)
		defer l.timer.Stop()
	}
	return l.in.ReadByte()
}

// line reads the rest of a line that has begun.
func (l *link) line() (string, error) {
	l.timer.Reset(l.c.Stalled)
	defer l.timer.Stop()
	var b strings.Builder
	for b.Len() < maxLine {
		c, err := l.in.ReadByte()
		if err != nil {
			return "", err
		}
		if c == '\n' {
			return b.String(), nil
		}
		b.WriteByte(c)
	}
	return "", fmt.Errorf("%w: the line is too long", errProtocol)
}

// agreed reads an answer; false says that the client refuses what was offered.
func (l *link) agreed() (bool, error) {
	c, err := l.next()
	switch {
	case err != nil:
		return false, err
	case c == good:
		return true, nil
	}
	if _, err := l.line(); err != nil {
		return false, err
	}
	if c == warning {
		return false, nil
	}
	return false, errFatal
}

func (l *link) send(format string, args ...any) error {
	_, err := fmt.Fprintf(l, format, args...)
	return err
}

func (l *link) ok() error {
	_, err := l.Write([]byte{good})
	return err
}

// fail tells the client what could not be done with a name. What has no words
// for it is for the log.
func (l *link) fail(name string, cause error) error {
	text := l.words(cause)
	if name != "" {
		text = subsystem.Printable(name) + ": " + text
	}
	return l.send("%cscp: %s\n", warning, text)
}

func (l *link) words(cause error) string {
	var own told
	if errors.As(cause, &own) {
		return own.Error()
	}
	if errors.Is(cause, errProtocol) || errors.Is(cause, ErrUsage) {
		return cause.Error()
	}
	_, text := subsystem.Status(cause)
	if text == subsystem.UnknownFailure {
		l.c.Log.Warn("scp failed", "error", cause)
	}
	return text
}
