package protocoltest_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"os"
	"regexp"
	"strings"
	"time"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// A caller is somebody with all that may prove an account. What a way in does
// not use stays where it is.
type caller struct {
	name     string
	from     netip.Addr
	password string // or an app password
	code     string
	key      ssh.Signer // or a certificate
	token    string
	link     string // the secret of a reset link
}

// A visit is a login over a real protocol, and the few things that every door
// does with files.
type visit interface {
	Read(name string) error
	Write(name string) error // makes what is not there, replaces what is
	List(folder string) error
	Delete(name string) error
	Mkdir(name string) error
	Rename(from, to string) error
	Copy(from, to string) error // WebDAV alone has it
	io.Closer
}

// A refusedError is what the client heard instead of being let in.
type refusedError struct{ text string }

func (e *refusedError) Error() string { return "refused: " + e.text }

// errAsked says that a client without a code was asked for one.
var errAsked = errors.New("a code was asked for")

var referred = regexp.MustCompile(`reference:? ([0-9A-Z]{4}-[0-9A-Z]{4})`)

// reference is what an administrator would ask explain about.
func (e *refusedError) reference() string {
	if m := referred.FindStringSubmatch(e.text); m != nil {
		return m[1]
	}
	return ""
}

// overSSH comes in with the methods that a proof is good for.
func (h *house) overSSH(c caller, proofs ...ssh.AuthMethod) (visit, error) {
	raw, err := h.dial(onSFTP, c.from)
	if err != nil {
		return nil, err
	}
	var heard strings.Builder
	conn, channels, requests, err := ssh.NewClientConn(raw, "", &ssh.ClientConfig{
		User: c.name, Auth: proofs, HostKeyCallback: ssh.FixedHostKey(h.hostKey), HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
		BannerCallback: func(text string) error { heard.WriteString(text); return nil },
	})
	if errors.Is(err, errAsked) {
		return nil, errors.Join(err, raw.Close())
	}
	if err != nil {
		_ = raw.Close()
		return nil, &refusedError{heard.String() + err.Error()}
	}
	files, err := pkgsftp.NewClient(ssh.NewClient(conn, channels, requests))
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return &sshVisit{files, conn}, nil
}

// asked answers the questions of keyboard-interactive as a person would who has
// these things and no others.
func (c caller) asked() ssh.AuthMethod {
	return ssh.KeyboardInteractive(func(_, _ string, questions []string, _ []bool) ([]string, error) {
		answers := make([]string, len(questions))
		for i, q := range questions {
			isCode := strings.Contains(strings.ToLower(q), "code")
			switch {
			case isCode && c.code == "":
				return nil, errAsked
			case isCode:
				answers[i] = c.code
			case c.password == "":
				return nil, errNothingToSay
			default:
				answers[i] = c.password
			}
		}
		return answers, nil
	})
}

var errNothingToSay = errors.New("unable to authenticate: nothing to answer with")

// withPassword sends the password and, where more is asked, nothing.
func (h *house) withPassword(c caller) (visit, error) {
	return h.overSSH(c, ssh.Password(c.password), caller{}.asked())
}

// withKey signs and, where more is asked, answers with a code or nothing.
func (h *house) withKey(c caller) (visit, error) {
	return h.overSSH(c, ssh.PublicKeys(c.key), caller{code: c.code}.asked())
}

type sshVisit struct {
	*pkgsftp.Client
	conn io.Closer
}

func (v *sshVisit) Read(name string) error {
	f, err := v.Open(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, f)
	return errors.Join(err, f.Close())
}

func (v *sshVisit) Write(name string) error {
	f, err := v.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte("new"))
	return errors.Join(err, f.Close())
}

func (v *sshVisit) List(folder string) error {
	_, err := v.ReadDir(folder)
	return err
}

func (v *sshVisit) Delete(name string) error  { return v.Remove(name) }
func (v *sshVisit) Copy(string, string) error { return errors.ErrUnsupported }
func (v *sshVisit) Close() error              { return v.conn.Close() }

// overFTP comes in with a password: in clear, or with TLS as the listener has it.
func (h *house) overFTP(on listener, c caller, clear bool) (visit, error) {
	raw, err := h.dial(on, c.from)
	if err != nil {
		return nil, err
	}
	v := &ftpVisit{h: h, from: c.from, raw: raw}
	if err := v.begin(on, clear); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	err = v.do(3, "USER "+c.name)
	if err == nil {
		err = v.do(2, "PASS "+c.password)
	}
	if err == nil {
		err = v.do(2, "TYPE I")
	}
	if e, ok := errors.AsType[*textproto.Error](err); ok && e.Code == 530 {
		_ = raw.Close()
		return nil, &refusedError{e.Msg}
	}
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return v, nil
}

type ftpVisit struct {
	h    *house
	from netip.Addr
	raw  net.Conn
	conn net.Conn
	text *textproto.Reader
	tls  *tls.Config
}

func (v *ftpVisit) begin(on listener, clear bool) error {
	v.use(v.raw)
	if on == onFTPS {
		if err := v.secure(); err != nil {
			return err
		}
	}
	if _, _, err := v.text.ReadResponse(2); err != nil || on == onFTPS || clear {
		return err
	}
	if err := v.do(2, "AUTH TLS"); err != nil {
		return err
	}
	if err := v.secure(); err != nil {
		return err
	}
	return errors.Join(v.do(2, "PBSZ 0"), v.do(2, "PROT P"))
}

func (v *ftpVisit) use(c net.Conn) { v.conn, v.text = c, textproto.NewReader(bufio.NewReader(c)) }

func (v *ftpVisit) secure() error {
	v.tls = v.h.trust.Clone()
	v.tls.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	c := tls.Client(v.raw, v.tls)
	if err := c.Handshake(); err != nil {
		return err
	}
	v.use(c)
	return nil
}

func (v *ftpVisit) do(want int, line string) error {
	_, err := v.ask(want, line)
	return err
}

func (v *ftpVisit) ask(want int, line string) (string, error) {
	if _, err := io.WriteString(v.conn, line+"\r\n"); err != nil {
		return "", err
	}
	_, text, err := v.text.ReadResponse(want)
	return text, err
}

// move runs a command with a data connection.
func (v *ftpVisit) move(line string, with func(io.ReadWriter) error) error {
	text, err := v.ask(2, "EPSV")
	if err != nil {
		return err
	}
	fields := strings.Split(text, "|")
	data, err := v.h.dialTo("127.0.0.1:"+fields[len(fields)-2], v.from)
	if err != nil {
		return err
	}
	defer func() { _ = data.Close() }()
	if err := v.do(1, line); err != nil {
		return err
	}
	if v.tls != nil {
		c := tls.Client(data, v.tls)
		if err := c.Handshake(); err != nil {
			return err
		}
		data = c
	}
	if err := with(data); err != nil {
		return err
	}
	_ = data.Close()
	_, _, err = v.text.ReadResponse(2)
	return err
}

func drained(data io.ReadWriter) error {
	_, err := io.Copy(io.Discard, data)
	return err
}

func (v *ftpVisit) Read(name string) error    { return v.move("RETR "+name, drained) }
func (v *ftpVisit) List(folder string) error  { return v.move("MLSD "+folder, drained) }
func (v *ftpVisit) Delete(name string) error  { return v.do(2, "DELE "+name) }
func (v *ftpVisit) Mkdir(name string) error   { return v.do(2, "MKD "+name) }
func (v *ftpVisit) Copy(string, string) error { return errors.ErrUnsupported }
func (v *ftpVisit) Close() error              { return v.raw.Close() }

func (v *ftpVisit) Rename(from, to string) error {
	if err := v.do(3, "RNFR "+from); err != nil {
		return err
	}
	return v.do(2, "RNTO "+to)
}

func (v *ftpVisit) Write(name string) error {
	return v.move("STOR "+name, func(data io.ReadWriter) error {
		_, err := io.WriteString(data, "new")
		return err
	})
}

// overDAV comes in with Basic authentication: whoever may, may ask for the root.
func (h *house) overDAV(on listener, c caller) (visit, error) {
	v := &davVisit{c: c, client: h.web(on, c.from), base: "http://localhost"}
	if on == onHTTPS {
		v.base = "https://localhost"
	}
	status, text, err := v.do("OPTIONS", "/", "")
	if err == nil {
		status, text, err = v.do("PROPFIND", "/", "")
	}
	if err != nil {
		return nil, err
	}
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		return nil, &refusedError{text}
	}
	return v, nil
}

// web is a client whose connections come from an address.
func (h *house) web(on listener, from netip.Addr) *http.Client {
	dial := func(context.Context, string, string) (net.Conn, error) { return h.dial(on, from) }
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext: dial, TLSClientConfig: h.trust.Clone(), DisableKeepAlives: true,
	}}
}

type davVisit struct {
	c      caller
	client *http.Client
	base   string
}

func (v *davVisit) do(method, name, body string, headers ...string) (int, string, error) {
	r, err := http.NewRequest(method, v.base+"/dav"+name, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.SetBasicAuth(v.c.name, v.c.password)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if method == "PROPFIND" {
		r.Header.Set("Depth", "1")
	}
	answer, err := v.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), errors.Join(err, answer.Body.Close())
}

func (v *davVisit) ok(method, name, body string, headers ...string) error {
	status, text, err := v.do(method, name, body, headers...)
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("%s %s: %d %s", method, name, status, oneLine(text))
	}
	return err
}

func (v *davVisit) Read(name string) error   { return v.ok("GET", name, "") }
func (v *davVisit) Write(name string) error  { return v.ok("PUT", name, "new") }
func (v *davVisit) List(folder string) error { return v.ok("PROPFIND", folder+"/", "") }
func (v *davVisit) Delete(name string) error { return v.ok("DELETE", name, "") }
func (v *davVisit) Mkdir(name string) error  { return v.ok("MKCOL", name, "") }
func (v *davVisit) Close() error             { return nil }

func (v *davVisit) Rename(from, to string) error {
	return v.ok("MOVE", from, "", "Destination", v.base+"/dav"+to)
}

func (v *davVisit) Copy(from, to string) error {
	return v.ok("COPY", from, "", "Destination", v.base+"/dav"+to)
}
