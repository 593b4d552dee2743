package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/storage/accounts"
	"gatehouse/storage/locks"
	"gatehouse/storage/quota"
	"gatehouse/storage/state"
)

// problem is the one translation from error to problem document (RFC 9457).
// What it does not know is logged as it is and told as a plain 500: its text may
// be about the machine.
func (a *API) problem(err error) error {
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
	case errors.Is(err, accounts.ErrLink):
		return huma.NewError(http.StatusGone, "this link is used up, revoked or too old: ask for a new one")
	case errors.Is(err, accounts.ErrTooMany):
		return huma.NewError(http.StatusTooManyRequests, err.Error())
	case errors.Is(err, auth.ErrWrongCode):
		return huma.NewError(http.StatusUnprocessableEntity, "a value is not valid",
			&huma.ErrorDetail{Location: "body.code", Message: "is not the code of this moment: wait for the next one"})
	case errors.Is(err, session.ErrNotFresh):
		return huma.NewError(http.StatusForbidden, "the login was proved too long ago for this: POST /login/step-up first")
	case errors.Is(err, session.ErrShuttingDown):
		return huma.NewError(http.StatusServiceUnavailable, err.Error())
	case errors.Is(err, quota.ErrBusy):
		return huma.NewError(http.StatusConflict, err.Error())
	case errors.Is(err, auth.ErrBusy):
		return huma.NewError(http.StatusServiceUnavailable, "too many logins at once: try again")
	}
	var known huma.StatusError
	if errors.As(err, &known) {
		return err
	}
	a.Log.Error("an administration request failed", "error", err)
	return huma.NewError(http.StatusInternalServerError, "the gateway could not do this; its log says why")
}

// location is where in the body a field stands, under its name in the API.
func location(field string) string {
	if field == wholeBody {
		return field
	}
	return "body." + fieldName(field)
}

// wholeBody is the field of what is wrong with a body as a whole.
const wholeBody = "body"

// etag is the entity tag of a record's revision.
func etag(revision uint64) string { return fmt.Sprintf(`"%d"`, revision) }

// matched refuses a record that is another than If-Match says.
func matched(ifMatch string, revision uint64) error {
	read, err := revisionOf(ifMatch)
	if err == nil && read != 0 && read != revision {
		err = fmt.Errorf("compare with If-Match: %w", state.ErrConflict)
	}
	return err
}

// revisionOf reads If-Match: 0 where it is absent or "*". A tag that is not
// one of ours matches no record.
func revisionOf(ifMatch string) (uint64, error) {
	if ifMatch == "" || ifMatch == "*" {
		return 0, nil
	}
	var revision uint64
	if n, err := fmt.Sscanf(ifMatch, `"%d"`, &revision); n != 1 || err != nil || etag(revision) != ifMatch {
		return 0, huma.NewError(http.StatusPreconditionFailed, "If-Match is no tag of this record")
	}
	return revision, nil
}
