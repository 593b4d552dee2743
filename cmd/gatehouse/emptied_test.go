package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/storage/state/memory"
	sharedstate "gatehouse/storage/state/redis"
)

// Redis loses everything under two nodes: who is in is cut on both, nobody comes in,
// not even the administrator with the password of the first start, and one that is
// killed and started again ends and says why. Once the state is back all goes on.
func TestRedisComesBackEmpty(t *testing.T) {
	t.Parallel()
	server := persistent(t)
	f := newFleet(t, server.URL(), server.URL())
	f.admit(f.nodes[0], "ann", 10_000_000)
	s, err := sharedstate.Open(t.Context(), sharedstate.Options{URL: server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	kept := memory.New()
	if err := kept.Load(t.Context(), s.Dump(t.Context())); err != nil {
		t.Fatal(err)
	}
	in := []*ssh.Client{f.enter(0, "ann"), f.enter(1, "ann")}
	server.Flush(t)
	for i, n := range f.nodes {
		f.within(patience, "a session is cut", func() error {
			if _, _, err := in[i].SendRequest("keepalive@openssh.com", true, nil); err == nil {
				return errors.New("it lives")
			}
			return nil
		})
		f.within(patience, "nobody is let in", func() error {
			if c, err := net.Dial("tcp", n.addr["SFTP"]); err == nil {
				return fmt.Errorf("a door is open: %w", c.Close())
			}
			return nil
		})
		if status, err := n.readiness(); err == nil && status == http.StatusOK {
			t.Error("it says that it is ready")
		}
	}
	f.kill(1)
	f.nodes[1].launch()
	select {
	case <-f.nodes[1].ended:
	case <-time.After(patience):
		t.Fatal("a node starts on a Redis that has lost everything")
	}
	text, err := os.ReadFile(f.nodes[1].logName)
	if f.nodes[1].err == nil || err != nil || !strings.Contains(string(text), "does not have the state of the installation") {
		t.Errorf("it ended with %v, and says:\n%s", f.nodes[1].err, text)
	}
	page, err := s.List(t.Context(), "accounts", "", "", 0)
	if err != nil || len(page.Records) > 0 {
		t.Errorf("accounts were made: %v, %v", page.Records, err)
	}
	f.within(patience, "the state is brought back", func() error { // what a node closes it may write still
		server.Flush(t)
		return s.Load(t.Context(), kept.Dump(t.Context()))
	})
	f.says(f.nodes[0], http.StatusOK)
	f.start(1)
	for i := range f.nodes {
		_ = f.enter(i, "ann").Close()
	}
}

// enter logs in at a node.
func (f *fleet) enter(i int, account string) *ssh.Client {
	f.t.Helper()
	var c *ssh.Client
	f.within(patience, account+" comes in", func() (err error) {
		c, err = ssh.Dial("tcp", f.nodes[i].addr["SFTP"], &ssh.ClientConfig{
			User: account, Auth: []ssh.AuthMethod{ssh.PublicKeys(f.key)}, HostKeyCallback: f.host, Timeout: patience,
		})
		return err
	})
	if c == nil {
		f.t.FailNow()
	}
	f.t.Cleanup(func() { _ = c.Close() })
	return c
}
