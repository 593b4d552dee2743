package webdav

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/protocols/protocoltest"
	"gatehouse/protocols/webdav/wire"
	"gatehouse/storage/accounts"
)

// A site is a world with a WebDAV front end.
type site struct {
	*protocoltest.World
	server *httptest.Server
}

func newSite(t testing.TB, change ...func(*Config)) *site {
	t.Helper()
	return serve(t, protocoltest.NewWorld(t), change...)
}

func serve(t testing.TB, w *protocoltest.World, change ...func(*Config)) *site {
	t.Helper()
	s := &site{World: w}
	c := Config{Sessions: s.Sessions, Log: s.Log}
	for _, f := range change {
		f(&c)
	}
	s.server = httptest.NewUnstartedServer(New(c).Mount(http.NotFoundHandler()))
	s.server.Listener = wire.Listen(s.server.Listener)
	s.server.Config.ConnContext = wire.Context
	s.server.Start()
	t.Cleanup(s.server.Close)
	return s
}

// A client is a person at the front end.
type client struct {
	t    testing.TB
	site *site
	protocoltest.Person
}

func (s *site) client(t testing.TB, name string, changes ...func(*accounts.Account)) *client {
	t.Helper()
	return &client{t, s, s.Add(name, changes...)}
}

// An answer is a response that was read.
type answerGot struct {
	status int
	header http.Header
	body   string
}

// do sends a request with target as it stands in the request line. Headers are "Name: value".
func (c *client) do(method, target, body string, headers ...string) answerGot {
	c.t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	return c.send(method, target, r, headers...)
}

func (c *client) send(method, target string, body io.Reader, headers ...string) answerGot {
	c.t.Helper()
	r := c.request(method, target, body, headers...)
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, target, err)
	}
	if answer.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(answer.Header.Get("Content-Security-Policy"), "sandbox") {
		c.t.Errorf("%s %s: the answer could run as a page: %v", method, target, answer.Header)
	}
	return answerGot{answer.StatusCode, answer.Header, string(b)}
}

func (c *client) request(method, target string, body io.Reader, headers ...string) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.site.server.URL, body)
	if err != nil {
		c.t.Fatal(err)
	}
	r.URL = &url.URL{Scheme: "http", Host: r.URL.Host, Opaque: target}
	r.SetBasicAuth(c.Name, c.Password)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// raw opens a connection and sends the head of a request.
func (c *client) raw(method, target string, headers ...string) (net.Conn, *bufio.Reader) {
	c.t.Helper()
	conn, err := net.Dial("tcp", c.site.server.Listener.Addr().String())
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: h\r\nAuthorization: Basic %s\r\n", method, target,
		base64.StdEncoding.EncodeToString([]byte(c.Name+":"+c.Password)))
	for _, h := range headers {
		fmt.Fprintf(conn, "%s\r\n", h)
	}
	fmt.Fprint(conn, "\r\n")
	return conn, bufio.NewReader(conn)
}

// want demands a status.
func (c *client) want(status int, method, target, body string, headers ...string) answerGot {
	c.t.Helper()
	a := c.do(method, target, body, headers...)
	if a.status != status {
		c.t.Fatalf("%s %s %v: got %d %.500s, want %d", method, target, headers, a.status, a.body, status)
	}
	return a
}

// fill makes files in the client's home on disk; names that end in a slash are folders.
func (c *client) fill(files map[string]string) {
	c.t.Helper()
	for name, content := range files {
		at := c.Home.String() + "/" + name
		if strings.HasSuffix(name, "/") {
			c.site.Mkdir(at)
			continue
		}
		c.site.Write(at, content)
	}
}

// files are those in the client's home on disk.
func (c *client) files() map[string]string {
	c.t.Helper()
	found := map[string]string{}
	for name, content := range c.site.Files(c.Home.String()) {
		found[strings.TrimPrefix(name, "/")] = content
	}
	return found
}

func (c *client) wantFiles(want map[string]string) {
	c.t.Helper()
	got := c.files()
	if !maps.Equal(got, want) {
		c.t.Errorf("on disk there is %.500s, want %.500s", fmt.Sprint(got), fmt.Sprint(want))
	}
	if staged := c.site.Staged(); len(staged) > 0 {
		c.t.Errorf("staged files stay: %v", staged)
	}
}

// A scenario is one request on a tree.
type scenario struct {
	files   map[string]string // in the home, before
	method  string
	target  string // below /dav
	headers []string
	body    string
	status  int
	after   map[string]string // nil: files as before
	says    string            // in the answer's body
}

func play(t *testing.T, scenarios map[string]scenario) {
	s := newSite(t)
	n := 0
	for name, sc := range scenarios {
		n++
		account := fmt.Sprintf("account%d", n)
		t.Run(name, func(t *testing.T) {
			c := s.client(t, account)
			c.fill(sc.files)
			a := c.want(sc.status, sc.method, "/dav"+sc.target, sc.body, sc.headers...)
			if !strings.Contains(a.body, sc.says) {
				t.Errorf("the answer is %q, want %q in it", a.body, sc.says)
			}
			after := sc.after
			if after == nil {
				after = map[string]string{}
				for name, content := range sc.files {
					if !strings.HasSuffix(name, "/") {
						after[name] = content
					}
				}
			}
			c.wantFiles(after)
		})
	}
}

// A multi is a multistatus as a client reads it.
type multi struct {
	XMLName   xml.Name `xml:"DAV: multistatus"`
	Responses []struct {
		Href     string `xml:"DAV: href"`
		Status   string `xml:"DAV: status"`
		Error    inner  `xml:"DAV: error"`
		Propstat []struct {
			Prop   props  `xml:"DAV: prop"`
			Status string `xml:"DAV: status"`
			Error  inner  `xml:"DAV: error"`
		} `xml:"DAV: propstat"`
	} `xml:"DAV: response"`
}

type inner struct {
	XML string `xml:",innerxml"`
}

// props are the elements of a prop, by their names, with what is in them.
type props map[xml.Name]string

func (p *props) UnmarshalXML(d *xml.Decoder, _ xml.StartElement) error {
	*p = props{}
	for {
		token, err := d.Token()
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.EndElement:
			return nil
		case xml.StartElement:
			var v inner
			if err := d.DecodeElement(&v, &t); err != nil {
				return err
			}
			(*p)[t.Name] = v.XML
		}
	}
}

// properties are what a PROPFIND says of each href: found, or why not.
func (a answerGot) properties(t testing.TB) map[string]map[xml.Name]string {
	t.Helper()
	var m multi
	if err := xml.NewDecoder(strings.NewReader(a.body)).Decode(&m); err != nil {
		t.Fatalf("not a multistatus: %v\n%s", err, a.body)
	}
	all := map[string]map[xml.Name]string{}
	for _, r := range m.Responses {
		of := map[xml.Name]string{}
		for _, s := range r.Propstat {
			for n, v := range s.Prop {
				if !strings.Contains(s.Status, " 200 ") {
					v = s.Status + s.Error.XML
				}
				of[n] = v
			}
		}
		if r.Status != "" {
			of[xml.Name{Local: "status"}] = r.Status + r.Error.XML
		}
		if _, twice := all[r.Href]; twice {
			t.Errorf("%s is there twice", r.Href)
		}
		all[r.Href] = of
	}
	return all
}

func propfind(names ...string) string {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0"?><propfind xmlns="DAV:"><prop>`)
	for _, n := range names {
		b.WriteString("<" + n + "/>")
	}
	b.WriteString(`</prop></propfind>`)
	return b.String()
}

const lockBody = `<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>` +
	`<D:locktype><D:write/></D:locktype><D:owner><D:href>me</D:href></D:owner></D:lockinfo>`

var sharedBody = strings.Replace(lockBody, "exclusive", "shared", 1)

// lock takes a lock and returns its token.
func (c *client) lock(target, body string, headers ...string) string {
	c.t.Helper()
	a := c.do("LOCK", target, body, headers...)
	if a.status != http.StatusOK && a.status != http.StatusCreated {
		c.t.Fatalf("LOCK %s: %d %s", target, a.status, a.body)
	}
	return strings.Trim(a.header.Get("Lock-Token"), "<>")
}
