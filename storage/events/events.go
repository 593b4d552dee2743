// Package events is the trail of what happened: logins, changes and file
// operations, one event each, in a stream of the state.
package events

import (
	"net/netip"
	"time"
)

// A Kind names what happened: login, logout, refused, account.create,
// file.upload, file.download, file.list, file.mkdir, file.delete, file.rename, ...
type Kind string

// Kinds that other packages ask for by name.
const (
	Login   Kind = "login"
	Refused Kind = "login.refused"
	Logout  Kind = "logout"
	Cut     Kind = "session.cut"

	Upload     Kind = "file.upload"
	Download   Kind = "file.download"
	ListFolder Kind = "file.list"
	Mkdir      Kind = "file.mkdir"
	Delete     Kind = "file.delete"
	Rename     Kind = "file.rename"
	Copy       Kind = "file.copy"
	SetAttr    Kind = "file.setattr"
	Link       Kind = "file.link"
	Property   Kind = "file.property"
	LockTree   Kind = "file.lock"
	Unlock     Kind = "file.unlock"

	// Lost says that noted events before this one could not be kept; After has
	// their number as "lost".
	Lost Kind = "events.lost"
	// Resumed says that the store takes events again after it had failed.
	Resumed Kind = "events.resumed"
	// Signed holds a checkpoint of the chain before it.
	Signed Kind = "events.checkpoint"
	// Broken says that retention has found the trail changed in what it drops.
	Broken Kind = "events.broken"
	// Unreadable stands for an entry that is no event any more.
	Unreadable Kind = "events.unreadable"
	// QuotaDrift says that a folder held something else than its quota said.
	QuotaDrift Kind = "quota.drift"
)

// An Event is one thing that happened, by whom, from where and how it ended.
type Event struct {
	Position   uint64         `json:"position"`
	Time       time.Time      `json:"time"`
	Kind       Kind           `json:"kind"`
	Outcome    string         `json:"outcome"` // ok | refused | failed | cut | aborted
	Rule       string         `json:"rule,omitempty"`
	Reference  string         `json:"reference,omitempty"` // of a refusal
	Reason     string         `json:"reason,omitempty"`
	Account    string         `json:"account,omitempty"`
	AccountID  string         `json:"account_id,omitempty"`
	Group      string         `json:"group,omitempty"` // the name of a group that was changed
	Actor      string         `json:"actor,omitempty"` // who changed it, where not the account
	Credential string         `json:"credential,omitempty"`
	Door       string         `json:"door,omitempty"`
	Address    netip.Addr     `json:"address,omitzero"`
	Transport  string         `json:"transport,omitempty"` // of a login or its refusal
	Session    string         `json:"session,omitempty"`
	Node       string         `json:"node,omitempty"`
	Path       string         `json:"path,omitempty"`
	Target     string         `json:"target,omitempty"` // of a rename, copy or link
	Bytes      int64          `json:"bytes,omitempty"`  // sent or received by a handle
	Took       time.Duration  `json:"took_ns,omitempty"`
	Before     map[string]any `json:"before,omitempty"`
	After      map[string]any `json:"after,omitempty"`
}

// SocketActor is who changed something over the local socket; in events the uid
// of the peer follows in brackets.
const SocketActor = "socket"

// Outcomes.
const (
	OK      = "ok"
	Denied  = "refused"
	Failed  = "failed"
	WasCut  = "cut"
	Aborted = "aborted"
)
