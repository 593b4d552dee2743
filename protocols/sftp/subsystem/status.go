package subsystem

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/protocols/sftp/wire"
)

// A spokenError is an error in words for the client.
type spokenError struct {
	code wire.Code
	text string
}

func (e *spokenError) Error() string { return e.text }

// What the protocol itself refuses, before the file system is asked.
var (
	errUnsupported    = &spokenError{wire.Unsupported, "operation not supported"}
	errNoHandle       = &spokenError{wire.Failure, "no such handle"}
	errHandleGone     = &spokenError{wire.NoSuchFile, "no such handle"}
	errFileHandle     = &spokenError{wire.Failure, "the handle is a file's"}
	errFolderHandle   = &spokenError{wire.Failure, "the handle is a folder's"}
	errTooManyOpen    = &spokenError{wire.Failure, "too many open files"}
	errShutdown       = &spokenError{wire.Failure, "the server is shutting down"}
	errWriteOnly      = &spokenError{wire.PermissionDenied, "the handle was not opened for reading"}
	errReadOnlyHandle = &spokenError{wire.PermissionDenied, "the handle was not opened for writing"}
	errNoDirection    = &spokenError{wire.Failure, "a file is opened for reading or writing"}
	errNeedsWrite     = &spokenError{wire.Failure, "truncating goes with writing only"}
	errExclusive      = &spokenError{wire.Failure, "exclusive goes with create only"}
	errTooLarge       = &spokenError{wire.BadMessage, "the size is too large"}
	errLinkSize       = &spokenError{wire.BadMessage, "the size is not among what is changed without following links"}
	errLinkFolder     = &spokenError{wire.PermissionDenied, "a folder has one name only"}
	errManyIDs        = &spokenError{wire.Failure, "the names of so many do not fit into one answer"}
	errOwner          = &spokenError{wire.PermissionDenied, "owners cannot be changed"}
)

// UnknownFailure is all that the client hears of an error without words of its
// own: such an error may hold what is none of the client's business.
const UnknownFailure = "failure"

// words are the outcomes of errors, in the order in which they are tried. The
// codes are those of OpenSSH, so that clients react as they do to it.
var words = []struct {
	is   error
	code wire.Code
	text string
}{
	{io.EOF, wire.EOF, "end of file"},
	{session.ErrExceeded, wire.Failure, "quota exceeded"},
	{session.ErrNoSpace, wire.Failure, "no space left"},
	{session.ErrStateFull, wire.Failure, "the gateway's store is full, try again later"},
	{session.ErrAway, wire.Failure, "the quota cannot be asked now, try again later"},
	{session.ErrInUse, wire.Failure, "another node is changing the file, try again later"},
	{session.ErrStateAway, wire.Failure, "nothing can be changed here now, try again later"},
	{session.ErrNotEmpty, wire.Failure, "the folder is not empty"},
	{session.ErrIsDir, wire.Failure, "is a folder"},
	{session.ErrNotDir, wire.NoSuchFile, "not a folder"},
	{session.ErrCrossMount, wire.Failure, "source and target are on different mounts"},
	{session.ErrBusy, wire.Failure, "a mount point cannot be moved or removed"},
	{session.ErrSpecial, wire.Failure, "neither a file nor a folder"},
	{session.ErrLink, wire.Failure, "a link is in the way"},
	{session.ErrUnsupported, wire.Unsupported, "operation not supported"},
	{errors.ErrUnsupported, wire.Unsupported, "operation not supported"},
	{fs.ErrNotExist, wire.NoSuchFile, "no such file"},
	{fs.ErrExist, wire.Failure, "file exists"},
	{fs.ErrPermission, wire.PermissionDenied, "permission denied"},
	{fs.ErrInvalid, wire.BadMessage, "invalid argument"},
	{path.ErrTooLong, wire.BadMessage, "the name is too long"},
	{path.ErrInvalid, wire.BadMessage, "invalid name"},
	{fs.ErrClosed, wire.Failure, "the file is closed"},
	{context.Canceled, wire.Failure, "the session has ended"},
	{context.DeadlineExceeded, wire.Failure, "the store did not answer in time"},
}

// ruleTexts are what the client hears of denials that it can do something about;
// of all others it hears that permission was denied.
var ruleTexts = map[policy.Rule]string{
	policy.RuleLargestUpload: "the upload is larger than allowed",
	policy.RuleBytesPerDay:   "the traffic allowed per day is used up",
	policy.RuleBytesPerMonth: "the traffic allowed per month is used up",
	policy.RuleNames:         "this name is not allowed here",
	policy.RuleReadOnly:      "the credential is read-only",
}

// Status is the one translation of errors to codes and texts of the protocol. No
// text holds a path.
func Status(err error) (wire.Code, string) {
	var spoken *spokenError
	var locked *session.LockedError
	var denied *session.DeniedError
	var unsupported *session.UnsupportedError
	switch {
	case err == nil:
		return wire.OK, ""
	case errors.As(err, &spoken):
		return spoken.code, spoken.text
	case errors.As(err, &locked):
		return wire.Failure, "locked by " + Printable(locked.Lock.Account)
	case errors.As(err, &denied) && denied.Rule == policy.RuleAudit: // it passes
		return wire.Failure, "the event log takes nothing now, try again later"
	case denied != nil && ruleTexts[denied.Rule] != "":
		return wire.PermissionDenied, ruleTexts[denied.Rule]
	case errors.As(err, &unsupported):
		return wire.Unsupported, unsupported.Text
	}
	for _, w := range words {
		if errors.Is(err, w.is) {
			return w.code, w.text
		}
	}
	return wire.Failure, UnknownFailure
}
