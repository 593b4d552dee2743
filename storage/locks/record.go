package locks

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/state"
)

// Names in a scope.
const (
	scopePrefix = "locks:"
	lockPrefix  = "lock/"
	generation  = "generation"
)

// record is a lock as it is kept. A path and an owner may hold any bytes, which
// text in JSON cannot.
type record struct {
	Path      []byte        `json:"path"`
	Deep      bool          `json:"deep,omitempty"`
	Shared    bool          `json:"shared,omitempty"`
	AccountID string        `json:"account_id"`
	Account   string        `json:"account"`
	Door      string        `json:"door"`
	Owner     []byte        `json:"owner,omitempty"`
	Timeout   time.Duration `json:"timeout"`
}

func encode(l *Lock) ([]byte, error) {
	b, err := json.Marshal(record{
		Path: []byte(l.Path.String()), Deep: l.Deep, Shared: l.Shared,
		AccountID: l.AccountID, Account: l.Account, Door: l.Door,
		Owner: []byte(l.Owner), Timeout: l.Timeout,
	})
	if err != nil {
		return nil, fmt.Errorf("write the lock of %s: %w", l.Path, err)
	}
	return b, nil
}

func decode(r state.Record) (*Lock, error) {
	var got record
	if err := json.Unmarshal(r.Value, &got); err != nil {
		return nil, fmt.Errorf("read the record %q: %w", r.Name, err)
	}
	p, err := path.Parse(string(got.Path))
	if err != nil {
		return nil, fmt.Errorf("read the record %q: %w", r.Name, err)
	}
	return &Lock{
		Token: r.Name[len(lockPrefix):], Path: p, Deep: got.Deep, Shared: got.Shared,
		AccountID: got.AccountID, Account: got.Account, Door: got.Door,
		Owner: string(got.Owner), Timeout: got.Timeout, Expires: r.Expires,
	}, nil
}

// newToken returns a token that nobody can guess (RFC 4918 6.5).
func newToken() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: it ends the program where the system has no randomness
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
