// Package scp serves the far side of scp's own protocol, which is rcp's: what
// `scp -O` and the clients of before OpenSSH 9 run as a command. It decides
// nothing: files come from the guarded file system of a session, names are
// checked before they are joined to anything.
package scp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
	"gatehouse/protocols/sftp/subsystem"
	"gatehouse/protocols/sftp/words"
)

// A Config is what a transfer is served with. All fields must be set.
type Config struct {
	FS      *session.FS
	Account string // its home folder is "/"
	Log     *slog.Logger
	// Handles bounds the open folders; the command has one of them for its file.
	Handles *subsystem.Handles
	// Stalled is how long the peer may take for a piece of content before Cut is
	// called, Idle for its next line; no more than 0 is for ever.
	Stalled, Idle time.Duration
	// Cut ends the connection at once, and with it the channel.
	Cut func(cause error)
}

// ErrUsage says that the words are no command that scp runs on a server.
var ErrUsage = errors.New("usage: scp [-r] [-p] [-d] -t target, or scp [-r] [-p] -f file [file ...]")

// errVanished is why an upload broke that its client never ended.
var errVanished = errors.New("the client went away within a file")

// errReported says that the client was told of everything that went wrong.
var errReported = errors.New("the client was told")

// options are those of the command, as scp passes them to its other side.
type options struct {
	from, to                   bool
	recursive, keepTimes, into bool
	paths                      []words.Word
}

// parse reads the words after "scp". Options may stand together ("-rpf").
func parse(args []words.Word) (options, error) {
	var o options
	for len(args) > 0 && len(args[0].Text) > 1 && args[0].Text[0] == '-' {
		flags := args[0].Text[1:]
		args = args[1:]
		if flags == "-" {
			break
		}
		for _, flag := range flags {
			if err := o.set(flag); err != nil {
				return o, err
			}
		}
	}
	o.paths = args
	if o.from == o.to || len(args) == 0 || o.to && len(args) > 1 {
		return o, ErrUsage
	}
	return o, nil
}

func (o *options) set(flag rune) error {
	switch flag {
	case 'f':
		o.from = true
	case 't':
		o.to = true
	case 'r':
		o.recursive = true
	case 'p':
		o.keepTimes = true
	case 'd':
		o.into = true
	case 'q', 'v':
	default:
		return ErrUsage
	}
	return nil
}

// Serve runs `scp` with the words after it over a channel, until all was copied,
// or the peer is gone. An error means that not everything was; the client was
// told as far as it could be.
func Serve(ctx context.Context, channel Channel, c Config, args []words.Word) error {
	l := newLink(channel, c)
	defer l.stop()
	o, err := parse(args)
	if err != nil {
		return errors.Join(err, l.fail("", err))
	}
	t := &transfer{Config: c, options: o, link: l}
	if o.from {
		err = t.send(ctx)
	} else {
		err = t.receive(ctx)
	}
	if err == nil && t.failures > 0 {
		return fmt.Errorf("%w of %d failures", errReported, t.failures)
	}
	return err
}

// A transfer is one run of scp.
type transfer struct {
	Config
	options
	link     *link
	failures int
	within   []path.Path // the folders that are being sent, as they really are
	listings int         // those that patterns asked for
}

// report tells the client of what could not be copied; it goes on with the next.
func (t *transfer) report(name string, cause error) error {
	t.failures++
	return t.link.fail(name, cause)
}

// parsePath reads a path as the client wrote it.
func parsePath(w words.Word) (path.Path, error) { return path.Parse(w.Text) }

// nameOf is the name under which a path is sent: the root has the account's.
func (t *transfer) nameOf(p path.Path) string {
	if p.IsRoot() {
		return t.Account
	}
	return p.Base()
}

// sendable reports whether a name can stand in a line of the protocol.
func sendable(name string) bool { return !strings.ContainsAny(name, "\n\x00") }
