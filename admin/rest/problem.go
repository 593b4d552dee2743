package rest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/auth"
	"gatehouse/auth/selfservice"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/links"
	"gatehouse/storage/locks"
	"gatehouse/storage/nodes"
	"gatehouse/storage/quota"
	"gatehouse/storage/state"
)

// Problem is the one translation from error to problem document (RFC 9457).
// What it does not know is logged as it is and told as a plain 500: its text may
// be about the machine.
func (a *API) Problem(err error) error {
	var invalid *accounts.InvalidError
	var refused *auth.RefusedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return huma.NewError(http.StatusUnprocessableEntity, "a value is not valid",
			&huma.ErrorDetail{Location: location(invalid.Field), Message: invalid.Why})
	case errors.As(err, &refused):
		return huma.NewError(http.StatusUnauthorized, refused.Error())
	case errors.Is(err, accounts.ErrNotFound), errors.Is(err, locks.ErrNoLock), errors.Is(err, fs.ErrNotExist):
		return huma.NewError(http.StatusNotFound, err.Error())
	case errors.Is(err, state.ErrConflict):
		return huma.NewError(http.StatusPreconditionFailed, "the record has changed since it was read")
	case errors.Is(err, accounts.ErrExists), errors.Is(err, accounts.ErrHome), errors.Is(err, accounts.ErrLastAdmin):
		return huma.NewError(http.StatusConflict, err.Error())
	case errors.Is(err, links.ErrGone):
		return huma.NewError(http.StatusGone, LinkGone)
	case errors.Is(err, links.ErrTooMany):
		return huma.NewError(http.StatusTooManyRequests, err.Error())
	case errors.Is(err, auth.ErrWrongCode):
		return huma.NewError(http.StatusUnprocessableEntity, "a value is not valid",
			&huma.ErrorDetail{Location: "body.code", Message: "is not the code of this moment: wait for the next one"})
	case errors.Is(err, selfservice.ErrNotFresh):
		return huma.NewError(http.StatusForbidden, "the login was proved too long ago for this: POST /login/step-up first")
	case errors.Is(err, selfservice.ErrLimited):
		return huma.NewError(http.StatusForbidden, "this login is good for something else first: GET /me says for what")
	case errors.Is(err, session.ErrUnrecorded):
		a.Log.Error("a login was refused, since it could not be recorded", "error", err)
		return Later("nobody is let in: the audit log takes no events now (site audit.on_failure is refuse)")
	case errors.Is(err, session.ErrShuttingDown), errors.Is(err, session.ErrNotEnded):
		return Later(err.Error())
	case errors.Is(err, nodes.ErrNotHeld):
		return Later("this gateway was not heard of in time by those that share its store, and changes nothing until it is: try again in a moment")
	case errors.Is(err, quota.ErrBusy):
		return huma.NewError(http.StatusConflict, err.Error())
	case errors.Is(err, auth.ErrBusy):
		return Later("too many logins at once: try again")
	}
	var known huma.StatusError
	if errors.As(err, &known) {
		return err
	}
	if why := Away(err); why != "" {
		a.Log.Warn("an administration request met a store that is away", "error", err)
		return Later(why)
	}
	if errors.Is(err, context.Canceled) { // nobody reads the answer
		return huma.NewError(http.StatusServiceUnavailable, "the request was given up")
	}
	a.Log.Error("an administration request failed", "error", err)
	return huma.NewError(http.StatusInternalServerError, "the gateway could not do this; its log says why")
}

// retryAfter is how many seconds a client is asked to wait for what comes back by
// itself.
const retryAfter = "5"

// Later refuses, for now, what may be asked again in a moment.
func Later(why string) error {
	return huma.ErrorWithHeaders(huma.NewError(http.StatusServiceUnavailable, why), http.Header{"Retry-After": {retryAfter}})
}

// Away says what is to be told of an error of a store that is away, "" where it
// is another.
func Away(err error) string {
	switch {
	case errors.Is(err, state.ErrUnknown):
		return "the store stopped answering in the middle of this: what was asked for may be done or not; look before it is asked again"
	case errors.Is(err, state.ErrFull):
		return "the gateway's store is full: nothing new is taken until an administrator makes room"
	case errors.Is(err, state.ErrAway), errors.Is(err, context.DeadlineExceeded):
		return "the gateway's store does not answer now, or takes no changes: try again in a moment"
	case errors.Is(err, state.ErrClosed):
		return "the gateway is shutting down"
	}
	return ""
}

// QueryProblem is Problem for what is asked for in the address.
func (a *API) QueryProblem(err error) error {
	if invalid, ok := errors.AsType[*accounts.InvalidError](err); ok {
		return huma.NewError(http.StatusUnprocessableEntity, "a value is not valid",
			&huma.ErrorDetail{Location: "query." + invalid.Field, Message: invalid.Why})
	}
	return a.Problem(err)
}

// LinkGone says what may have become of a link that is good no more.
const LinkGone = "this link is good no more: it was used or revoked, is too old, or was made before the account's password was set anew; ask for a new one"

// location is where in the body a field stands, under its name in the API.
func location(field string) string {
	if field == wholeBody {
		return field
	}
	return "body." + fieldName(field)
}

// wholeBody is the field of what is wrong with a body as a whole.
const wholeBody = "body"

// ETag is the entity tag of a record's revision.
func ETag(revision uint64) string { return fmt.Sprintf(`"%d"`, revision) }

// Matched refuses a record that is another than If-Match says.
func Matched(ifMatch string, revision uint64) error {
	read, err := Revision(ifMatch)
	if err == nil && read != 0 && read != revision {
		err = fmt.Errorf("compare with If-Match: %w", state.ErrConflict)
	}
	return err
}

// Expected is Matched for a change of a record that the store compares once more:
// it returns the revision to find there, 0 for whichever.
func Expected(ifMatch string, revision uint64) (uint64, error) {
	if err := Matched(ifMatch, revision); err != nil {
		return 0, err
	}
	return Revision(ifMatch)
}

// Revision reads If-Match: 0 where it is absent or "*". A tag that is not
// one of ours matches no record.
func Revision(ifMatch string) (uint64, error) {
	if ifMatch == "" || ifMatch == "*" {
		return 0, nil
	}
	var revision uint64
	if n, err := fmt.Sscanf(ifMatch, `"%d"`, &revision); n != 1 || err != nil || revision == 0 || ETag(revision) != ifMatch {
		return 0, huma.NewError(http.StatusPreconditionFailed, "If-Match is no tag of this record")
	}
	return revision, nil
}

// Denied is the problem that a verdict is: 403, naming the field; nil where it
// allows.
func Denied(v policy.Verdict) error {
	if v.Allowed {
		return nil
	}
	if v.Field == "" {
		return huma.NewError(http.StatusForbidden, v.Because)
	}
	return huma.NewError(http.StatusForbidden, "this is not the caller's to give",
		&huma.ErrorDetail{Location: "body." + fieldName(v.Field), Message: v.Because})
}

// fieldName is a field of a record under its name in the API.
func fieldName(field string) string {
	if name, ok := fieldNames[field]; ok {
		return name
	}
	return field
}

// fieldNames are the API's names of fields that records call otherwise.
var fieldNames = map[string]string{
	"quota.bytes": "quota.limit_bytes", "quota.files": "quota.limit_files",
	"folder_quota.bytes": "folder_quota.limit_bytes", "folder_quota.files": "folder_quota.limit_files",
	"manage": "manage_users", "second_factor.required": "second_factor", "second_factor.with_key": "second_factor_with_key",
}

// Invalid names a field of the request that cannot stand.
func Invalid(field, why string) error { return &accounts.InvalidError{Field: field, Why: why} }
