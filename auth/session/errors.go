package session

import (
	"gatehouse/policy/guard"
	"gatehouse/storage/backend"
	"gatehouse/storage/locks"
	"gatehouse/storage/quota"
	"gatehouse/storage/staging"
	"gatehouse/storage/state"
)

// Errors of a session's file system that carry more than a kind, under names
// that front ends may import.
type (
	DeniedError      = guard.DeniedError
	UnsupportedError = guard.UnsupportedError
	LockedError      = locks.LockedError
	ExceededError    = quota.ExceededError
)

// Kinds of errors of a session's file system, beside fs.ErrNotExist,
// fs.ErrExist, fs.ErrPermission and fs.ErrInvalid.
var (
	ErrLocked       = locks.ErrLocked
	ErrNoLock       = locks.ErrNoLock
	ErrTooManyLocks = locks.ErrTooMany
	ErrExceeded     = quota.ErrExceeded
	ErrNoSpace      = backend.ErrNoSpace
	ErrCrossMount   = backend.ErrCrossMount
	ErrNotEmpty     = backend.ErrNotEmpty
	ErrIsDir        = backend.ErrIsDir
	ErrNotDir       = backend.ErrNotDir
	ErrBusy         = backend.ErrBusy
	ErrUnsupported  = backend.ErrUnsupported
	ErrSpecial      = backend.ErrSpecial
	ErrLink         = backend.ErrLink
	ErrChanged      = guard.ErrChanged
	// ErrManyUploads says that as many uploads are staged as this node allows.
	ErrManyUploads = staging.ErrTooMany
	// ErrAway says that there may be room, and that nobody knows.
	ErrAway = quota.ErrAway
	// ErrInUse says that another node is changing the file, ErrStateAway that this one
	// cannot be sure of what it holds: both pass.
	ErrInUse     = backend.ErrInUse
	ErrStateAway = state.ErrAway
	// ErrStateFull is the ErrStateAway of a state that takes nothing new.
	ErrStateFull = state.ErrFull
	// ErrUnknown and ErrClosed say that the state is away.
	ErrUnknown = state.ErrUnknown
	ErrClosed  = state.ErrClosed
)
