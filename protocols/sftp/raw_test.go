package sftp_test

import (
	"encoding/binary"
	"io"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/protocols/sftp/wire"
)

// A raw client sends the packets that it is told, whatever the protocol says.
type raw struct {
	t    testing.TB
	in   io.Reader
	out  io.WriteCloser
	ssh  *ssh.Client
	cut  func() // ends it, whatever it waits for
	conn *counted
	last uint32
}

// rawNoInit logs in and starts the subsystem, without a greeting.
func (w *world) rawNoInit(user string) *raw {
	w.t.Helper()
	c, conn := w.dialCounted(user)
	r, err := rawOn(w.t, c)
	if err != nil {
		w.t.Fatal(err)
	}
	r.conn = conn
	return r
}

// rawOn starts the subsystem on a connection.
func rawOn(t testing.TB, c *ssh.Client) (*raw, error) {
	s, err := c.NewSession()
	if err != nil {
		return nil, err
	}
	out, _ := s.StdinPipe()
	in, _ := s.StdoutPipe()
	return &raw{t: t, in: in, out: out, ssh: c, cut: func() { c.Close() }}, s.RequestSubsystem("sftp")
}

func (w *world) raw(user string) *raw {
	w.t.Helper()
	r := w.rawNoInit(user)
	r.greet()
	return r
}

func (r *raw) greet() {
	r.t.Helper()
	r.send(fields(wire.Init, uint32(3)))
	if got := r.receive(); got.kind != 2 || got.id != 3 {
		r.t.Fatalf("greeted with packet %d, version %d", got.kind, got.id)
	}
}

// fields is a packet of these fields, without its length.
func fields(t wire.Type, fields ...any) []byte {
	b := []byte{byte(t)}
	for _, f := range fields {
		switch f := f.(type) {
		case uint32:
			b = binary.BigEndian.AppendUint32(b, f)
		case uint64:
			b = binary.BigEndian.AppendUint64(b, f)
		case string:
			b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
			b = append(b, f...)
		case []byte:
			b = append(b, f...)
		}
	}
	return b
}

func (r *raw) send(packet []byte) {
	r.t.Helper()
	if err := r.write(packet); err != nil {
		r.t.Fatalf("send: %v", err)
	}
}

func (r *raw) write(packet []byte) error {
	return r.sendBytes(frame(packet))
}

// frame is a packet with its length.
func frame(packet []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(packet))), packet...)
}

func (r *raw) sendBytes(b []byte) error {
	_, err := r.out.Write(b)
	return err
}

// A reply is a packet of the server.
type reply struct {
	kind byte
	id   uint32
	body []byte
}

// code and text are those of a status.
func (p reply) code() wire.Code {
	if p.kind != 101 || len(p.body) < 4 {
		return 1000 + wire.Code(p.kind)
	}
	return wire.Code(binary.BigEndian.Uint32(p.body))
}

func (p reply) text() string {
	if p.kind != 101 {
		return ""
	}
	s, _ := cutString(p.body[4:])
	return s
}

// string is the first string of the packet: a handle, or data.
func (p reply) string() string {
	s, _ := cutString(p.body)
	return s
}

// name is the first name of a name packet.
func (p reply) name() string {
	if p.kind != 104 {
		return "status " + p.text()
	}
	s, _ := cutString(p.body[4:])
	return s
}

func cutString(b []byte) (string, []byte) {
	if len(b) < 4 {
		return "", nil
	}
	n := binary.BigEndian.Uint32(b)
	return string(b[4 : 4+n]), b[4+n:]
}

func (r *raw) receive() reply {
	r.t.Helper()
	p, err := r.next()
	if err != nil {
		r.t.Fatalf("receive: %v", err)
	}
	return p
}

func (r *raw) next() (reply, error) {
	stop := time.AfterFunc(20*time.Second, r.cut)
	defer stop.Stop()
	var head [9]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return reply{}, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:])-5)
	_, err := io.ReadFull(r.in, body)
	return reply{kind: head[4], id: binary.BigEndian.Uint32(head[5:]), body: body}, err
}

// ask sends a request and returns its reply, with nothing else under way.
func (r *raw) ask(t wire.Type, more ...any) reply {
	r.t.Helper()
	r.last++
	r.send(fields(t, append([]any{r.last}, more...)...))
	got := r.receive()
	if got.id != r.last {
		r.t.Fatalf("the reply is to request %d, want %d", got.id, r.last)
	}
	return got
}

// open opens a file and returns its handle.
func (r *raw) open(name string, flags uint32) string {
	r.t.Helper()
	got := r.ask(wire.Open, name, flags, uint32(0))
	if got.kind != 102 {
		r.t.Fatalf("open %s: status %d %q", name, got.code(), got.text())
	}
	return got.string()
}

// want checks a status.
func (r *raw) want(what string, got reply, code wire.Code) {
	r.t.Helper()
	if got.code() != code {
		r.t.Errorf("%s: packet %d, status %d %q, want %d", what, got.kind, got.code(), got.text(), code)
	}
}
