package sftp_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	pkgsftp "github.com/pkg/sftp"

	"gatehouse/protocols/sftp/wire"
	"gatehouse/storage/accounts"
)

// Requests for one file, sent without waiting, have the effect they would have
// one after the other: writes that meet, reads behind writes, sizes, names.
func TestPipelinedRequestsKeepTheirOrder(t *testing.T) {
	w := serving(t)
	r := w.raw("alice")
	for round := range 20 {
		name := fmt.Sprintf("/f%d", round)
		h := r.open(name, wire.FlagRead|wire.FlagWrite|wire.FlagCreate)
		const writes = 50
		for i := range writes {
			// Each covers the whole of the one before and a byte more.
			content := strings.Repeat(string(rune('A'+i)), 1000+i)
			r.send(fields(wire.Write, uint32(1), h, uint64(0), content))
			if i%10 == 9 {
				r.send(fields(wire.Read, uint32(1000+i), h, uint64(0), uint32(5000)))
				r.send(fields(wire.Fstat, uint32(2000+i), h))
			}
		}
		r.send(fields(wire.Stat, uint32(3000), name))
		r.send(fields(wire.Close, uint32(3001), h))
		r.send(fields(wire.Rename, uint32(3002), name, name+"-done"))
		for range writes + 2*writes/10 + 3 {
			got := r.receive()
			switch i := int(got.id) % 1000; {
			case got.id == 1:
				r.want("write", got, wire.OK)
			case got.id >= 3001:
				r.want("close and rename", got, wire.OK)
			case got.id == 3000:
				if size := sizeOf(got); size != 1000+writes-1 {
					t.Errorf("stat behind the writes tells %d bytes", size)
				}
			case got.id >= 2000:
				if size := sizeOf(got); size != uint64(1000+i) {
					t.Errorf("fstat behind write %d tells %d bytes", i, size)
				}
			default:
				want := strings.Repeat(string(rune('A'+i)), 1000+i)
				if got.string() != want {
					t.Errorf("the read behind write %d got other content", i)
				}
			}
		}
	}
}

// OpenSSH's scp counts what was moved by the answers, as long as they come in the
// order of its requests, and truncates the file to that at the end: with answers
// in another order it lost most of each file, up and down, and said nothing.
func TestAnswersComeInTheOrderOfTheRequests(t *testing.T) {
	w := serving(t)
	r := w.raw("alice")
	h := r.open("/f", wire.FlagWrite|wire.FlagCreate)
	const writes = 1000
	content := strings.Repeat("x", 200_000)
	go func() {
		off := uint64(0)
		for i := range writes {
			// After each long one some short ones, which are done before it.
			n := 1 + i%5/4*(len(content)-1)
			r.send(fields(wire.Write, uint32(i), h, off, content[:n]))
			off += uint64(n)
		}
	}()
	for i := range uint32(writes) {
		got := r.receive()
		r.want("write", got, wire.OK)
		if got.id != i {
			t.Fatalf("write %d was answered in the place of write %d", got.id, i)
		}
	}
	back := r.open("/f", wire.FlagRead)
	go func() {
		for i := range writes {
			r.send(fields(wire.Read, uint32(i), back, uint64(0), uint32(1+i%5/4*len(content))))
		}
	}()
	for i := range uint32(writes) {
		if got := r.receive(); got.id != i {
			t.Fatalf("read %d was answered in the place of read %d", got.id, i)
		}
	}
}

// Two handles of one file are one file.
func TestOrderAcrossHandles(t *testing.T) {
	w := serving(t)
	r := w.raw("alice")
	out := r.open("/f", wire.FlagWrite|wire.FlagCreate)
	in := r.open("/f", wire.FlagRead)
	for i := range 100 {
		content := strings.Repeat(fmt.Sprintf("%03d", i), 20_000)
		r.send(fields(wire.Write, uint32(1), out, uint64(0), content))
		r.send(fields(wire.Read, uint32(2), in, uint64(0), uint32(len(content))))
		for range 2 {
			got := r.receive()
			if got.id == 2 && got.string() != content {
				t.Fatalf("round %d: the read did not wait for the write", i)
			}
		}
	}
}

// Two handles of one file are one file, also where it had another name when the first
// was opened: sshfs keeps what was renamed open, and writes through both.
func TestOrderAcrossNames(t *testing.T) {
	w := newWorld(t)
	w.add("alice", func(a *accounts.Account) { a.Limits.UploadRate = 256 << 10 })
	w.serve()
	r := w.raw("alice")
	const flags = wire.FlagWrite | wire.FlagCreate
	first := r.open("/before", flags)
	r.want("rename", r.ask(wire.Rename, "/before", "/after"), wire.OK)
	second := r.open("/after", flags)
	long, short := strings.Repeat("x", 250<<10), strings.Repeat("y", 10)
	end := len(long) - len(short)
	r.send(fields(wire.Write, uint32(1), first, uint64(0), long)) // takes about a second
	r.send(fields(wire.Write, uint32(2), second, uint64(end), short))
	for range 2 {
		r.want("write", r.receive(), wire.OK)
	}
	if got := w.content("alice", "after")[end:]; got != short {
		t.Errorf("the file ends with %q, and %q was written there last", got, short)
	}
}

// Appending goes to the end whatever offset is named, one write after the
// other, also where they are sent all at once.
func TestAppendKeepsEveryWrite(t *testing.T) {
	w := serving(t)
	w.put("alice", "f", "begin")
	r := w.raw("alice")
	h := r.open("/f", wire.FlagWrite|wire.FlagAppend)
	want := "begin"
	for i := range 100 {
		piece := fmt.Sprintf("<%d>", i)
		want += piece
		r.send(fields(wire.Write, uint32(i), h, uint64(0), piece))
	}
	for range 100 {
		r.want("write", r.receive(), wire.OK)
	}
	r.want("close", r.ask(wire.Close, h), wire.OK)
	if got := w.content("alice", "f"); got != want {
		t.Errorf("the file holds %q, want %q", got, want)
	}
}

func TestReadAtTheEnd(t *testing.T) {
	w := serving(t)
	w.put("alice", "f", "0123456789")
	w.put("alice", "empty", "")
	r := w.raw("alice")
	h, empty := r.open("/f", wire.FlagRead), r.open("/empty", wire.FlagRead)
	read := func(h string, off uint64, n uint32) reply { return r.ask(wire.Read, h, off, n) }
	if got := read(h, 8, 100); got.string() != "89" {
		t.Errorf("a read over the end got %q", got.string())
	}
	for what, got := range map[string]reply{
		"at the end":           read(h, 10, 1),
		"behind the end":       read(h, 1<<40, 1),
		"of a file of nothing": read(empty, 0, 100),
	} {
		r.want(what, got, wire.EOF)
	}
	r.want("where no file goes", read(h, 1<<63, 1), wire.BadMessage)
	r.want("at the last offset", read(h, 1<<64-1, 1<<32-1), wire.BadMessage)
	if got := read(h, 0, 0); got.kind != 103 || got.string() != "" {
		t.Errorf("nothing was read as packet %d, %q", got.kind, got.string())
	}
	// What is asked for beyond the limit comes shorter, not as an error.
	w.put("alice", "large", strings.Repeat("x", 300<<10))
	large := r.open("/large", wire.FlagRead)
	if got := len(read(large, 0, 1<<32-1).string()); got != wire.MaxPayload {
		t.Errorf("a read of 4 GiB got %d bytes", got)
	}
}

func TestWriteAtTheEndOfNumbers(t *testing.T) {
	w := serving(t)
	r := w.raw("alice")
	h := r.open("/f", wire.FlagWrite|wire.FlagCreate)
	for _, off := range []uint64{1 << 63, 1<<63 - 1, 1<<64 - 1} {
		r.want(fmt.Sprint(off), r.ask(wire.Write, h, off, "xx"), wire.BadMessage)
	}
	r.want("nothing", r.ask(wire.Write, h, uint64(0), ""), wire.OK)
	r.want("close", r.ask(wire.Close, h), wire.OK)
	if got := w.content("alice", "f"); got != "" {
		t.Errorf("the file holds %d bytes", len(got))
	}
}

// Large files up and down by a client library, with many requests under way.
func TestTransfers(t *testing.T) {
	w := serving(t)
	c := w.files("alice", pkgsftp.UseConcurrentReads(true), pkgsftp.UseConcurrentWrites(true), pkgsftp.MaxPacketUnchecked(200<<10))
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<19+1)
	for _, size := range []int{0, 1, 32 << 10, 255<<10 + 1, len(content)} {
		f, err := c.Create("/f")
		if err != nil {
			t.Fatal(err)
		}
		if n, err := f.ReadFromWithConcurrency(bytes.NewReader(content[:size]), 32); err != nil || n != int64(size) {
			t.Fatalf("upload of %d bytes: %d, %v", size, n, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if got := w.content("alice", "f"); got != string(content[:size]) {
			t.Errorf("%d bytes arrived changed", size)
		}
		if f, err = c.Open("/f"); err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := f.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), content[:size]) {
			t.Errorf("download of %d bytes: %d, %v", size, got.Len(), err)
		}
		f.Close()
	}
}

// An upload that broke goes on where it stopped.
func TestResume(t *testing.T) {
	w := serving(t)
	c := w.files("alice")
	f, err := c.Create("/f")
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("first half, "))
	f.Close()
	if f, err = c.OpenFile("/f", os.O_WRONLY|os.O_APPEND); err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("second half"))
	f.Close()
	if got := w.content("alice", "f"); got != "first half, second half" {
		t.Errorf("the file holds %q", got)
	}
	if f, err = c.Open("/f"); err != nil {
		t.Fatal(err)
	}
	f.Seek(12, io.SeekStart)
	rest, err := io.ReadAll(f)
	if string(rest) != "second half" || err != nil {
		t.Errorf("the rest is %q, %v", rest, err)
	}
}

// waitFor asks until it is so, for as long as a slow machine may need.
func waitFor(t testing.TB, what string, so func() bool) {
	t.Helper()
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	deadline := time.After(30 * time.Second)
	for !so() {
		select {
		case <-ticks.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
