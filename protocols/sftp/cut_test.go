package sftp_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/protocols/protocoltest"
	"gatehouse/protocols/sftp/wire"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
)

// soon is how long a cut may take. The promise is one second; the rest is for
// machines that are busy, and far from any other timeout.
const soon = 3 * time.Second

// without waits until the account has no session.
func (w *world) without(account string) {
	w.t.Helper()
	start := time.Now()
	waitFor(w.t, "the sessions of "+account+" end", func() bool {
		for _, d := range w.Sessions.List() {
			if d.Account == account {
				return false
			}
		}
		return true
	})
	if took := time.Since(start); took > soon {
		w.t.Errorf("it took %v", took)
	}
}

// window is what x/crypto's client takes of a channel that nobody reads.
const window = 2 << 20

// stopReading asks for much, reads nothing of it, and returns when the server
// waits in the middle of a packet.
func (r *raw) stopReading(handle string) {
	r.t.Helper()
	for i := range 64 {
		r.send(fields(wire.Read, uint32(i), handle, uint64(0), uint32(wire.MaxPayload)))
	}
	waitFor(r.t, "the client's window is full", func() bool { return r.conn.in.Load() >= window })
}

// A disabled account is out at once, also where its client has stopped reading
// and the server waits to send; others go on.
func TestDisabledAccountIsCut(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) {
		w := serving(t)
		w.add("bob")
		w.put("alice", "large", strings.Repeat("x", 1<<20))
		bob := w.files("bob")
		idle, stopped := w.raw("alice"), w.raw("alice")
		stopped.stopReading(stopped.open("/large", wire.FlagRead))
		w.Change("alice", func(a *accounts.Account) { a.Status = policy.Status{Disabled: true, At: time.Now()} })
		w.without("alice")
		for name, r := range map[string]*raw{"idle": idle, "stopped": stopped} {
			done := make(chan error, 1)
			go func() { done <- r.ssh.Wait() }() // ends with the connection
			go io.Copy(io.Discard, r.in)         // as far as it was sent
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				t.Errorf("%s: the connection is still open", name)
			}
		}
		if _, err := bob.Getwd(); err != nil {
			t.Errorf("bob's session: %v", err)
		}
	})
}

// share gives alice a folder of bob's as /shared.
func (w *world) share() {
	w.t.Helper()
	w.add("bob")
	w.Change("alice", func(a *accounts.Account) {
		a.Grants = []policy.Grant{{
			ID: "g", Path: path.MustParse("/home/bob/shared"), Permissions: policy.Full, Recursive: true, At: "shared",
		}}
	})
}

// A grant that is taken back cuts the handles that lived by it, and no other.
func TestRemovedGrantCutsItsHandles(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) {
		w := serving(t)
		w.put("bob", "shared/f", "shared content")
		os.RemoveAll(w.home("bob"))
		w.share()
		w.put("bob", "shared/f", "shared content")
		w.put("alice", "own", "own content")
		r := w.raw("alice")
		own := r.open("/own", wire.FlagRead)
		reading, writing := r.open("/shared/f", wire.FlagRead), r.open("/shared/g", wire.FlagWrite|wire.FlagCreate)
		r.want("before", r.ask(wire.Write, writing, uint64(0), "x"), wire.OK)

		w.Change("alice", func(a *accounts.Account) { a.Grants = nil })
		start := time.Now()
		for what, ask := range map[string]func() reply{
			"read":  func() reply { return r.ask(wire.Read, reading, uint64(0), uint32(5)) },
			"write": func() reply { return r.ask(wire.Write, writing, uint64(0), "x") },
		} {
			waitFor(t, "the grant's handle is cut: "+what, func() bool { return ask().code() == wire.PermissionDenied })
		}
		if took := time.Since(start); took > soon {
			t.Errorf("it took %v", took)
		}
		r.want("write", r.ask(wire.Write, writing, uint64(0), "y"), wire.PermissionDenied)
		r.want("truncate", r.ask(wire.Fsetstat, writing, uint32(wire.HasSize), uint64(0)), wire.PermissionDenied)
		r.want("stat", r.ask(wire.Stat, "/shared/f"), wire.NoSuchFile)
		if got := r.ask(wire.Read, own, uint64(0), uint32(20)).string(); got != "own content" {
			t.Errorf("the account's own handle: %q", got)
		}
		if got := w.content("bob", "shared/g"); got != "x" {
			t.Errorf("the file holds %q", got)
		}
	})
}

// A listing that lived by the grant ends with it, entries that were read before
// included, and the folder is let go though nobody closes it.
func TestRemovedGrantEndsItsListings(t *testing.T) {
	w := serving(t)
	w.share()
	for i := range 150 {
		w.put("bob", fmt.Sprintf("shared/%03d-%s", i, strings.Repeat("x", 200)), "")
	}
	r := w.raw("alice")
	h := r.ask(wire.Opendir, "/shared").string()
	if got := r.ask(wire.Readdir, h); got.kind != 104 {
		t.Fatalf("before: status %d", got.code())
	}
	w.Change("alice", func(a *accounts.Account) { a.Grants = nil })
	waitFor(t, "the folder is let go", func() bool {
		found, _, err := w.Events.List(t.Context(), events.Query{Kind: events.ListFolder})
		return err == nil && len(found) == 1
	})
	r.want("the next entries", r.ask(wire.Readdir, h), wire.PermissionDenied)
	r.want("close", r.ask(wire.Close, h), wire.PermissionDenied)
	r.want("close again", r.ask(wire.Close, h), wire.NoSuchFile)
}

// Content that waits to be sent when its grant is taken back is not sent: half a
// packet cannot be taken back, so a peer that has stopped reading loses its
// connection.
func TestRemovedGrantTakesUnsentContentBack(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) {
		w := serving(t)
		w.share()
		w.put("bob", "shared/f", strings.Repeat("s", 8<<20))
		stopped, other := w.raw("alice"), w.raw("alice")
		stopped.stopReading(stopped.open("/shared/f", wire.FlagRead))
		w.Change("alice", func(a *accounts.Account) { a.Grants = nil })
		start := time.Now()
		waitFor(t, "the stopped reader's connection ends", func() bool { return len(w.Sessions.List()) == 1 })
		if took := time.Since(start); took > soon {
			t.Errorf("it took %v", took)
		}
		if got := other.ask(wire.Realpath, ".").name(); got != "/" {
			t.Errorf("the account's other connection: %q", got)
		}
	})
}

// Also from one that reads again at once it gets no more than the packet that
// was under way: what waited behind it is withdrawn.
func TestRemovedGrantWithdrawsQueuedContent(t *testing.T) {
	w := serving(t)
	w.share()
	w.put("bob", "shared/f", strings.Repeat("s", 8<<20))
	r := w.raw("alice")
	r.stopReading(r.open("/shared/f", wire.FlagRead))
	w.Change("alice", func(a *accounts.Account) { a.Grants = nil })
	waitFor(t, "the file is cut", func() bool {
		found, _, err := w.Events.List(t.Context(), events.Query{Kind: events.Download})
		return err == nil && len(found) == 1 && found[0].Outcome == events.WasCut
	})
	got := 0
	for range 64 {
		p, err := r.next()
		if err != nil {
			break // the grace has passed: the connection is gone, and all of it
		}
		if p.kind == 103 {
			got++
		}
	}
	if underWay := window/wire.MaxPayload + 1; got > underWay {
		t.Errorf("%d packets of content came, want at most the %d that had begun", got, underWay)
	}
}

// A client that has stopped reading holds nothing for longer than the watchdog
// allows, whatever keeps its connection open.
func TestStoppedReaderIsCut(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) {
		w := newWorld(t)
		w.config.Limits.Stalled = 300 * time.Millisecond
		w.add("alice")
		w.serve()
		w.put("alice", "large", strings.Repeat("x", 1<<20))
		r := w.raw("alice")
		r.stopReading(r.open("/large", wire.FlagRead))
		w.without("alice")
	})
}

// An upload whose client vanishes is told so: in place it stays, to be resumed;
// atomic it leaves the old content alone.
func TestVanishingClient(t *testing.T) {
	for _, way := range []policy.Uploads{policy.InPlace, policy.Atomic} {
		t.Run(string(way), func(t *testing.T) {
			protocoltest.Patiently(t, func(t testing.TB) {
				w := newWorld(t)
				w.add("alice", func(a *accounts.Account) { a.Uploads = way })
				w.serve()
				w.put("alice", "f", "old content, long")
				r := w.raw("alice")
				h := r.open("/f", wire.FlagWrite|wire.FlagCreate|wire.FlagTruncate)
				r.want("write", r.ask(wire.Write, h, uint64(0), "new"), wire.OK)
				r.ssh.Close()
				w.without("alice")
				want := map[policy.Uploads]string{policy.InPlace: "new", policy.Atomic: "old content, long"}[way]
				if got := w.content("alice", "f"); got != want {
					t.Errorf("the file holds %q, want %q", got, want)
				}
				waitFor(t, "the event tells that the upload broke", func() bool {
					found, _, err := w.Events.List(t.Context(), events.Query{Kind: events.Upload})
					return err == nil && len(found) == 1 && found[0].Outcome == events.Aborted && found[0].Bytes == 3
				})
			})
		})
	}
}

// An upload that is closed appears, also where many writes were sent at once
// and closed without waiting for one of them.
func TestCloseWaitsForTheWrites(t *testing.T) {
	w := newWorld(t)
	w.add("alice", func(a *accounts.Account) { a.Uploads = policy.Atomic })
	w.serve()
	r := w.raw("alice")
	h := r.open("/f", wire.FlagWrite|wire.FlagCreate|wire.FlagTruncate)
	piece := strings.Repeat("x", 100_000)
	for i := range 30 {
		r.send(fields(wire.Write, uint32(i), h, uint64(i*len(piece)), piece))
	}
	r.send(fields(wire.Close, uint32(100), h))
	r.send(fields(wire.Stat, uint32(101), "/f"))
	for range 32 {
		if got := r.receive(); got.id == 101 {
			if size := sizeOf(got); size != 3_000_000 {
				t.Errorf("behind the close the file has %d bytes", size)
			}
		} else {
			r.want("write or close", got, wire.OK)
		}
	}
}

// Where uploads are atomic, going on with a file is refused in words.
func TestResumeOfAtomicUploads(t *testing.T) {
	w := newWorld(t)
	w.add("alice", func(a *accounts.Account) { a.Uploads = policy.Atomic })
	w.serve()
	w.put("alice", "f", "first half")
	got := w.raw("alice").ask(wire.Open, "/f", wire.FlagWrite|wire.FlagAppend, uint32(0))
	if got.code() != wire.Unsupported || !strings.Contains(got.text(), "resumed") {
		t.Errorf("status %d %q", got.code(), got.text())
	}
}

// What goes wrong when an upload is put in place is told at its close.
func TestCloseTellsThatTheUploadFailed(t *testing.T) {
	w := newWorld(t)
	w.add("alice", func(a *accounts.Account) { a.Uploads = policy.Atomic })
	w.serve()
	r := w.raw("alice")
	h := r.open("/f", wire.FlagWrite|wire.FlagCreate|wire.FlagExclusive)
	r.want("write", r.ask(wire.Write, h, uint64(0), "alice's"), wire.OK)
	w.put("alice", "f", "somebody else's")
	got := r.ask(wire.Close, h)
	r.want("close", got, wire.Failure)
	if got.text() != "file exists" {
		t.Errorf("the text is %q", got.text())
	}
	if got := w.content("alice", "f"); got != "somebody else's" {
		t.Errorf("the file holds %q", got)
	}
}

// Who holds the lock is told, and nothing changes under it.
func TestLockedFile(t *testing.T) {
	w := serving(t)
	w.put("alice", "f", "locked content")
	if _, err := w.Locks.Lock(t.Context(), locks.Request{
		Path: path.MustParse("/home/alice/f"), AccountID: "another", Account: "bob", Door: "webdav",
	}); err != nil {
		t.Fatal(err)
	}
	r := w.raw("alice")
	for what, got := range map[string]reply{
		"open to write": r.ask(wire.Open, "/f", wire.FlagWrite, uint32(0)),
		"truncate":      r.ask(wire.Setstat, "/f", uint32(wire.HasSize), uint64(0)),
		"remove":        r.ask(wire.Remove, "/f"),
		"rmdir":         r.ask(wire.Rmdir, "/f"),
		"rename":        r.ask(wire.Rename, "/f", "/g"),
	} {
		r.want(what, got, wire.Failure)
		if got.text() != "locked by bob" {
			t.Errorf("%s: the text is %q", what, got.text())
		}
	}
	h := r.open("/f", wire.FlagRead)
	if got := r.ask(wire.Read, h, uint64(0), uint32(100)).string(); got != "locked content" {
		t.Errorf("the file holds %q", got)
	}
}
