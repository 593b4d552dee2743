package mounted

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// What can be wrong with a mount that nodes share.
var (
	// ErrElsewhere says that the other node has another tree mounted.
	ErrElsewhere = errors.New("the node has not this tree mounted")
	// ErrLockless says that files cannot be locked there at all.
	ErrLockless = errors.New("the file system keeps no locks")
	// ErrAlone says that a lock of the other node is not seen here: both can have a
	// file for themselves.
	ErrAlone = errors.New("locks are not seen by other machines")
)

// A Finding is what is wrong with a mount, towards a node where it has a name.
type Finding struct {
	Mount path.Path
	Node  string
	Err   error
}

// Error says it in one sentence.
func (f Finding) Error() string {
	if f.Node == "" {
		return fmt.Sprintf("the mount %s: %v", f.Mount, f.Err)
	}
	return fmt.Sprintf("the mount %s, looked at beside the node %s: %v", f.Mount, f.Node, f.Err)
}

// Unwrap is one of the errors above.
func (f Finding) Unwrap() error { return f.Err }

// Compare looks for the signs of other nodes, which are running. It asks mounts that
// answer, and may say too much of a node that is just starting or stopping.
func (w *Watch) Compare(ctx context.Context, others []string) []Finding {
	var found []Finding
	for _, m := range w.mounts {
		if m.err(time.Now()) == nil {
			found = append(found, m.compare(ctx, others)...)
		}
	}
	return found
}

func (m *mounted) compare(ctx context.Context, others []string) []Finding {
	m.mu.Lock()
	lockless := m.lockless
	m.mu.Unlock()
	if lockless {
		return []Finding{{Mount: m.Path, Err: ErrLockless}}
	}
	var found []Finding
	for _, node := range others {
		if err := m.beside(ctx, node); err != nil {
			found = append(found, Finding{Mount: m.Path, Node: node, Err: err})
		}
	}
	return found
}

func (m *mounted) beside(ctx context.Context, node string) error {
	unlock, err := m.lock(ctx, node, false)
	switch {
	case err == nil:
		return errors.Join(ErrAlone, unlock())
	case errors.Is(err, backend.ErrInUse):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return ErrElsewhere
	}
	return err
}
