package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

// profiled is for how many seconds each work is looked at.
const profiled = 10

// profile does each work on the gateway again and again, and writes where its
// processor time went. Works that start it anew are passed over.
func (f *farm) profile(ctx context.Context, works []*work, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, w := range works {
		if w.anew {
			continue
		}
		if err := f.profileOf(ctx, w, filepath.Join(dir, w.name+".pprof")); err != nil {
			return fmt.Errorf("profile %s: %w", w.name, err)
		}
	}
	return nil
}

func (f *farm) profileOf(ctx context.Context, w *work, file string) error {
	s := f.servers[0] // the gateway is the first to be started
	if w.prepare != nil {
		if err := w.prepare(ctx, s); err != nil {
			return err
		}
	}
	taken := make(chan error, 1)
	go func() { taken <- f.fetch(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", profiled), file) }() // ends with the profile
	for {
		err := w.run(ctx, &meter{server: s})
		select {
		case failed := <-taken:
			return errors.Join(failed, err)
		default:
		}
		if err != nil {
			return errors.Join(err, <-taken)
		}
	}
}

// fetch writes to a file what the local socket of the gateway answers.
func (f *farm) fetch(ctx context.Context, path, file string) error {
	to, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(f.debug(ctx, path, to), to.Close())
}

// debug asks the local socket of the gateway about the process.
func (f *farm) debug(ctx context.Context, path string, to io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return err
	}
	resp, err := f.local().Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, resp.Body)
	if resp.StatusCode != http.StatusOK {
		err = errors.Join(err, errors.New(resp.Status))
	}
	return errors.Join(err, resp.Body.Close())
}
