package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"gatehouse/cmd/bench/floor"
)

// floorCommand is the word that makes this program the floor.
const floorCommand = "floor"

// arrangeFloor is this program again, as a server.
func arrangeFloor(f *farm) (*server, error) {
	s, err := f.server(floorName, us())
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(f.file("authorized"))
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(floor.Config{
		Root: s.root, User: s.user, Password: s.password, Key: string(key),
		HostKey: f.file("host"), Certificate: f.file("cert.pem"), CertificateKey: f.file("cert.key"),
	})
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var printed io.ReadCloser
	s.command = func() (*exec.Cmd, error) {
		cmd := exec.Command(self, floorCommand, string(config))
		var err error
		if printed, err = cmd.StdoutPipe(); err != nil {
			return nil, err
		}
		return cmd, logTo(cmd, f.file("floor.log"))
	}
	s.collect = func(ctx context.Context) error {
		return errors.Join(s.running.cmd.Process.Signal(syscall.SIGUSR1), pause(ctx, time.Second))
	}
	s.ready = func(ctx context.Context, s *server) error { return told(ctx, s, printed, string(overHTTPS)) }
	return s, nil
}

// serveFloor is what that other process does.
func serveFloor(ctx context.Context, config string) error {
	var c floor.Config
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return fmt.Errorf("the floor's configuration: %w", err)
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() { // ends with the process
		for range asked {
			runtime.GC()
		}
	}()
	return floor.Serve(ctx, c, os.Stdout)
}
