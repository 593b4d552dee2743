package floor

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// ftp has the commands of one transfer, and no others.
type ftp struct {
	Config
	secure *tls.Config
}

// A ftpConn is the control connection of a client.
type ftpConn struct {
	*ftp
	conn    net.Conn
	lines   *bufio.Reader
	passive net.Listener
	private bool // data goes over TLS
	name    string
	in      bool
}

func (f *ftp) serve(conn net.Conn) {
	c := &ftpConn{ftp: f, conn: conn, lines: bufio.NewReader(conn)}
	defer func() { _ = c.conn.Close() }()
	for reply := "220 ready"; reply != ""; {
		if _, err := io.WriteString(c.conn, reply+"\r\n"); err != nil {
			return
		}
		line, err := c.lines.ReadString('\n')
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		reply = c.do(strings.ToUpper(verb), rest)
	}
}

func (c *ftpConn) do(verb, rest string) string {
	switch verb {
	case "USER":
		c.name = rest
		return "331 password?"
	case "PASS":
		c.in = c.name == c.User && rest == c.Password
		if c.in {
			return "230 in"
		}
		return "530 no"
	case "AUTH":
		if _, err := io.WriteString(c.conn, "234 go on\r\n"); err != nil {
			return ""
		}
		c.conn = tls.Server(c.conn, c.secure)
		c.lines = bufio.NewReader(c.conn)
		return c.next()
	case "PROT":
		c.private = rest == "P"
		return "200 yes"
	case "PBSZ", "TYPE", "OPTS":
		return "200 yes"
	case "QUIT":
		return ""
	}
	if !c.in {
		return "530 who is it?"
	}
	return c.work(verb, rest)
}

// next answers the command behind one that was answered already.
func (c *ftpConn) next() string {
	line, err := c.lines.ReadString('\n')
	if err != nil {
		return ""
	}
	verb, rest, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
	return c.do(strings.ToUpper(verb), rest)
}

// work is what needs a login.
func (c *ftpConn) work(verb, rest string) string {
	path := filepath.Join(c.Root, rest)
	switch verb {
	case "PWD":
		return `257 "/"`
	case "EPSV":
		return c.listen()
	case "SIZE":
		if info, err := os.Stat(path); err == nil {
			return fmt.Sprint("213 ", info.Size())
		}
		return "550 no"
	case "RETR", "STOR", "LIST", "MLSD":
		return c.transfer(transfers[verb], path)
	}
	return "502 what?"
}

func (c *ftpConn) listen() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "421 no port"
	}
	c.passive = l
	return fmt.Sprintf("229 at (|||%d|)", l.Addr().(*net.TCPAddr).Port)
}

func (c *ftpConn) transfer(move func(net.Conn, string) error, path string) string {
	if c.passive == nil {
		return "425 EPSV first"
	}
	if _, err := io.WriteString(c.conn, "150 go\r\n"); err != nil {
		return ""
	}
	data, err := c.passive.Accept()
	_ = c.passive.Close()
	c.passive = nil
	if err != nil {
		return "425 no connection"
	}
	if c.private {
		data = tls.Server(data, c.secure)
	}
	err = move(data, path)
	if closing := data.Close(); err != nil || closing != nil {
		return "550 broken"
	}
	return "226 done"
}

var transfers = map[string]func(net.Conn, string) error{"RETR": retrieve, "STOR": store, "LIST": list, "MLSD": facts}

func retrieve(to net.Conn, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(to, f)
	return err
}

func store(from net.Conn, path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, from); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func list(to net.Conn, path string) error {
	return each(to, path, func(w *bufio.Writer, i os.FileInfo) {
		_, _ = fmt.Fprintf(w, "%s 1 ftp ftp %12d %s %s\r\n", i.Mode(), i.Size(), i.ModTime().Format("Jan _2 15:04"), i.Name())
	})
}

// facts are those of RFC 3659.
func facts(to net.Conn, path string) error {
	return each(to, path, func(w *bufio.Writer, i os.FileInfo) {
		kind := "file"
		if i.IsDir() {
			kind = "dir"
		}
		_, _ = fmt.Fprintf(w, "type=%s;size=%d;modify=%s; %s\r\n", kind, i.Size(), i.ModTime().UTC().Format("20060102150405"), i.Name())
	})
}

func each(to net.Conn, path string, write func(*bufio.Writer, os.FileInfo)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	w := bufio.NewWriter(to)
	for {
		infos, err := f.Readdir(512)
		for _, i := range infos {
			write(w, i)
		}
		if err == io.EOF {
			return w.Flush()
		}
		if err != nil {
			return err
		}
	}
}
