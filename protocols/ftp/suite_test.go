package ftp

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
)

func TestSuite(t *testing.T) {
	t.Run("protected", func(t *testing.T) { runSuite(t, Required) })
	t.Run("in clear", func(t *testing.T) { runSuite(t, Off) })
}

func runSuite(t *testing.T, r Requirement) {
	protocoltest.Run(t, protocoltest.Door{
		Door:           policy.FTP,
		Resumes:        true,
		RenameReplaces: true,
		SetsTimes:      true,
		NamesHolder:    true,
		Again:          r == Off,
		Carries:        func(name string) bool { return !strings.ContainsAny(name, "\r\n") },
		Serve: func(t testing.TB, w *protocoltest.World) protocoltest.Dial {
			w.SetSite(func(site *policy.Site) {
				site.PlainFTP = policy.Deny
				if r == Off {
					site.PlainFTP = policy.Allow
				}
			})
			s := serve(t, w, func(c *Config) { c.Require = r })
			return func(l protocoltest.Login) (protocoltest.Client, error) { return s.enter(l) }
		},
	})
}

// visitor is the suite's client: one control connection, and one thing done on
// it at a time.
type visitor struct {
	raw  net.Conn
	conn net.Conn
	text *textproto.Reader
	tls  *tls.Config // nil in clear

	mu   sync.Mutex // guards data
	data net.Conn
}

func (s *site) enter(l protocoltest.Login) (protocoltest.Client, error) {
	raw, err := net.Dial("tcp", s.addr)
	if err != nil {
		return nil, err
	}
	v := &visitor{raw: raw, conn: raw, text: textproto.NewReader(bufio.NewReader(raw))}
	_, _, err = v.read(2)
	if err == nil && s.config.Require == Required {
		err = v.protect(s.trust())
	}
	if err == nil {
		_, err = v.do(3, "USER", l.Name)
	}
	if err == nil {
		_, err = v.do(2, "PASS", l.Password)
	}
	if err != nil {
		_ = raw.Close()
		return nil, errors.Join(protocoltest.ErrLogin, err)
	}
	return v, nil
}

func (v *visitor) protect(config *tls.Config) error {
	if _, err := v.do(2, "AUTH", "TLS"); err != nil {
		return err
	}
	v.tls = config
	v.conn = tls.Client(v.raw, config)
	v.text = textproto.NewReader(bufio.NewReader(v.conn))
	_, err := v.do(2, "PBSZ", "0")
	if err == nil {
		_, err = v.do(2, "PROT", "P")
	}
	return err
}

// do sends a command and reads a reply whose code begins with want.
func (v *visitor) do(want int, verb, arg string) (string, error) {
	line := verb
	if arg != "" {
		line += " " + strings.ReplaceAll(arg, "\xff", "\xff\xff")
	}
	if _, err := io.WriteString(v.conn, line+"\r\n"); err != nil {
		return "", err
	}
	_, text, err := v.read(want)
	return text, err
}

func (v *visitor) read(want int) (int, string, error) {
	code, text, err := v.text.ReadResponse(want)
	if e, ok := errors.AsType[*textproto.Error](err); ok {
		return code, text, errors.Join(meaning(e), err)
	}
	return code, text, err
}

// meaning is what a reply says to a person.
func meaning(e *textproto.Error) error {
	switch {
	case e.Code == 552 && e.Msg == "No space left":
		return protocoltest.ErrNoSpace
	case e.Code == 552:
		return protocoltest.ErrQuota
	case e.Code == 451:
		return protocoltest.ErrAway
	case e.Code == 550 && strings.HasPrefix(e.Msg, "Locked"):
		return protocoltest.ErrLocked
	case e.Msg == "Permission denied":
		return protocoltest.ErrDenied
	case e.Msg == "No such file or folder":
		return protocoltest.ErrNotFound
	case e.Msg == "Exists already":
		return protocoltest.ErrExists
	case strings.HasPrefix(e.Msg, "uploads "):
		return protocoltest.ErrUnsupported
	}
	return nil
}

// open makes a data connection and begins a transfer.
func (v *visitor) open(verb, name string, offset int64) (net.Conn, error) {
	text, err := v.do(2, "EPSV", "")
	if err != nil {
		return nil, err
	}
	fields := strings.Split(text, "|")
	data, err := net.Dial("tcp", "127.0.0.1:"+fields[len(fields)-2])
	if err != nil {
		return nil, err
	}
	if offset > 0 {
		_, err = v.do(3, "REST", strconv.FormatInt(offset, 10))
	}
	if err == nil {
		_, err = v.do(1, verb, name)
	}
	if err != nil {
		_ = data.Close()
		return nil, err
	}
	if v.tls != nil {
		secure := tls.Client(data, v.tls)
		if err := secure.Handshake(); err != nil {
			return nil, err
		}
		data = secure
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.data = data
	return data, nil
}

func (v *visitor) Put(name string, r io.Reader) error { return v.PutAt(name, 0, r) }

func (v *visitor) PutAt(name string, offset int64, r io.Reader) error {
	data, err := v.open("STOR", name, offset)
	if err != nil {
		return err
	}
	_, err = io.Copy(data, r)
	err = errors.Join(err, data.Close())
	if _, _, answer := v.read(2); answer != nil {
		return answer
	}
	return err
}

func (v *visitor) Get(name string, offset int64) (io.ReadCloser, error) {
	data, err := v.open("RETR", name, offset)
	if err != nil {
		return nil, err
	}
	return &download{v: v, data: data}, nil
}

type download struct {
	v    *visitor
	data net.Conn
	once sync.Once
	err  error
}

func (d *download) Read(b []byte) (int, error) { return d.data.Read(b) }

func (d *download) Close() error {
	d.once.Do(func() {
		_ = d.data.Close()
		_, _, d.err = d.v.read(2)
	})
	return d.err
}

func (v *visitor) List(folder string) ([]protocoltest.Entry, error) {
	data, err := v.open("MLSD", folder, 0)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(data)
	_ = data.Close()
	if _, _, answer := v.read(2); answer != nil {
		return nil, answer
	}
	if err != nil {
		return nil, err
	}
	var all []protocoltest.Entry
	for line := range strings.SplitSeq(strings.TrimSuffix(string(b), "\r\n"), "\r\n") {
		if line == "" {
			continue
		}
		e, err := parseFacts(line)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func parseFacts(line string) (e protocoltest.Entry, err error) {
	facts, name, ok := strings.Cut(line, " ")
	if !ok || !strings.HasSuffix(facts, ";") {
		return e, fmt.Errorf("%q is no entry", line)
	}
	e.Name = name
	for fact := range strings.SplitSeq(strings.TrimSuffix(facts, ";"), ";") {
		key, value, _ := strings.Cut(fact, "=")
		switch key {
		case "type":
			e.Dir = value == "dir"
		case "size":
			e.Size, err = strconv.ParseInt(value, 10, 64)
		case "modify":
			e.Modified, err = time.Parse("20060102150405", value)
		}
		if err != nil {
			return e, err
		}
	}
	return e, nil
}

func (v *visitor) Stat(name string) (protocoltest.Entry, error) {
	text, err := v.do(2, "MLST", name)
	if err != nil {
		return protocoltest.Entry{}, err
	}
	lines := strings.Split(text, "\n")
	if len(lines) != 3 {
		return protocoltest.Entry{}, fmt.Errorf("MLST: %q", text)
	}
	e, err := parseFacts(strings.TrimPrefix(lines[1], " "))
	e.Name = e.Name[strings.LastIndexByte(e.Name, '/')+1:]
	return e, err
}

func (v *visitor) Mkdir(name string) error {
	_, err := v.do(2, "MKD", name)
	return err
}

func (v *visitor) Remove(name string) error {
	_, err := v.do(2, "DELE", name)
	return err
}

func (v *visitor) RemoveDir(name string) error {
	_, err := v.do(2, "RMD", name)
	return err
}

func (v *visitor) Rename(from, to string) error {
	if _, err := v.do(3, "RNFR", from); err != nil {
		return err
	}
	_, err := v.do(2, "RNTO", to)
	return err
}

func (v *visitor) SetModified(name string, t time.Time) error {
	_, err := v.do(2, "MFMT", t.UTC().Format("20060102150405")+" "+name)
	return err
}

// Close leaves without a word, as a client does that is killed: its sockets are
// closed in the order in which they were opened.
func (v *visitor) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	err := v.raw.Close()
	if t, ok := v.data.(*tls.Conn); ok {
		_ = t.NetConn().Close()
	} else if v.data != nil {
		_ = v.data.Close()
	}
	return err
}
