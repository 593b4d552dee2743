package sftp_test

import (
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"gatehouse/protocols/sftp/wire"
	"gatehouse/storage/accounts"
)

// A tallied connection counts what is written to the kernel's.
type tallied struct {
	*net.TCPConn
	writes atomic.Int64
}

func (c *tallied) SyscallConn() (syscall.RawConn, error) {
	raw, err := c.TCPConn.SyscallConn()
	return tally{raw, &c.writes}, err
}

type tally struct {
	syscall.RawConn
	writes *atomic.Int64
}

func (t tally) Write(f func(uintptr) bool) error {
	t.writes.Add(1)
	return t.RawConn.Write(f)
}

// dialTallied logs in, and returns the server's end as well.
func (w *world) dialTallied(user string) (*ssh.Client, *tallied) {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	defer l.Close()
	w.address = l.Addr().String()
	dialed := make(chan *ssh.Client, 1)
	go func() { // ends with the login
		c, err := ssh.Dial("tcp", w.address, w.client(user))
		if err != nil {
			w.t.Error(err)
		}
		dialed <- c
	}()
	raw, err := l.Accept()
	if err != nil {
		w.t.Fatal(err)
	}
	p := newPipes()
	w.serveOn(p)
	server := &tallied{TCPConn: raw.(*net.TCPConn)}
	p.conns <- server
	c := <-dialed
	if c == nil {
		w.t.FailNow()
	}
	w.t.Cleanup(func() { c.Close() })
	return c, server
}

// Clients keep many requests under way, and each answer by itself costs a system
// call: those to requests that came together leave together.
func TestAnswersToWhatCameTogetherLeaveTogether(t *testing.T) {
	w := newWorld(t)
	w.add("alice")
	w.put("alice", "f", "content")
	client, server := w.dialTallied("alice")
	r, err := rawOn(t, client)
	if err != nil {
		t.Fatal(err)
	}
	r.greet()
	h := r.open("/f", wire.FlagRead|wire.FlagWrite)
	const rounds = 20
	for name, packet := range map[string][]byte{
		"stat":  fields(wire.Stat, uint32(1), "/f"),
		"read":  fields(wire.Read, uint32(1), h, uint64(0), uint32(3)),
		"write": fields(wire.Write, uint32(1), h, uint64(0), "con"),
	} {
		before := server.writes.Load()
		if err := r.sendBytes([]byte(strings.Repeat(string(frame(packet)), rounds))); err != nil {
			t.Fatal(err)
		}
		for range rounds {
			r.receive()
		}
		if n := server.writes.Load() - before; n > rounds/2 {
			t.Errorf("%s: %d answers in %d writes", name, rounds, n)
		}
	}
}

// A request that takes long, here because its account may write no faster, holds up
// none that it does not concern, though it is worked on where requests are read. And
// what was answered before it is not held back.
func TestSlowWriteHoldsUpNoOtherFile(t *testing.T) {
	w := newWorld(t)
	w.add("alice", func(a *accounts.Account) { a.Limits.UploadRate = 4 << 10 })
	w.put("alice", "other", "content")
	w.serve()
	r := w.raw("alice")
	slow := r.open("/slow", wire.FlagWrite|wire.FlagCreate)
	other := r.open("/other", wire.FlagRead)
	read := func(id uint32) []byte { return frame(fields(wire.Read, id, other, uint64(0), uint32(100))) }
	all := read(1)
	const writes = 4
	for i := range writes { // a minute's worth
		all = append(all, frame(fields(wire.Write, uint32(100+i), slow, uint64(i)<<16, strings.Repeat("x", 60<<10)))...)
	}
	all = append(all, read(2)...)
	if err := r.sendBytes(all); err != nil {
		t.Fatal(err)
	}
	for id := range uint32(2) {
		if got := r.receive(); got.id != id+1 || got.string() != "content" {
			t.Fatalf("answer %d is that to request %d, %q", id+1, got.id, got.string())
		}
	}
	w.Change("alice", func(a *accounts.Account) { a.Limits.UploadRate = -1 })
	for range writes {
		r.want("write", r.receive(), wire.OK)
	}
}
