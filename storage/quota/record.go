package quota

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"gatehouse/policy/path"
	"gatehouse/storage/state"
)

// Where quotas are kept. A record's name is its folder, which may hold any
// bytes; its counters have a scope of their own, by its id, so that a quota that
// is removed and set again begins anew.
const (
	scope         = "quotas"
	recordPrefix  = "quota"    // and the folder: quota/home/bob
	reclaimPrefix = "reclaim/" // and ID/NODE/EPOCH: who is short of room asks the other nodes
	// openScope has a record for each quota of which a node may have removed
	// something that is not yet booked: ID/NODE/EPOCH. ID/doubted is for one
	// whose figure is not to be relied on.
	openScope    = "quotas:open"
	doubted      = "doubted"
	closedMark   = "closed" // ID/closed: when a node last took its note away
	counterScope = "quota:" // and the id
)

// record is a quota as it is kept.
type record struct {
	ID    string `json:"id"`
	Bytes int64  `json:"bytes"` // negative: unlimited
	Files int64  `json:"files"`
	Owner string `json:"owner,omitempty"`
	// Counted is false until what the folder held was counted: until then
	// nothing is refused.
	Counted bool `json:"counted"`
}

func newID() string {
	var b [12]byte
	rand.Read(b[:]) // never fails: it ends the program where the system has no randomness
	return hex.EncodeToString(b[:])
}

func recordName(folder path.Path) string { return recordPrefix + folder.String() }

// folderOf is the inverse of recordName.
func folderOf(name string) (path.Path, bool) {
	s, ok := strings.CutPrefix(name, recordPrefix)
	if !ok || !strings.HasPrefix(s, "/") {
		return path.Path{}, false
	}
	p, err := path.Parse(s)
	return p, err == nil
}

func encode(r record) ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write a quota: %w", err)
	}
	return b, nil
}

func decode(r state.Record) (record, error) {
	var got record
	if err := json.Unmarshal(r.Value, &got); err != nil {
		return got, fmt.Errorf("read the record %q: %w", r.Name, err)
	}
	return got, nil
}
