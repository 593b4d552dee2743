package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// source is the large file as clients have it, and returned where they put what
// they download when it is looked at.
func (f *farm) source() string   { return filepath.Join(f.data, "source") }
func (f *farm) returned() string { return filepath.Join(f.data, "returned") }

// newSource writes the large file: bytes that do not compress.
func (f *farm) newSource(size int64) error {
	file, err := os.OpenFile(f.source(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(onlyWriter{file}, io.LimitReader(rand.NewChaCha8([32]byte{}), size), make([]byte, 1<<20))
	return errors.Join(err, file.Close())
}

// onlyWriter hides what would make a copy choose buffers of its own.
type onlyWriter struct{ io.Writer }

// holdsBig gives a server the large file, by a link.
func (f *farm) holdsBig(_ context.Context, s *server) error {
	err := os.Link(f.source(), s.local(bigFile))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// holds gives a server a folder of small files.
func holds(folder string, files int, size int64) func(context.Context, *server) error {
	return func(_ context.Context, s *server) error {
		if _, err := os.Stat(s.local(folder)); err == nil {
			return nil
		}
		return s.fill(folder, files, size)
	}
}

// emptied makes a folder anew if it is the one that uploads go to.
func (s *server) emptied(folder string) error {
	if folder != inFolder {
		return nil
	}
	if err := os.RemoveAll(s.local(folder)); err != nil {
		return err
	}
	return s.folder(folder)
}

// upload measures one upload of the large file, and looks whether it arrived.
func (f *farm) upload(ctx context.Context, m *meter, z sizes, move func() error) error {
	arrived := m.server.local(uploaded)
	if err := m.begin(ctx); err != nil {
		return err
	}
	if err := move(); err != nil {
		return err
	}
	if err := m.end(ctx, inGiB(z.large)); err != nil {
		return err
	}
	if m.proof {
		return same(f.source(), arrived)
	}
	info, err := os.Stat(arrived)
	if err == nil && info.Size() != z.large {
		err = fmt.Errorf("%d bytes arrived of %d", info.Size(), z.large)
	}
	return err
}

// download measures one download of the large file to where move is told.
func (f *farm) download(ctx context.Context, m *meter, z sizes, move func(to string) error) error {
	to := os.DevNull
	if m.proof {
		to = f.returned()
	}
	if err := m.begin(ctx); err != nil {
		return err
	}
	if err := move(to); err != nil {
		return err
	}
	if err := m.end(ctx, inGiB(z.large)); err != nil || !m.proof {
		return err
	}
	return errors.Join(same(f.source(), to), os.Remove(to))
}

// same compares two files.
func same(a, b string) error {
	first, err := os.Open(a)
	if err != nil {
		return err
	}
	defer func() { _ = first.Close() }()
	second, err := os.Open(b)
	if err != nil {
		return err
	}
	defer func() { _ = second.Close() }()
	left, right := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(first, left)
		m, end := io.ReadFull(second, right)
		if !bytes.Equal(left[:n], right[:m]) {
			return fmt.Errorf("%s is not %s", b, a)
		}
		if err != nil || end != nil {
			return nil
		}
	}
}

func inGiB(bytes int64) float64 { return float64(bytes) / (1 << 30) }
