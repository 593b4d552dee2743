package main

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/storage/events"
)

// A load is everybody who works on a gateway: administrators, and writers over
// each door into accounts with much and with little room.
type load struct {
	t       *testing.T
	node    *node
	writers []*writer
	admins  []*administrator
	key     ssh.Signer // of every writer
	host    ssh.HostKeyCallback

	quotas   map[string]figure // of folders, beside the accounts'
	arriving chan struct{}     // bounds how many log in at a time

	stopping atomic.Bool
	killed   atomic.Bool
	steps    atomic.Int64 // acknowledged since the load began
	refused  atomic.Int64 // for want of room, since then
	began    time.Time
	running  sync.WaitGroup

	mu     sync.Mutex     // guards what follows
	logins map[string]int // since the load began, by account and door
	errs   []error
}

// Accounts of the writers.
const (
	roomy = "anna"  // much room; as many sessions as she has writers
	tight = "berta" // little room
	calm  = "carl"  // all uploads are atomic
)

const accountPassword = "written many times over"

// newLoad arranges accounts and folders on a gateway that runs.
func newLoad(t *testing.T, n *node, seed uint64) *load {
	t.Helper()
	l := &load{t: t, node: n, key: newLoadKey(t), host: trustOnce(), quotas: map[string]figure{}, arriving: make(chan struct{}, 12)}
	n.must(http.MethodPatch, "/site", map[string]any{"plain_ftp": "allow"}, nil)
	n.must(http.MethodPut, "/quotas", map[string]any{"path": "/home", "limit_bytes": 1 << 40}, nil)
	for name, settings := range map[string]map[string]any{
		roomy: {"quota": map[string]any{"limit_bytes": 1 << 30, "limit_files": 10_000}, "limits": map[string]any{"sessions": 3}},
		tight: {"quota": map[string]any{"limit_bytes": tightBytes, "limit_files": tightFiles}},
		calm:  {"quota": map[string]any{"limit_files": 1000}, "uploads": "atomic"},
	} {
		settings["username"], settings["password"], settings["keys"] = name, accountPassword, []string{l.line()}
		n.must(http.MethodPost, "/accounts", settings, nil)
	}
	for _, account := range []string{roomy, tight, calm} {
		for _, door := range []string{"SFTP", "FTP", "WebDAV"} {
			l.writers = append(l.writers, l.newWriter(account, door))
		}
	}
	l.admins = []*administrator{newAdministrator(n, "qa", true), newAdministrator(n, "qb", false)}
	now, err := l.admins[0].present()
	if err != nil {
		t.Fatal(err)
	}
	l.admins[0].staff.Days = now.Days
	l.sow(seed)
	for _, dir := range []string{"shared", "home/" + roomy, "home/" + tight, "home/" + calm} {
		l.mkdir(dir)
	}
	for _, w := range l.writers {
		l.mkdir("home/" + w.account + w.folder)
	}
	return l
}

func newLoadKey(t testing.TB) ssh.Signer {
	t.Helper()
	key, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// line is the key of every writer.
func (l *load) line() string { return string(ssh.MarshalAuthorizedKey(l.key.PublicKey())) }

// mkdir makes a folder as somebody would on the machine itself.
func (l *load) mkdir(tree string) {
	l.t.Helper()
	if err := os.MkdirAll(l.node.files(tree), 0o750); err != nil {
		l.t.Fatal(err)
	}
}

// sow gives everybody its own source of choices.
func (l *load) sow(seed uint64) {
	for i, w := range l.writers {
		w.steps.random = seeded(seed, 100+i)
	}
	for i, a := range l.admins {
		a.plan.random = seeded(seed, 200+i)
	}
}

// trustOnce takes the first host key that it sees, and no other after it.
func trustOnce() ssh.HostKeyCallback {
	var mu sync.Mutex
	var seen []byte
	return func(_ string, _ net.Addr, key ssh.PublicKey) error {
		mu.Lock()
		defer mu.Unlock()
		if seen == nil {
			seen = key.Marshal()
		}
		if !bytes.Equal(seen, key.Marshal()) {
			return errors.New("the host key has changed")
		}
		return nil
	}
}

func (l *load) newWriter(account, door string) *writer {
	return l.newWriterAt(account, door, "/"+strings.ToLower(door))
}

func (l *load) newWriterAt(account, door, folder string) *writer {
	w := &writer{account: account, door: door, folder: folder, holds: holdings{}, atomic: account == calm || account == tidy || door == "WebDAV"}
	w.steps.large = 2_000_000
	if account == tight {
		w.steps.large = 700_000
	}
	w.steps.verbs = []string{put, put, put, put, remove, mkdir, move, move, rmdir}
	switch door {
	case "SFTP":
		w.connect = func() (client, error) { return overSFTP(l.node.addr["SFTP"], account, folder, l.key, l.host) }
		w.steps.verbs = append(w.steps.verbs, truncate)
		if account != calm && account != tidy {
			w.steps.verbs = append(w.steps.verbs, scatter, scatter)
		}
	case "FTP":
		w.connect = func() (client, error) { return overFTP(l.node.addr["FTP"], account, folder, accountPassword) }
	default:
		w.connect = func() (client, error) { return overDAV(l.node.addr["HTTP"], account, folder, accountPassword) }
		w.steps.verbs = []string{put, put, put, put, remove, mkdir, move, move, duplicate, duplicate, removeAll}
	}
	if !w.atomic {
		w.steps.verbs = append(w.steps.verbs, resume, resume)
	}
	return w
}

// begin lets everybody work.
func (l *load) begin() {
	l.stopping.Store(false)
	l.killed.Store(false)
	l.steps.Store(0)
	l.refused.Store(0)
	l.began, l.logins = time.Now(), map[string]int{}
	for _, w := range l.writers {
		l.spawn(w.work)
	}
	for _, a := range l.admins {
		l.spawn(a.work)
	}
}

func (l *load) spawn(work func(*load) error) {
	l.running.Go(func() {
		if err := work(l); err != nil && !l.killed.Load() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.errs = append(l.errs, err)
		}
	})
}

// in says that a login was answered.
func (l *load) in(account, door string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.logins[account+" "+strings.ToLower(door)]++
}

func (l *load) did() { l.steps.Add(1) }

func (l *load) stopped() bool { return l.stopping.Load() }

// worked waits until so many steps were acknowledged.
func (l *load) worked(steps int64) {
	l.t.Helper()
	for deadline := time.Now().Add(time.Minute); l.steps.Load() < steps; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Errorf("%d steps were acknowledged within a minute, of %d", l.steps.Load(), steps)
			return
		}
	}
}

// kill ends the gateway in the middle of it all.
func (l *load) kill() {
	l.t.Helper()
	l.killed.Store(true)
	l.node.kill()
	l.stopping.Store(true)
	l.end()
}

// end waits until nobody works any more.
func (l *load) end() {
	l.t.Helper()
	l.stopping.Store(true)
	l.running.Wait()
	for _, err := range l.errs {
		l.t.Errorf("refused while the gateway was up: %v", err)
	}
	l.errs = nil
}

// verify compares everybody's journal with what is there.
func (l *load) verify() {
	l.t.Helper()
	l.verifyTrail()
	for _, w := range l.writers {
		if err := w.verify(l.node.files("home/" + w.account + w.folder)); err != nil {
			l.t.Error(err)
		}
	}
	for _, a := range l.admins {
		if err := a.verify(); err != nil {
			l.t.Error(err)
		}
	}
	l.verifyQuotas()
}

// verifyTrail finds an event of every acknowledged change and login.
func (l *load) verifyTrail() {
	l.t.Helper()
	must, may := map[string]int{}, map[string]int{}
	for _, a := range l.admins {
		a.trail(must, may)
	}
	l.verifyEvents(must, may)
	logins, err := l.events("login")
	if err != nil {
		l.t.Fatal(err)
	}
	for who := range l.logins {
		if logins["login "+who] == 0 {
			l.t.Errorf("no event of the login %s; there are %v", who, logins)
		}
	}
	var chain events.Report
	l.node.must(http.MethodPost, "/events/verify", map[string]any{}, &chain)
	if !chain.Whole {
		l.t.Errorf("the kill has broken the chain of the trail: %+v", chain.Faults)
	}
}

// events counts by kind and account, logins by door too, what happened since the load began.
func (l *load) events(kinds ...string) (map[string]int, error) {
	counts := map[string]int{}
	for _, kind := range kinds {
		for cursor := uint64(0); ; {
			var page struct {
				Items []struct{ Kind, Account, Door string }
				Next  uint64 `json:"next_cursor"`
			}
			query := fmt.Sprintf("/events?limit=1000&kind=%s&cursor=%d&since=%s", kind, cursor, l.began.UTC().Format("2006-01-02T15:04:05.000000Z"))
			if err := l.node.api(http.MethodGet, query, nil, &page); err != nil {
				return nil, err
			}
			for _, e := range page.Items {
				key := e.Kind + " " + e.Account
				if e.Kind == "login" {
					key += " " + e.Door
				}
				counts[key]++
			}
			if cursor = page.Next; cursor == 0 {
				break
			}
		}
	}
	return counts, nil
}
