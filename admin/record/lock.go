package record

import (
	"encoding/xml"
	"strings"
	"time"

	"gatehouse/storage/locks"
)

// LockView is a lock that stands.
type LockView struct {
	Token          string    `json:"token"`
	Path           string    `json:"path" doc:"in the tree"`
	Depth          string    `json:"depth" enum:"0,infinity" doc:"infinity: with all that is below"`
	Scope          string    `json:"scope" enum:"exclusive,shared"`
	AccountID      string    `json:"account_id"`
	Account        string    `json:"account"`
	Door           string    `json:"door"`
	Owner          string    `json:"owner,omitempty" doc:"what the client said of itself"`
	TimeoutSeconds int64     `json:"timeout_seconds" doc:"how long it holds after each refresh"`
	Expires        time.Time `json:"expires"`
}

// ViewLock shows who keeps what from changing, and until when.
func ViewLock(l locks.Lock) LockView {
	v := LockView{
		Token: l.Token, Path: l.Path.String(), Depth: "0", Scope: "exclusive", AccountID: l.AccountID, Account: l.Account,
		Door: l.Door, Owner: lockOwner(l.Owner), TimeoutSeconds: int64(l.Timeout / time.Second), Expires: l.Expires,
	}
	if l.Deep {
		v.Depth = "infinity"
	}
	if l.Shared {
		v.Scope = "shared"
	}
	return v
}

// lockOwner is the text in what a client sent, which is XML from WebDAV.
func lockOwner(sent string) string {
	var text strings.Builder
	for d := xml.NewDecoder(strings.NewReader(sent)); ; {
		token, err := d.RawToken()
		if err != nil {
			return strings.Join(strings.Fields(text.String()), " ")
		}
		if data, ok := token.(xml.CharData); ok {
			text.Write(data)
		}
	}
}
