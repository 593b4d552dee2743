package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"gatehouse/storage/pause"
	"gatehouse/storage/state/bolt"
)

// lockName is the file by which a gateway has a data folder for itself, whatever
// keeps its state.
const lockName = "lock"

// A gateway that is just ending is waited for.
const (
	lockPatience = 500 * time.Millisecond
	lockPause    = 20 * time.Millisecond
)

// lockData takes a data folder; bolt.ErrInUse where another gateway has it. The
// lock goes with the process, however that ends.
func lockData(ctx context.Context, dir string) (unlock func() error, err error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	for began := time.Now(); ; {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err == nil:
			return f.Close, nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			return nil, fmt.Errorf("lock the data folder: %w", err)
		case time.Since(began) > lockPatience:
			return nil, bolt.ErrInUse
		}
		if pause.For(ctx, lockPause) != nil {
			return nil, context.Cause(ctx)
		}
	}
}
