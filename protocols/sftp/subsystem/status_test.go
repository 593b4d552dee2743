package subsystem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/protocols/sftp/wire"
)

func TestStatus(t *testing.T) {
	wrapped := func(err error) error {
		return fmt.Errorf("store: %w", &fs.PathError{Op: "open", Path: "/srv/gatehouse/files/home/alice/f", Err: err})
	}
	locked := &session.LockedError{}
	locked.Lock.Account = "bob\n"
	locked.Lock.Path = path.MustParse("/srv/gatehouse")
	tests := []struct {
		err  error
		code wire.Code
		text string
	}{
		{nil, wire.OK, ""},
		{io.EOF, wire.EOF, "end of file"},
		{wrapped(fs.ErrNotExist), wire.NoSuchFile, "no such file"},
		{wrapped(syscall.ENOENT), wire.NoSuchFile, "no such file"},
		{&os.LinkError{Op: "rename", Old: "/srv", New: "/srv", Err: fs.ErrNotExist}, wire.NoSuchFile, "no such file"},
		{wrapped(session.ErrNotDir), wire.NoSuchFile, "not a folder"},
		{wrapped(fs.ErrPermission), wire.PermissionDenied, "permission denied"},
		{wrapped(&session.DeniedError{}), wire.PermissionDenied, "permission denied"},
		{wrapped(&session.DeniedError{Decision: policy.Decision{Rule: policy.RuleNoGrant, Because: "no grant on /srv/secret"}}), wire.PermissionDenied, "permission denied"},
		{wrapped(&session.DeniedError{Decision: policy.Decision{Rule: policy.RuleNames}}), wire.PermissionDenied, "this name is not allowed here"},
		{wrapped(&session.ExceededError{}), wire.Failure, "quota exceeded"},
		{wrapped(session.ErrNoSpace), wire.Failure, "no space left"},
		{wrapped(locked), wire.Failure, "locked by bob?"},
		{wrapped(fs.ErrExist), wire.Failure, "file exists"},
		{wrapped(session.ErrNotEmpty), wire.Failure, "the folder is not empty"},
		{wrapped(session.ErrIsDir), wire.Failure, "is a folder"},
		{wrapped(session.ErrCrossMount), wire.Failure, "source and target are on different mounts"},
		{wrapped(session.ErrInUse), wire.Failure, "another node is changing the file, try again later"},
		{fmt.Errorf("ask for the quota: %w: %w", session.ErrAway, session.ErrStateFull), wire.Failure, "the gateway's store is full, try again later"},
		{fmt.Errorf("%w: not heard of", session.ErrStateAway), wire.Failure, "nothing can be changed here now, try again later"},
		{wrapped(session.ErrBusy), wire.Failure, "a mount point cannot be moved or removed"},
		{wrapped(session.ErrUnsupported), wire.Unsupported, "operation not supported"},
		{wrapped(&session.UnsupportedError{Text: "uploads arrive as a whole here"}), wire.Unsupported, "uploads arrive as a whole here"},
		{path.ErrTooLong, wire.BadMessage, "the name is too long"},
		{path.ErrInvalid, wire.BadMessage, "invalid name"},
		{wrapped(context.Canceled), wire.Failure, "the session has ended"},
		{errNoHandle, wire.Failure, "no such handle"},
		{wrapped(errors.New("disk /dev/sda is on fire")), wire.Failure, "failure"},
		{wrapped(syscall.EIO), wire.Failure, "failure"},
	}
	for _, test := range tests {
		code, text := Status(test.err)
		if code != test.code || text != test.text {
			t.Errorf("Status(%v) is %d %q, want %d %q", test.err, code, text, test.code, test.text)
		}
		if strings.Contains(text, "/srv") {
			t.Errorf("Status(%v) tells a path of the machine: %q", test.err, text)
		}
	}
}
