package subsystem_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/protocols/sftp/buffers"
	"gatehouse/protocols/sftp/subsystem"
	"gatehouse/protocols/sftp/wire"
)

// A channel is a stream that was sent already, and forgets what it is told.
type channel struct {
	io.Reader
	told bytes.Buffer
}

func (c *channel) Write(b []byte) (int, error) { return c.told.Write(b) }

func login(t testing.TB, w *protocoltest.World) *session.Session {
	t.Helper()
	p := w.Add("ann")
	s, err := w.Sessions.Login(t.Context(), auth.Attempt{
		Account: p.Name, Password: p.Password, Door: policy.SFTP, Transport: policy.SSH, Address: netip.MustParseAddr("127.0.0.1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func config(w *protocoltest.World, s *session.Session) subsystem.Config {
	return subsystem.Config{
		FS: s.FS(), Account: s.Account(), Log: w.Log, Buffers: &buffers.Pool{}, Handles: subsystem.NewHandles(20),
		Stalled: time.Minute, Cut: func(error) {}, Active: func() {}, Closed: func() {},
	}
}

func framed(packets ...[]byte) []byte {
	var b []byte
	for _, p := range packets {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}

// Whatever a client sends, it is answered or its channel ends: nothing panics,
// nothing hangs, nothing stays open, nothing leaves its home.
func FuzzServe(f *testing.F) {
	w := protocoltest.NewWorld(f)
	s := login(f, w)
	w.Write("/outside", "not ann's")
	outside := w.OnDisk("/outside")
	hello := []byte{1, 0, 0, 0, 3}
	open := []byte("\x03\x00\x00\x00\x01\x00\x00\x00\x02/f\x00\x00\x00\x1b\x00\x00\x00\x00")
	handle := "\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x01"
	write := []byte("\x06\x00\x00\x00\x02" + handle + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03abc")
	read := []byte("\x05\x00\x00\x00\x03" + handle + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03")
	f.Add(framed(hello, open, write, read, []byte("\x04\x00\x00\x00\x04"+handle)))
	f.Add(framed(hello, []byte("\x0b\x00\x00\x00\x01\x00\x00\x00\x01/"), []byte("\x0c\x00\x00\x00\x02"+handle)))
	f.Add(framed(hello, []byte("\x12\x00\x00\x00\x01\x00\x00\x00\x02/f\x00\x00\x00\x0b/../outside")))
	f.Add(framed(hello, []byte("\x14\x00\x00\x00\x01\x00\x00\x00\x03/..\x00\x00\x00\x02/l")))
	f.Add(framed(hello, []byte("\xc8\x00\x00\x00\x01\x00\x00\x00\x13statvfs@openssh.com\x00\x00\x00\x01/")))
	f.Fuzz(func(t *testing.T, stream []byte) {
		c := config(w, s)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var cut atomic.Value
		c.Cut = func(cause error) { cut.Store(cause) }
		err := subsystem.Serve(ctx, &channel{Reader: bytes.NewReader(stream)}, c)
		if err != nil && !errors.Is(err, subsystem.ErrProtocol) {
			t.Fatalf("Serve: %v", err)
		}
		if cause := cut.Load(); cause != nil {
			t.Fatalf("the connection was cut: %v", cause)
		}
		if n := c.Handles.InUse(); n != 0 {
			t.Fatalf("%d handles stay open", n)
		}
		if got, err := os.ReadFile(outside); err != nil || string(got) != "not ann's" {
			t.Fatalf("what is outside of the home became %q", got)
		}
	})
}

// A panic below ends the connection and is not the process's.
func TestPanicIsContained(t *testing.T) {
	w := protocoltest.NewWorld(t)
	s := login(t, w)
	w.Write("/home/ann/f", "content")
	c := config(w, s)
	var cut atomic.Value
	c.Cut = func(cause error) { cut.Store(cause) }
	c.Closed = func() { panic("boom") }
	stream := framed([]byte{1, 0, 0, 0, 3},
		[]byte("\x03\x00\x00\x00\x01\x00\x00\x00\x02/f\x00\x00\x00\x01\x00\x00\x00\x00"),
		[]byte("\x04\x00\x00\x00\x02\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x01"))
	out := &channel{Reader: bytes.NewReader(stream)}
	if err := subsystem.Serve(t.Context(), out, c); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if cut.Load() == nil {
		t.Error("the connection was not cut")
	}
	if c.Handles.InUse() != 0 {
		t.Error("a handle stays open")
	}
	if !bytes.Contains(out.told.Bytes(), wire.AppendStatus(nil, 2, wire.OK, "")) {
		t.Error("the file was not closed before")
	}
}
