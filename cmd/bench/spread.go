package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// A session is a client that is logged in.
type session interface {
	upload(name string, bytes int64) error
	download(name string, bytes int64) error
	close()
}

// A dialer logs a client in at one door.
type dialer func(context.Context, *server) (session, error)

// openAll logs several clients in, one after the other. It returns those that
// came in with the error too.
func openAll[S session](n int, dial func() (S, error)) ([]S, error) {
	var all []S
	for range n {
		s, err := dial()
		if err != nil {
			return all, err
		}
		all = append(all, s)
	}
	return all, nil
}

// move uploads a file, and downloads it.
func move(s session, name string, bytes int64) error {
	if err := s.upload(name, bytes); err != nil {
		return err
	}
	return s.download(name, bytes)
}

func closeAll[S session](all []S) {
	for _, s := range all {
		s.close()
	}
}

// spread measures n operations that several workers do side by side.
func (m *meter) spread(ctx context.Context, n, workers int, do func(who, i int) error) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	errs := make([]error, workers)
	var next atomic.Int64
	var running sync.WaitGroup
	for who := range workers {
		running.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && errs[who] == nil && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				errs[who] = do(who, i)
			}
		})
	}
	running.Wait()
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return err
	}
	return m.end(ctx, float64(n))
}
