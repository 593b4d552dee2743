package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// A fleet is several gateways that act as one: on one Redis and one tree of
// files, behind a front at which each connection goes to the next of them.
type fleet struct {
	t     *testing.T
	tree  string
	nodes []*node
	front map[string]*front // by door
	key   ssh.Signer        // of every account
	host  ssh.HostKeyCallback
}

// lease is how long a node of a fleet holds what it has without being heard of.
const lease = 10 * time.Second

// newFleet starts nodes whose state is at the URLs, each at the next one.
func newFleet(t *testing.T, urls ...string) *fleet {
	t.Helper()
	dir := t.TempDir()
	f := &fleet{t: t, tree: filepath.Join(dir, "tree"), front: map[string]*front{}, key: newLoadKey(t), host: trustOnce()}
	if err := os.Mkdir(f.tree, 0o750); err != nil {
		t.Fatal(err)
	}
	for i, url := range urls {
		n := newNode(t, filepath.Join(dir, fmt.Sprint("node", i)))
		n.tree = f.tree
		n.extra = []string{
			"GATEHOUSE_STATE_KIND=redis", "GATEHOUSE_STATE_URL=" + url, "GATEHOUSE_SECRET_KEY=" + strings.Repeat("5e", 32),
			"GATEHOUSE_NODE_LEASE=" + lease.String(), fmt.Sprintf("GATEHOUSE_MOUNTS=[{path: /, kind: local, dir: %s}]", f.tree),
		}
		f.nodes = append(f.nodes, n)
	}
	for _, door := range []string{"SFTP", "FTP", "HTTP"} {
		f.front[door] = newFront(t, len(urls))
	}
	for i := range f.nodes {
		f.start(i)
	}
	f.nodes[0].must(http.MethodPatch, "/site", map[string]any{"plain_ftp": "allow"}, nil)
	return f
}

// start starts a node, and has the front know of it.
func (f *fleet) start(i int) {
	f.t.Helper()
	f.nodes[i].start()
	f.join(i)
}

func (f *fleet) join(i int) {
	for door, front := range f.front {
		front.to[i].Store(f.nodes[i].addr[door])
	}
}

// leave has the front know that a node is not to be had.
func (f *fleet) leave(i int) {
	for _, front := range f.front {
		front.to[i].Store("")
	}
}

// kill ends a node as a power cut would.
func (f *fleet) kill(i int) {
	f.nodes[i].kill()
	f.leave(i)
}

// admit makes an account, known on all nodes that the front knows, with a quota.
func (f *fleet) admit(by *node, name string, quota int64) {
	f.t.Helper()
	by.must(http.MethodPost, "/accounts", map[string]any{
		"username": name, "password": accountPassword, "keys": []string{string(ssh.MarshalAuthorizedKey(f.key.PublicKey()))},
		"quota": map[string]any{"limit_bytes": quota},
	}, nil)
	for _, n := range f.nodes {
		f.within(patience, name+" is known everywhere", func() error {
			if n.cmd == nil {
				return nil
			}
			return n.api(http.MethodGet, "/accounts/"+name, nil, nil)
		})
	}
}

// within asks that something holds in time.
func (f *fleet) within(d time.Duration, what string, holds func() error) {
	f.t.Helper()
	var err error
	for end := time.Now().Add(d); ; time.Sleep(5 * time.Millisecond) {
		if err = holds(); err == nil {
			return
		}
		if time.Now().After(end) {
			f.t.Errorf("%s: not within %v: %v", what, d, err)
			return
		}
	}
}

// A visit is how a writer of the fleet comes in.
func (f *fleet) visit(account, door, folder string) (client, error) {
	switch door {
	case "SFTP":
		return overSFTP(f.front[door].addr, account, folder, f.key, f.host)
	case "FTP":
		return overFTP(f.front[door].addr, account, folder, accountPassword)
	}
	return overDAV(f.front["HTTP"].addr, account, folder, accountPassword)
}

// sound asks that all is in order, at a node that lives: what is charged is what
// lies there, no quota is passed, nothing is staged, and every session is one of a
// node that lives.
func (f *fleet) sound(at *node) {
	f.t.Helper()
	f.within(4*lease+settling, "the ledger is what is on disk", func() error { return f.agrees(at) })
	f.within(4*lease, "nothing is staged", func() error {
		staged, err := onDisk(filepath.Join(f.tree, ".gatehouse", "staging"))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		for name, content := range staged {
			if content != nil {
				return fmt.Errorf("%s, %d bytes, is staged", name, len(content))
			}
		}
		return err
	})
	f.noDrift(at)
	f.within(4*lease, "no session is of a dead node", func() error { return f.noGhosts(at) })
}

// agrees compares all quotas with what their folders hold.
func (f *fleet) agrees(at *node) error {
	var list []figure
	if err := at.api(http.MethodGet, "/quotas", nil, &list); err != nil {
		return err
	}
	for _, q := range list {
		bytes, files, err := stored(filepath.Join(f.tree, filepath.FromSlash(q.Path)))
		if err != nil || q.Counting || q.UsedBytes != bytes || q.UsedFiles != files {
			return fmt.Errorf("%+v holds %d bytes in %d files, %v", q, bytes, files, err)
		}
		if over(q.LimitBytes, bytes) || over(q.LimitFiles, files) {
			return fmt.Errorf("%+v holds more than it may: %d bytes in %d files", q, bytes, files)
		}
	}
	return nil
}

// noDrift asks that counting anew finds what was charged.
func (f *fleet) noDrift(at *node) {
	f.t.Helper()
	var list []figure
	at.must(http.MethodGet, "/quotas", nil, &list)
	for _, q := range list {
		var found figure
		at.must(http.MethodPost, "/quotas/rescan", map[string]any{"path": q.Path}, &found)
		if found.UsedBytes != q.UsedBytes || found.UsedFiles != q.UsedFiles {
			f.t.Errorf("counted anew: %+v, charged was %+v", found, q)
		}
	}
}

// noGhosts finds nobody who was on a node that is no more.
func (f *fleet) noGhosts(at *node) error {
	list, err := listed(at)
	if err != nil {
		return err
	}
	for _, n := range f.nodes {
		if n.cmd != nil {
			continue
		}
		for _, d := range list {
			if slices.Contains(d.Nodes, n.name()) {
				return fmt.Errorf("%s has a session on a dead node: %+v", d.Account, d)
			}
		}
	}
	return nil
}

// A present session is one that is listed.
type present struct {
	ID, Account string
	Nodes       []string
}

// listed are the sessions of all nodes, as one of them knows.
func listed(at *node) (list []present, err error) {
	err = at.api(http.MethodGet, "/sessions", nil, &list)
	return list, err
}

// name is a node's among those that share a state.
func (n *node) name() string {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join(n.data, "node"))
	if err != nil {
		n.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// signal signals a node's process.
func (n *node) signal(s syscall.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		n.t.Fatal(err)
	}
}

// readiness is what a load balancer is told of a node.
func (n *node) readiness() (status int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.addr["metrics"]+"/readyz", nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

// says waits until a node tells a load balancer that it is ready, or not.
func (f *fleet) says(n *node, want int) {
	f.t.Helper()
	f.within(10*lease, fmt.Sprintf("readiness is %d", want), func() error {
		if got, err := n.readiness(); err != nil || got != want {
			return fmt.Errorf("%d, %w", got, err)
		}
		return nil
	})
}

// buried waits until a node is known as dead and what it left is settled.
func (f *fleet) buried(at, dead *node) {
	f.t.Helper()
	name := dead.name()
	f.within(20*lease, "a node is buried", func() error { // by who was heard of all the while
		var list []struct{ Node, State string }
		if err := at.api(http.MethodGet, "/nodes", nil, &list); err != nil {
			return err
		}
		for _, n := range list {
			if n.Node == name {
				return fmt.Errorf("it is listed: %+v", list)
			}
		}
		return nil
	})
}
