package ftp

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/protocols/ftp/data"
)

// Errors of the door itself.
var (
	errUndecided = errors.New("the login could not be decided")
	errOrder     = errors.New("not in this order")
	errAborted   = errors.New("the client aborted the transfer")
	errStalled   = errors.New("the data connection made no progress")
	errLeft      = errors.New("the client left in the middle of a transfer")
	errCut       = errors.New("the transfer was cut")
	errBeyond    = errors.New("the offset is beyond the end of the file")
	errNotFolder = errors.New("only folders can be listed with MLSD")
	errFacts     = errors.New("not facts that can be set")
	errMode      = errors.New("not a mode that can be set")
	errNoName    = errors.New("no unique name was found")
	errPanic     = errors.New("a fault inside the server")
	errRelieved  = errors.New("another goroutine reads the commands")
)

// answers says what the client hears of an error: the first that fits. What only
// a person can change is 5xx, though RFC 959 has 450 and 452 for a lock and a full
// disk: lftp sends the same file again at once, hundreds of times a minute.
var answers = []struct {
	err error
	reply
}{
	{errUndecided, reply{421, "Logging in is not possible now, try again later"}},
	{errOrder, plain(503)},
	{errAborted, reply{426, "Transfer aborted"}},
	{errStalled, reply{426, "The data connection made no progress"}},
	{data.ErrTruncated, reply{426, "The data connection ended without a TLS close_notify"}},
	{errLeft, plain(426)},
	{errCut, reply{426, "The transfer is no longer allowed"}},
	{data.ErrNone, reply{425, "No data connection was made"}},
	{data.ErrHandshake, reply{522, "The TLS handshake of the data connection did not succeed"}},
	{data.ErrNotResumed, reply{522, "The data connection must resume the TLS session of the control connection"}},
	{errBeyond, reply{554, "The offset is beyond the end of the file"}},
	{errNotFolder, reply{501, "Not a folder"}},
	{errFacts, plain(501)},
	{errMode, reply{504, "Only the nine bits of permissions can be set"}},
	{errNoName, reply{553, "No unique name was found"}},
	{errPanic, plain(451)},
	{session.ErrExceeded, plain(552)},
	{session.ErrNoSpace, reply{552, "No space left"}},
	{session.ErrStateFull, reply{452, "The gateway's store is full, try again later"}},
	{session.ErrAway, reply{451, "The quota cannot be asked now, try again later"}},
	{session.ErrInUse, reply{451, "Another node is changing the file, try again later"}},
	{session.ErrStateAway, reply{451, "Nothing can be changed here now, try again later"}},
	{session.ErrLocked, reply{550, "Locked"}},
	{path.ErrInvalid, plain(553)},
	{path.ErrTooLong, reply{553, "The name is too long"}},
	{data.ErrNoPort, reply{425, "No port is free now"}},
	{session.ErrNotEmpty, reply{550, "The folder is not empty"}},
	{session.ErrCrossMount, reply{550, "Source and target are on different mounts: copy, then delete"}},
	{session.ErrBusy, reply{550, "A mount point cannot be moved or removed"}},
	{session.ErrIsDir, reply{550, "Is a folder"}},
	{session.ErrNotDir, reply{550, "Is not a folder"}},
	{session.ErrUnsupported, reply{550, "The store cannot do this"}},
	{session.ErrSpecial, reply{550, "Neither a file nor a folder"}},
	{fs.ErrPermission, reply{550, "Permission denied"}},
	{fs.ErrNotExist, reply{550, "No such file or folder"}},
	{fs.ErrExist, reply{550, "Exists already"}},
	{fs.ErrInvalid, reply{553, "Not possible with these names"}},
	{context.Canceled, plain(426)},
	{context.DeadlineExceeded, plain(451)},
	{os.ErrDeadlineExceeded, plain(426)},
	{net.ErrClosed, plain(426)},
	{io.ErrUnexpectedEOF, plain(426)},
}

// denials are the rules of which a client is told, beyond that it is denied.
var denials = map[policy.Rule]reply{
	policy.RuleNames:         {553, "The name is not allowed here"},
	policy.RuleLargestUpload: {552, "The file is larger than allowed"},
	policy.RuleBytesPerDay:   {552, "The traffic allowed per day is used up"},
	policy.RuleAudit:         {451, "The event log takes nothing now, try again later"},
	policy.RuleBytesPerMonth: {552, "The traffic allowed per month is used up"},
}

// replyTo is the one translation of errors to replies.
func replyTo(err error) reply {
	if err == nil {
		return plain(250)
	}
	if r, ok := errors.AsType[*auth.RefusedError](err); ok {
		return reply{530, r.Error()}
	}
	if d, ok := errors.AsType[*session.DeniedError](err); ok {
		if r, ok := denials[d.Rule]; ok {
			return r
		}
	}
	if l, ok := errors.AsType[*session.LockedError](err); ok && l.Lock.Account != "" {
		return reply{550, "Locked by " + l.Lock.Account}
	}
	if u, ok := errors.AsType[*session.UnsupportedError](err); ok {
		return reply{550, u.Text}
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return a.reply
		}
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return plain(426)
	}
	return plain(451)
}
