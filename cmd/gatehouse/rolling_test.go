package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// A traveller is OpenSSH's sftp at a fleet: it knows one server, and trusts no other.
type traveller struct {
	f   *fleet
	dir string // its own, with the options and what it has got
	at  string // the front
}

func (f *fleet) traveller() *traveller {
	f.t.Helper()
	needs(f.t, "has:sftp")
	v := &traveller{f: f, dir: f.t.TempDir(), at: f.front["SFTP"].addr}
	block, err := ssh.MarshalPrivateKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)), "")
	if err != nil {
		f.t.Fatal(err)
	}
	host, port, _ := strings.Cut(v.at, ":")
	options := fmt.Sprintf("Host fleet\nHostName %s\nPort %s\nUser anna\nBatchMode yes\nIdentitiesOnly yes\nIdentityFile %s\nStrictHostKeyChecking accept-new\nUserKnownHostsFile %s\n",
		host, port, v.path("key"), v.path("known"))
	v.write("key", pem.EncodeToMemory(block))
	v.write("options", []byte(options))
	return v
}

func (v *traveller) path(name string) string { return filepath.Join(v.dir, name) }

func (v *traveller) write(name string, content []byte) {
	v.f.t.Helper()
	if err := os.WriteFile(v.path(name), content, 0o600); err != nil {
		v.f.t.Fatal(err)
	}
}

// does runs one command of sftp, at so many kbit/s, 0 as fast as it can.
func (v *traveller) does(ctx context.Context, kbits int, command string) error {
	args := []string{"-F", v.path("options"), "-b", "-"}
	if kbits > 0 {
		args = append(args, "-l", fmt.Sprint(kbits))
	}
	sftp := exec.CommandContext(ctx, "sftp", append(args, "fleet")...)
	sftp.Dir, sftp.Stdin = v.dir, strings.NewReader(command+"\n")
	if out, err := sftp.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// A rolling restart: each node in turn is told to stop while somebody is in the
// middle of an upload and of a download there. Who comes again is at another node,
// which shows the same host key, goes on where it was cut, and misses nothing. Of
// the node that has stopped there is nothing to be settled.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	url := persistent(t).URL()
	f := newFleet(t, url, url)
	v := f.traveller()
	f.admit(f.nodes[0], "anna", 100<<20)
	content := make([]byte, 6<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	v.write("up", content)
	for i := range f.nodes { // a grace period that no transfer outlasts would show nothing
		f.leave(i)
		f.nodes[i].stop()
		f.nodes[i].extra = append(f.nodes[i].extra, "GATEHOUSE_SHUTDOWN_GRACE=100ms")
		f.start(i)
	}
	if err := v.does(t.Context(), 0, "put up first"); err != nil {
		t.Fatal(err)
	}
	for _, work := range []struct{ begin, goOn, got string }{
		{"put up second", "reput up second", filepath.Join(f.tree, "home", "anna", "second")},
		{"get first down", "reget first down", v.path("down")},
	} {
		v.roll(work.begin, work.goOn, work.got, content)
	}
	f.sound(f.nodes[0])
}

// roll restarts the node at which a transfer is, which then goes on.
func (v *traveller) roll(begin, goOn, got string, want []byte) {
	v.f.t.Helper()
	ctx, cancel := context.WithTimeout(v.f.t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- v.does(ctx, 4096, begin) }() // 12 s for all of it
	v.f.within(30*time.Second, begin+" is under way", func() error {
		info, err := os.Stat(got)
		if err == nil && info.Size() < 1<<20 {
			err = errors.New("it has just begun")
		}
		return err
	})
	serving := -1
	v.f.within(patience, "a node that serves it is listed", func() error {
		if serving = v.f.serving("anna"); serving < 0 {
			return errors.New("nobody serves it")
		}
		return nil
	})
	if serving < 0 {
		v.f.t.FailNow()
	}
	v.f.nodes[serving].signal(syscall.SIGTERM)
	if err := <-ended; err == nil {
		v.f.t.Errorf("%s came to its end: nothing was cut", begin)
	}
	<-v.f.nodes[serving].ended
	v.f.leave(serving)
	if err := v.f.nodes[serving].err; err != nil {
		v.f.t.Errorf("the node ended with %v", err)
	}
	other := v.f.nodes[1-serving]
	var list []struct{ Node, State string }
	other.must("GET", "/nodes", nil, &list)
	if len(list) != 1 {
		v.f.t.Errorf("the node that has stopped is listed: %+v", list)
	}
	if err := v.does(ctx, 0, goOn); err != nil {
		v.f.t.Errorf("%s at another node: %v", goOn, err)
	}
	if stored, err := os.ReadFile(got); err != nil || !bytes.Equal(stored, want) {
		v.f.t.Errorf("after %s there are %d bytes of %d, %v", goOn, len(stored), len(want), err)
	}
	v.f.start(serving)
}

// serving is the node at which an account is, -1 where it is nowhere.
func (f *fleet) serving(account string) int {
	f.t.Helper()
	list, err := listed(f.nodes[0])
	if err != nil {
		f.t.Fatal(err)
	}
	for _, p := range list {
		for i, n := range f.nodes {
			if n.cmd != nil && p.Account == account && slices.Contains(p.Nodes, n.name()) {
				return i
			}
		}
	}
	return -1
}
