package webdav

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"syscall"
	"testing"

	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/policy/path"
)

func TestAnswerTo(t *testing.T) {
	at := func(err error) error {
		return fmt.Errorf("do something: %w", &fs.PathError{Op: "open", Path: "/a", Err: err})
	}
	cases := map[string]struct {
		method    string
		err       error
		status    int
		condition string
	}{
		"not there":                    {"GET", at(fs.ErrNotExist), 404, ""},
		"parent not there, PUT":        {"PUT", at(fs.ErrNotExist), 409, ""},
		"parent not there, MKCOL":      {"MKCOL", at(fs.ErrNotExist), 409, ""},
		"parent not there, LOCK":       {"LOCK", at(fs.ErrNotExist), 409, ""},
		"parent not there, COPY":       {"COPY", at(fs.ErrNotExist), 409, ""},
		"parent not there, MOVE":       {"MOVE", &os.LinkError{Op: "rename", Old: "/a", New: "/b/c", Err: fs.ErrNotExist}, 409, ""},
		"parent is a file":             {"PUT", at(session.ErrNotDir), 409, ""},
		"below a file":                 {"GET", at(session.ErrNotDir), 404, ""},
		"is a folder":                  {"PUT", at(session.ErrIsDir), 405, ""},
		"exists, MKCOL":                {"MKCOL", at(fs.ErrExist), 405, ""},
		"exists, no overwriting":       {"COPY", at(fs.ErrExist), 412, ""},
		"exists, no overwriting, MOVE": {"MOVE", at(fs.ErrExist), 412, ""},
		"exists, If-None-Match":        {"PUT", at(fs.ErrExist), 412, ""},
		"exists, LOCK":                 {"LOCK", at(fs.ErrExist), 409, ""},
		"not empty":                    {"DELETE", at(session.ErrNotEmpty), 409, ""},
		"denied":                       {"PUT", at(&session.DeniedError{}), 403, ""},
		"log away":                     {"GET", at(&session.DeniedError{Decision: policy.Decision{Rule: policy.RuleAudit}}), 503, ""},
		"store denies":                 {"PUT", at(fs.ErrPermission), 403, ""},
		"mount point":                  {"DELETE", at(session.ErrBusy), 403, ""},
		"store cannot":                 {"PROPPATCH", at(session.ErrUnsupported), 403, ""},
		"link":                         {"GET", at(session.ErrLink), 403, ""},
		"special file":                 {"GET", at(session.ErrSpecial), 403, ""},
		"contains the other":           {"MOVE", at(fs.ErrInvalid), 403, ""},
		"quota":                        {"PUT", at(&session.ExceededError{}), 507, quotaExceeded},
		"disk full":                    {"PUT", at(session.ErrNoSpace), 507, sufficientDisk},
		"locked":                       {"PUT", at(&session.LockedError{}), 423, lockSubmitted},
		"locked, LOCK":                 {"LOCK", at(&session.LockedError{}), 423, noConflict},
		"no such lock, UNLOCK":         {"UNLOCK", at(session.ErrNoLock), 409, matchesURI},
		"no such lock, refresh":        {"LOCK", at(session.ErrNoLock), 412, matchesURI},
		"too many locks":               {"LOCK", at(session.ErrTooManyLocks), 403, ""},
		"name too long":                {"PUT", at(path.ErrTooLong), 414, ""},
		"climbing":                     {"PUT", path.ErrClimbs, 400, ""},
		"bad name":                     {"PUT", path.ErrInvalid, 400, ""},
		"body broke off":               {"PUT", at(&brokenError{io.ErrUnexpectedEOF}), 400, ""},
		"body stopped":                 {"PUT", at(&brokenError{os.ErrDeadlineExceeded}), 408, ""},
		"connection reset":             {"PUT", at(&brokenError{syscall.ECONNRESET}), 400, ""},
		"client gone":                  {"PUT", context.Canceled, 503, ""},
		"store away":                   {"GET", &awayError{errors.New("no route")}, 503, ""},
		"state away":                   {"LOCK", at(session.ErrUnknown), 503, ""},
		"another node changes it":      {"PUT", at(session.ErrInUse), 503, ""},
		"a full store":                 {"PUT", at(session.ErrStateFull), 503, ""},
		"out of touch":                 {"PUT", at(session.ErrStateAway), 503, ""},
		"state closed":                 {"LOCK", at(session.ErrClosed), 503, ""},
		"too many uploads":             {"PUT", at(session.ErrManyUploads), 503, ""},
		"changed meanwhile":            {"PUT", at(session.ErrChanged), 412, ""},
		"larger than allowed":          {"PUT", at(&session.DeniedError{Decision: policy.Decision{Rule: policy.RuleLargestUpload}}), 413, ""},
		"not portable":                 {"PUT", at(&policy.NameError{Why: "it is not UTF-8"}), 403, ""},
		"unforeseen":                   {"GET", errors.New("what is this"), 500, ""},
		"own":                          {"GET", refuse(http.StatusTeapot, "no"), 418, ""},
		"own with a condition":         {"PROPFIND", refuseFor(403, finiteDepth), 403, finiteDepth},
	}
	tooLarge := &session.DeniedError{Decision: policy.Decision{Rule: policy.RuleLargestUpload, Because: "larger than allowed (7 bytes)"}}
	if got := answerTo("PUT", at(tooLarge)); got.text != "larger than allowed (7 bytes)" {
		t.Errorf("what is too large hears %q", got.text)
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := answerTo(c.method, c.err)
			if got.status != c.status || got.condition != c.condition {
				t.Errorf("got %d %q, want %d %q", got.status, got.condition, c.status, c.condition)
			}
		})
	}
}

// What the client hears never has the text of an error of the store in it.
func TestAnswerHidesDetails(t *testing.T) {
	err := &fs.PathError{Op: "openat", Path: "/srv/files/home/alice", Err: fs.ErrPermission}
	if a := answerTo("GET", err); a.text != "" {
		t.Errorf("got %q, want the status' own text", a.text)
	}
}

// What no rule of anybody forbids, and is not done all the same, is said in words.
func TestAnswerSaysWhatIsNotDone(t *testing.T) {
	for text, err := range map[string]error{
		"a folder with a quota of its own stays where it is": &session.UnsupportedError{Text: "a folder with a quota of its own stays where it is"},
		session.ErrBusy.Error():                              session.ErrBusy,
	} {
		wrapped := &os.LinkError{Op: "rename", Old: "/a", New: "/b", Err: err}
		if a := answerTo("MOVE", wrapped); a.status != http.StatusForbidden || a.text != text {
			t.Errorf("got %d %q, want 403 %q", a.status, a.text, text)
		}
	}
}
