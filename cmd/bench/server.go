package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// A door is a way into a server.
type door string

const (
	overSFTP  door = "SFTP"
	overFTP   door = "FTP"
	overHTTP  door = "HTTP"
	overHTTPS door = "HTTPS"
)

// A server is one of those compared: the gateway, the floor or a peer.
type server struct {
	name     string
	root     string // the folder on this machine that its user sees
	owner    owner
	user     string
	prefix   map[door]string // what the root is called there; "" where it is the root
	addr     map[door]string
	command  func() (*exec.Cmd, error)            // how it is started, each time anew
	ready    func(context.Context, *server) error // waits until it serves; nil: until all its addresses answer
	collect  func(context.Context) error          // gives up memory that nothing uses; nil: there is none
	running  *process
	password string
}

// start runs the server until stop.
func (s *server) start(ctx context.Context, g *groups) error {
	cmd, err := s.command()
	if err != nil {
		return err
	}
	if s.running, err = launch(cmd, g, s.name); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if s.ready != nil {
		err = s.ready(ctx, s)
	} else {
		for _, address := range s.addr {
			err = errors.Join(err, s.running.answers(ctx, address))
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", s.name, err), s.stop())
	}
	return nil
}

func (s *server) stop() error {
	if s.running == nil {
		return nil
	}
	err := s.running.stop()
	s.running = nil
	if err != nil {
		return fmt.Errorf("stop %s: %w", s.name, err)
	}
	return nil
}

// collected gives up what the start and first clients have left, so that what
// is measured from then on is that of those who come. It returns what remains.
func (s *server) collected(ctx context.Context) (int64, error) {
	for range 2 { // what is pooled lives through one collection
		if s.collect == nil {
			break
		}
		if err := s.collect(ctx); err != nil {
			return 0, err
		}
	}
	return s.steady(ctx)
}

// steady waits until the memory falls no more: it is given back to the kernel
// little by little.
func (s *server) steady(ctx context.Context) (int64, error) {
	const look, enough, most, much = 500 * time.Millisecond, 4, 60, 256 << 10
	last, err := s.running.memory()
	for looks, still := 0, 0; err == nil && still < enough && looks < most; looks++ {
		if err := pause(ctx, look); err != nil {
			return 0, err
		}
		var now int64
		now, err = s.running.memory()
		still++
		if now < last-much {
			last, still = now, 0
		}
	}
	return last, err
}

// path is what a client calls something below the root.
func (s *server) path(d door, name string) string { return s.prefix[d] + "/" + name }

// local is where something below the root lies on this machine.
func (s *server) local(name string) string { return filepath.Join(s.root, name) }

// folder makes a folder below the root, past the server.
func (s *server) folder(name string) error { return s.owner.folder(s.local(name)) }

// fill makes files of the same size below the root, past the server.
func (s *server) fill(folder string, files int, size int64) error {
	if err := s.folder(folder); err != nil {
		return err
	}
	text := make([]byte, size)
	for i := range files {
		name := s.local(filepath.Join(folder, numbered(i)))
		if err := os.WriteFile(name, text, 0o644); err != nil {
			return err
		}
		if err := os.Chown(name, s.owner.uid, s.owner.gid); err != nil {
			return err
		}
	}
	return nil
}

// numbered is the name of one of many files.
func numbered(i int) string { return fmt.Sprintf("file-%05d.dat", i) }
