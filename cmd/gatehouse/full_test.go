package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The disk that holds users' files and the gateway's own store, as by default,
// runs full under uploads over every door. Each is refused, what was there before
// is whole where uploads are atomic, the gateway goes on, and when there is space
// again all is as it was: no restart, nothing staged, quotas that say what is on
// disk.
func TestFullDisk(t *testing.T) {
	needs(t, "root") // for a small disk
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	if err := errors.Join(os.Mkdir(disk, 0o750), unix.Mount("tmpfs", disk, "tmpfs", 0, "size=32m")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	gateway := newNode(t, filepath.Join(disk, "data"))
	gateway.logName = filepath.Join(dir, "log")
	gateway.start()
	l := &load{t: t, node: gateway, key: newLoadKey(t), host: trustOnce(), arriving: make(chan struct{}, 12)}
	gateway.must(http.MethodPatch, "/site", map[string]any{"plain_ftp": "allow"}, nil)
	for name, uploads := range map[string]string{roomy: "in-place", calm: "atomic"} {
		gateway.must(http.MethodPost, "/accounts", map[string]any{
			"username": name, "password": accountPassword, "keys": []string{l.line()}, "uploads": uploads,
			"quota": map[string]any{"limit_bytes": 1 << 30},
		}, nil)
		for _, door := range []string{"SFTP", "FTP", "WebDAV"} {
			l.writers = append(l.writers, l.newWriter(name, door))
			l.mkdir("home/" + name + l.writers[len(l.writers)-1].folder)
		}
	}
	clients := make([]client, len(l.writers))
	for i, w := range l.writers {
		var err error
		if clients[i], err = w.connect(); err != nil {
			t.Fatal(err)
		}
		defer clients[i].close()
		if err := clients[i].do(step{verb: put, name: "old", piece: whole(1, 300_000)}); err != nil {
			t.Fatalf("%s: %v", w, err)
		}
	}
	for _, left := range []int64{1 << 20, 0} {
		ballast(t, disk, left)
		for i, w := range l.writers {
			for _, name := range []string{"old", "new"} {
				err := clients[i].do(step{verb: put, name: name, piece: whole(2, 3_000_000)})
				if !saysFull(err) {
					t.Errorf("%s, 3 MB with %d bytes left: %v", w, left, err)
				}
			}
			l.verifyFull(w)
			_ = clients[i].do(step{verb: discard, name: "new"})
		}
	}
	if err := os.Remove(filepath.Join(disk, "ballast")); err != nil {
		t.Fatal(err)
	}
	for i, w := range l.writers {
		l.verifyGoesOn(w, clients[i])
	}
	l.verifyNothingStaged()
	l.verifyUse(roomy, calm)
	gateway.stop()
}

// saysFull reports a refusal that a person understands: 507, 552, or words.
func saysFull(err error) bool {
	return err != nil && (errors.Is(err, errFull) || strings.Contains(strings.ToLower(err.Error()), "no space left"))
}

// ballast fills a disk but for so much.
func ballast(t *testing.T, disk string, left int64) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(disk, "ballast"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for page := make([]byte, 4096); ; {
		var s unix.Statfs_t
		if err := unix.Statfs(disk, &s); err != nil {
			t.Fatal(err)
		}
		if int64(s.Bfree)*s.Bsize <= left {
			return
		}
		if _, err := f.Write(page); err != nil {
			return
		}
	}
}

// verifyFull looks at a folder after uploads that were refused.
func (l *load) verifyFull(w *writer) {
	l.t.Helper()
	found, err := onDisk(l.node.files("home/" + w.account + w.folder))
	if err != nil {
		l.t.Fatal(err)
	}
	if w.atomic && (!bytes.Equal(found["old"], bytesOf(1, 300_000)) || found["new"] != nil) {
		l.t.Errorf("%s: %d bytes of what was there before, and %d of what is new", w, len(found["old"]), len(found["new"]))
	}
}

// verifyGoesOn uploads over a connection from before or, where a fault has ended
// it, over a new one.
func (l *load) verifyGoesOn(w *writer, c client) {
	l.t.Helper()
	again := step{verb: put, name: "again", piece: whole(3, 300_000)}
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = c.do(again); err == nil {
			break
		}
		if fresh, dialErr := w.connect(); dialErr == nil {
			defer fresh.close()
			c = fresh
		}
	}
	found, diskErr := onDisk(l.node.files("home/" + w.account + w.folder))
	if err != nil || diskErr != nil || !bytes.Equal(found["again"], bytesOf(3, 300_000)) {
		l.t.Errorf("%s after the disk has space again: %v, %v, %d bytes", w, err, diskErr, len(found["again"]))
	}
}

// verifyUse waits until quotas of homes say what is on disk.
func (l *load) verifyUse(accounts ...string) {
	l.t.Helper()
	for _, account := range accounts {
		var wrong error
		for deadline := time.Now().Add(settling); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			var q figure
			l.node.must(http.MethodGet, "/quotas/at?path=/home/"+account, nil, &q)
			bytes, files, err := stored(l.node.files("home/" + account))
			if err == nil && q.UsedBytes == bytes && q.UsedFiles == files {
				wrong = nil
				break
			}
			wrong = fmt.Errorf("%+v, and %d bytes in %d files are there, %v", q, bytes, files, err)
		}
		if wrong != nil {
			l.t.Error(wrong)
		}
	}
}
