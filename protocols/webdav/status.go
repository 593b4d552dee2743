package webdav

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"

	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/policy/path"
)

// A refusal is an answer that the door itself gives to a request: it could not
// be understood, or a rule of the protocol forbids it.
type refusal struct {
	status    int
	condition string // an element of RFC 4918 16, or empty
	text      string
}

func (e *refusal) Error() string { return e.text }

func refuse(status int, text string) error { return &refusal{status: status, text: text} }

func refuseFor(status int, condition string) error {
	return &refusal{status: status, condition: condition, text: condition}
}

// An awayError says that nothing could be decided: what the answer depends on is away.
type awayError struct{ err error }

func (e *awayError) Error() string { return e.err.Error() }
func (e *awayError) Unwrap() error { return e.err }

// An answer is what an error becomes on the wire.
type answer struct {
	status    int
	condition string     // the element of RFC 4918 16 or RFC 4331 that says more
	about     *path.Path // the href in it
	holder    string     // whose lock is in the way
	text      string
}

// Conditions, as their elements are called.
const (
	lockSubmitted  = "lock-token-submitted"
	noConflict     = "no-conflicting-lock"
	matchesURI     = "lock-token-matches-request-uri"
	protected      = "cannot-modify-protected-property"
	finiteDepth    = "propfind-finite-depth"
	quotaExceeded  = "quota-not-exceeded"
	sufficientDisk = "sufficient-disk-space"
)

// answerTo is the one place where an error becomes a status. The client hears
// the kind of refusal; whose rule it was is in the log.
func answerTo(method string, err error) answer {
	var refused *refusal
	var name *policy.NameError
	var broken *brokenError
	var denied *session.DeniedError
	var unsupported *session.UnsupportedError
	var locked *session.LockedError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &refused):
		return answer{status: refused.status, condition: refused.condition, text: refused.text}
	case errors.As(err, &locked):
		return lockedAnswer(method, locked)
	case errors.Is(err, session.ErrLocked):
		return answer{status: http.StatusLocked}
	case errors.Is(err, session.ErrNoLock):
		return noLockAnswer(method)
	case errors.Is(err, session.ErrExceeded):
		return answer{status: http.StatusInsufficientStorage, condition: quotaExceeded}
	case errors.Is(err, session.ErrNoSpace):
		return answer{status: http.StatusInsufficientStorage, condition: sufficientDisk}
	case errors.Is(err, session.ErrChanged):
		return answer{status: http.StatusPreconditionFailed}
	case errors.As(err, &tooLarge):
		return answer{status: http.StatusRequestEntityTooLarge, text: fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit)}
	case errors.As(err, &denied) && denied.Rule == policy.RuleLargestUpload:
		return answer{status: http.StatusRequestEntityTooLarge, text: denied.Because}
	case denied != nil && denied.Rule == policy.RuleAudit: // it passes
		return answer{status: http.StatusServiceUnavailable, text: denied.Because}
	case denied != nil && spent[denied.Rule] != "":
		return answer{status: http.StatusForbidden, text: spent[denied.Rule]}
	case errors.As(err, &name):
		return answer{status: http.StatusForbidden, text: name.Error()}
	case errors.As(err, &unsupported):
		return answer{status: http.StatusForbidden, text: unsupported.Text}
	case errors.Is(err, path.ErrTooLong):
		return answer{status: http.StatusRequestURITooLong, text: path.ErrTooLong.Error()}
	case errors.Is(err, path.ErrClimbs), errors.Is(err, path.ErrInvalid):
		return answer{status: http.StatusBadRequest, text: "the name cannot be used"}
	case errors.Is(err, errCut):
		return answer{status: http.StatusForbidden}
	case errors.As(err, &broken) && errors.Is(err, os.ErrDeadlineExceeded):
		return answer{status: http.StatusRequestTimeout}
	case errors.As(err, &broken):
		return answer{status: http.StatusBadRequest, text: "the request broke off"}
	}
	return storageAnswer(method, err)
}

// spent are what the client hears where what its account may move is used up. The
// status is one that clients do not wait and try again for.
var spent = map[policy.Rule]string{
	policy.RuleBytesPerDay:   "the traffic allowed per day is used up",
	policy.RuleBytesPerMonth: "the traffic allowed per month is used up",
}

// storageAnswer translates the kinds of errors that a file system has.
func storageAnswer(method string, err error) answer {
	switch {
	case errors.Is(err, session.ErrNotDir):
		return answer{status: missing(method)}
	case errors.Is(err, session.ErrIsDir):
		return answer{status: http.StatusMethodNotAllowed}
	case errors.Is(err, session.ErrNotEmpty):
		return answer{status: http.StatusConflict}
	case errors.Is(err, session.ErrTooManyLocks):
		return answer{status: http.StatusForbidden, text: session.ErrTooManyLocks.Error()}
	case errors.Is(err, session.ErrBusy):
		return answer{status: http.StatusForbidden, text: session.ErrBusy.Error()}
	case errors.Is(err, session.ErrUnsupported), errors.Is(err, session.ErrSpecial), errors.Is(err, session.ErrLink):
		return answer{status: http.StatusForbidden}
	case errors.Is(err, fs.ErrPermission):
		return answer{status: http.StatusForbidden}
	case errors.Is(err, fs.ErrNotExist):
		return answer{status: missing(method)}
	case errors.Is(err, fs.ErrExist):
		return answer{status: present(method)}
	case errors.Is(err, fs.ErrInvalid):
		return answer{status: http.StatusForbidden}
	}
	return outageAnswer(err)
}

func outageAnswer(err error) answer {
	var away *awayError
	if errors.As(err, &away) {
		return answer{status: http.StatusServiceUnavailable, text: "logging in is not possible now, try again later"}
	}
	if errors.Is(err, session.ErrStateFull) {
		return answer{status: http.StatusServiceUnavailable, text: "the gateway's store is full, try again later"}
	}
	if errors.Is(err, session.ErrStateAway) || errors.Is(err, session.ErrAway) {
		return answer{status: http.StatusServiceUnavailable, text: "the gateway cannot do this at the moment, try again later"}
	}
	for _, passing := range []error{
		session.ErrManyUploads, session.ErrInUse, session.ErrUnknown, session.ErrClosed, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, passing) {
			return answer{status: http.StatusServiceUnavailable}
		}
	}
	return answer{status: http.StatusInternalServerError}
}

// missing is what "not there" means to a method: to those that make something,
// the collection that is to hold it is not there. The others, and COPY and
// MOVE, which look at their source first, say so themselves.
func missing(method string) int {
	switch method {
	case http.MethodPut, "MKCOL", "LOCK", "COPY", "MOVE":
		return http.StatusConflict
	}
	return http.StatusNotFound
}

// present is what "already there" means to a method.
func present(method string) int {
	switch method {
	case "MKCOL":
		return http.StatusMethodNotAllowed
	case "COPY", "MOVE", http.MethodPut:
		return http.StatusPreconditionFailed
	}
	return http.StatusConflict
}

func lockedAnswer(method string, e *session.LockedError) answer {
	a := answer{status: http.StatusLocked, condition: lockSubmitted, about: &e.Lock.Path, holder: e.Lock.Account}
	if method == "LOCK" {
		a.condition = noConflict
	}
	return a
}

func noLockAnswer(method string) answer {
	if method == "UNLOCK" {
		return answer{status: http.StatusConflict, condition: matchesURI}
	}
	return answer{status: http.StatusPreconditionFailed, condition: matchesURI}
}
