package ftp

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/protocols/protocoltest"
)

// What clients send that do not run in the tests is answered as they need it:
// testdata/dialogues says what each sends, and where that is written down.
func TestClients(t *testing.T) {
	for _, file := range protocoltest.Dialogues(t) {
		t.Run(file.Client, func(t *testing.T) {
			s := newSite(t, func(c *Config) { c.Active = true })
			p := s.Add("anna")
			d := &recital{t: t, site: s, names: strings.NewReplacer("{name}", p.Name, "{password}", p.Password), files: map[string]string{}}
			file.Lines(t, d.line)
			d.wantFiles()
		})
	}
}

// A recital is a dialogue as it is played from a file; README.md beside the files says how.
type recital struct {
	t     *testing.T
	site  *site
	names *strings.Replacer
	c     *client
	files map[string]string // afterwards

	unsent bytes.Buffer
	said   string // the last reply

	listener net.Listener // where PORT and EPRT send the server
	socket   net.Conn     // the data connection, as TCP has it
	data     net.Conn     // and as data travels on it
	got      *string      // what came on it, once it is over
}

func (d *recital) line(kind, rest string) error {
	rest = d.text(rest)
	if d.c == nil && kind != "+" {
		d.c = d.site.dial(d.t)
	}
	if kind != ">" {
		d.flush()
	}
	switch kind {
	case "+":
		name, content := file(rest)
		d.site.Write(name, long(content))
	case "=":
		name, content := file(rest)
		d.files[name] = long(content)
	case ">":
		d.unsent.WriteString(rest + "\r\n")
		if rest == "PROT P" || rest == "PROT C" {
			d.c.prot = rest == "PROT P"
		}
	case "<":
		return d.reply(rest)
	case "|>":
		_, err := io.WriteString(d.data, long(rest))
		return err
	case "|.":
		return d.data.Close()
	default:
		return d.received(kind, rest)
	}
	return nil
}

// text is a line's text with what stands for the account, for a port that is
// listened on, and for bytes that are no text.
func (d *recital) text(s string) string {
	s = d.names.Replace(s)
	if strings.Contains(s, "{port}") || strings.Contains(s, "{eprt}") {
		n := d.listen()
		s = strings.ReplaceAll(s, "{port}", fmt.Sprintf("127,0,0,1,%d,%d", n>>8, n&255))
		s = strings.ReplaceAll(s, "{eprt}", fmt.Sprintf("|1|127.0.0.1|%d|", n))
	}
	if !strings.Contains(s, `\`) {
		return s
	}
	plain, err := strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
	if err != nil {
		d.t.Fatalf("%q: %v", s, err)
	}
	return plain
}

// file is a file's path in the world, and what it holds.
func file(rest string) (name, content string) {
	name, content, _ = strings.Cut(rest, " ")
	return "/home/anna/" + strings.ReplaceAll(name, "%20", " "), content
}

// long is text, or as many bytes as are said behind a star.
func long(text string) string {
	if n, err := strconv.Atoi(strings.TrimPrefix(text, "*")); err == nil && strings.HasPrefix(text, "*") {
		return someBytes(n)
	}
	return text
}

func (d *recital) listen() int {
	d.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = l.Close() })
	d.listener = l
	return l.Addr().(*net.TCPAddr).Port
}

// flush sends what was said in one piece, as clients do that do not wait.
func (d *recital) flush() {
	if d.unsent.Len() > 0 {
		d.c.send(d.unsent.String())
		d.unsent.Reset()
	}
}

// reply takes a reply, and does what a client does at once on some of them.
func (d *recital) reply(want string) error {
	if there, text := strings.CutPrefix(want, "~"); text {
		if !strings.Contains(d.said, there) {
			return fmt.Errorf("the reply was %q", d.said)
		}
		return nil
	}
	code, text := d.c.reply()
	d.said = fmt.Sprintf("%d %s", code, text)
	if !strings.HasPrefix(d.said, want) {
		return fmt.Errorf("the reply is %q", d.said)
	}
	switch code {
	case 234:
		d.c.shake(d.site.trust())
	case 227, 229:
		return d.connect(passive(text))
	case 150:
		return d.open()
	}
	return nil
}

// passive is the port of a reply to PASV or EPSV.
func passive(text string) int {
	numbers := strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	last, _ := strconv.Atoi(numbers[len(numbers)-1])
	if strings.Contains(text, "|||") {
		return last
	}
	high, _ := strconv.Atoi(numbers[len(numbers)-2])
	return high<<8 | last
}

func (d *recital) connect(port int) error {
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	d.use(conn)
	return nil
}

func (d *recital) use(conn net.Conn) {
	d.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	d.socket, d.data = conn, nil
}

// open goes on to the data, on a connection that is there or comes.
func (d *recital) open() error {
	if d.listener != nil {
		_ = d.listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
		conn, err := d.listener.Accept()
		if err != nil {
			return err
		}
		_ = d.listener.Close()
		d.listener = nil
		d.use(conn)
	}
	d.data, d.got = d.c.protect(d.socket), nil
	return nil
}

// received judges what the server sends on the data connection, which is all
// that it sends.
func (d *recital) received(kind, want string) error {
	if d.got == nil {
		b, err := io.ReadAll(d.data)
		if err != nil {
			return err
		}
		_ = d.data.Close()
		s := string(b)
		d.got = &s
	}
	ok := false
	switch kind {
	case "|<":
		ok = *d.got == long(want)
	case "|~":
		ok = strings.Contains(*d.got, want)
	case "|!":
		ok = !strings.Contains(*d.got, want)
	default:
		return fmt.Errorf("it cannot be understood")
	}
	if !ok {
		return fmt.Errorf("%.300q came", *d.got)
	}
	return nil
}

// wantFiles checks the home: all that is there, and no more.
func (d *recital) wantFiles() {
	d.t.Helper()
	got := protocoltest.Files(d.t, d.site.Dir)
	for name, content := range d.files {
		is, there := got[name]
		if !there || content != "?" && is != content {
			d.t.Errorf("%s is %.100q (%v), want %.100q", name, is, there, content)
		}
		delete(got, name)
	}
	for name := range got {
		d.t.Errorf("%s is there, too", name)
	}
}
