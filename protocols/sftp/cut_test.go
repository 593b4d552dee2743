package sftp_test

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/protocols/sftp/wire"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// soon is how long a cut may take. The promise is one second; the rest is for
// machines that are busy, and far from any other timeout.
const soon = 3 * time.Second

// without waits until the account has no session.
func (w *world) without(account string) {
	w.t.Helper()
	start := time.Now()
	waitFor(w.t, "the sessions of "+account+" end", func() bool {
		for _, d := range w.manager.List() {
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

// stop asks for much and reads nothing of it.
func (r *raw) stopReading(handle string) {
	for i := range 64 {
		r.send(fields(wire.Read, uint32(i), handle, uint64(0), uint32(wire.MaxPayload)))
	}
	// Once the reply to the first has begun, the rest fills what there is.
	if _, err := r.in.Read(make([]byte, 1)); err != nil {
		r.t.Fatal(err)
	}
}

// A disabled account is out at once, also where its client has stopped reading
// and the server waits to send; others go on.
func TestDisabledAccountIsCut(t *testing.T) {
	w := serving(t)
	w.add("bob")
	w.put("alice", "large", strings.Repeat("x", 1<<20))
	bob := w.files("bob")
	idle, stopped := w.raw("alice"), w.raw("alice")
	stopped.stopReading(stopped.open("/large", wire.FlagRead))
	w.change("alice", func(a *accounts.Account) { a.Status = policy.Status{Disabled: true, At: time.Now()} })
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
}

// share gives alice a folder of bob's as /shared.
func (w *world) share() {
	w.t.Helper()
	w.add("bob")
	w.change("alice", func(a *accounts.Account) {
		a.Grants = []policy.Grant{{
			ID: "g", Path: path.MustParse("/home/bob/shared"), Permissions: policy.Full, Recursive: true, At: "shared",
		}}
	})
}

// A grant that is taken back cuts the handles that lived by it, and no other.
func TestRemovedGrantCutsItsHandles(t *testing.T) {
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

	w.change("alice", func(a *accounts.Account) { a.Grants = nil })
	start := time.Now()
	waitFor(t, "the grant's handle is cut", func() bool {
		return r.ask(wire.Read, reading, uint64(0), uint32(5)).code() == wire.PermissionDenied
	})
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
}

// Content that waits to be sent when its grant is taken back is not sent: half a
// packet cannot be taken back, so a peer that has stopped reading loses its
// connection.
func TestRemovedGrantTakesUnsentContentBack(t *testing.T) {
	w := serving(t)
	w.share()
	w.put("bob", "shared/f", strings.Repeat("s", 8<<20))
	stopped, other := w.raw("alice"), w.raw("alice")
	stopped.stopReading(stopped.open("/shared/f", wire.FlagRead))
	w.change("alice", func(a *accounts.Account) { a.Grants = nil })
	start := time.Now()
	waitFor(t, "the stopped reader's connection ends", func() bool { return len(w.manager.List()) == 1 })
	if took := time.Since(start); took > soon {
		t.Errorf("it took %v", took)
	}
	if got := other.ask(wire.Realpath, ".").name(); got != "/" {
		t.Errorf("the account's other connection: %q", got)
	}
}

// A client that has stopped reading holds nothing for longer than the watchdog
// allows, whatever keeps its connection open.
func TestStoppedReaderIsCut(t *testing.T) {
	w := newWorld(t)
	w.config.Limits.Stalled = 300 * time.Millisecond
	w.add("alice")
	w.serve()
	w.put("alice", "large", strings.Repeat("x", 1<<20))
	r := w.raw("alice")
	r.stopReading(r.open("/large", wire.FlagRead))
	w.without("alice")
}

// An upload whose client vanishes is told so: in place it stays, to be resumed;
// atomic it leaves the old content alone.
func TestVanishingClient(t *testing.T) {
	for _, way := range []policy.Uploads{policy.InPlace, policy.Atomic} {
		t.Run(string(way), func(t *testing.T) {
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
				found, _, err := w.events.List(t.Context(), events.Query{Kind: events.Upload})
				return err == nil && len(found) == 1 && found[0].Outcome == events.Aborted && found[0].Bytes == 3
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
