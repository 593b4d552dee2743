package provision

import (
	"slices"
	"sync"

	"gatehouse/policy/path"
	"gatehouse/storage/keyed"
	"gatehouse/storage/quota"
)

// order has the work on homes and quotas done on this node in order, and knows where
// the quotas stand that follow accounts and groups.
type order struct {
	work sync.Mutex
	// owners makes one step of looking at an owner and setting its quota. Who
	// holds an owner may wait for one of folders, never the other way round.
	owners keyed.Mutex[string]
	// folders makes one step of looking whose quota is on a folder and setting it.
	folders keyed.Mutex[path.Path]

	mu     sync.Mutex             // guards what follows
	stands map[string][]path.Path // by owner; more than one where a node died between two
}

// standing are those whose quotas stand, and notes where. What has moved
// meanwhile is found when its owner's turn comes.
func (o *order) standing(l *quota.Ledger) map[string]bool {
	found := make(map[string]bool)
	for _, q := range l.Limits(path.Root) {
		if q.Owner != "" {
			found[q.Owner] = true
			o.stand(q.Owner, q.Folder)
		}
	}
	return found
}

// stand notes where the quota of an owner is.
func (o *order) stand(owner string, folder path.Path) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stands == nil {
		o.stands = make(map[string][]path.Path)
	}
	if !slices.Contains(o.stands[owner], folder) {
		o.stands[owner] = append(o.stands[owner], folder)
	}
}

// unstand notes that an owner has no quota on a folder.
func (o *order) unstand(owner string, folder path.Path) {
	o.mu.Lock()
	defer o.mu.Unlock()
	left := slices.DeleteFunc(o.stands[owner], func(p path.Path) bool { return p == folder })
	if o.stands[owner] = left; len(left) == 0 {
		delete(o.stands, owner)
	}
}

func (o *order) standsAt(owner string) []path.Path {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.stands[owner])
}
