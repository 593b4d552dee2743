package self

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/rest"
	"gatehouse/policy"
)

func (a *API) registerConnect(api huma.API) {
	huma.Register(api, rest.Operation("own-connect", http.MethodGet, "/me/connect", "How to connect on each of one's doors, ready to paste", rest.Own), a.ownConnect)
}

// ConnectView is how to connect on one door.
type ConnectView struct {
	Door     string        `json:"door"`
	Title    string        `json:"title"`
	Host     string        `json:"host"`
	Port     int           `json:"port"`
	Username string        `json:"username"`
	URL      string        `json:"url"`
	Security string        `json:"security" doc:"what a program's settings call it"`
	HostKeys []string      `json:"host_keys,omitempty" doc:"fingerprints to compare at the first connection"`
	Commands []CommandView `json:"commands"`
	Note     string        `json:"note,omitempty"`
}

// CommandView is a line for a terminal, and what it is for.
type CommandView struct {
	For  string `json:"for"`
	Line string `json:"line"`
}

func (a *API) ownConnect(ctx context.Context, _ *rest.Nothing) (*rest.Body[[]ConnectView], error) {
	list, err := a.connections(ctx)
	return &rest.Body[[]ConnectView]{Body: list}, err
}

// connections tells of every door that is open for the caller, here and now.
func (a *API) connections(ctx context.Context) ([]ConnectView, error) {
	c := rest.CallerOf(ctx)
	x, e, err := a.ownEffective(ctx)
	if err != nil {
		return nil, err
	}
	way := a.wayTo(c, x.Name)
	way.code, way.oversees = x.HasCode(), c.Administers() || c.Role == policy.RoleAuditor || c.Delegate()
	list := []ConnectView{}
	for _, d := range e.Protocols() {
		if d.Allowed && opensDoor(e.Site(), d.Door) {
			list = append(list, way.to(d.Door, e)...)
		}
	}
	return list, nil
}

func opensDoor(site policy.Site, d policy.Door) bool {
	for _, open := range site.Doors {
		if open == d {
			return true
		}
	}
	return len(site.Doors) == 0
}

// A way is what the doors' addresses are made of.
type way struct {
	user, host string
	site       *url.URL
	ports      map[string]int
	keys       []string
	pin        string // of the TLS key that no authority vouches for
	code       bool   // the account has a second factor
	oversees   bool   // the account may look at others
}

// wayTo finds the outside name: the configured one, else the one that the caller
// has reached the gateway by.
func (a *API) wayTo(c rest.Caller, user string) way {
	w := way{user: user, host: rest.HostOnly(c.Host), ports: map[string]int{}}
	if a.Reach.Listening != nil {
		w.ports = a.Reach.Listening()
	}
	if a.Reach.HostKeys != nil {
		w.keys = a.Reach.HostKeys()
	}
	if a.Reach.Pin != nil {
		w.pin = a.Reach.Pin()
	}
	w.site = a.SiteURL(c)
	if a.Reach.SiteURL != "" {
		w.host = cmp.Or(w.site.Hostname(), w.host)
	}
	return w
}

func (w way) to(d policy.Door, e policy.Effective) []ConnectView {
	switch d {
	case policy.SFTP:
		return w.sftp()
	case policy.FTP:
		return append(w.ftp(e), w.ftps()...)
	case policy.WebDAV:
		return w.webdav()
	case policy.API:
		return w.api()
	}
	return nil
}

// view fills in what all doors share; nothing where the door does not listen.
func (w way) view(d policy.Door, listener, scheme, title string) (ConnectView, bool) {
	port, ok := w.ports[listener]
	u := url.URL{Scheme: scheme, User: url.User(w.user), Host: net.JoinHostPort(w.host, strconv.Itoa(port))}
	return ConnectView{
		Door: string(d), Title: title, Host: w.host, Port: port, Username: w.user, URL: u.String(), Commands: []CommandView{},
	}, ok
}

func (w way) sftp() []ConnectView {
	v, ok := w.view(policy.SFTP, "sftp", "sftp", "SFTP")
	if !ok {
		return nil
	}
	v.Security, v.HostKeys = "SSH", w.keys
	target := "-o User=" + shellQuote(w.user) + " " + shellQuote(w.host)
	port := strconv.Itoa(v.Port)
	v.Commands = []CommandView{
		{"A session in a terminal", "sftp -P " + port + " " + target},
		{"Copy a file there", "scp -P " + port + " -o User=" + shellQuote(w.user) + " FILE " + shellQuote(bracketed(w.host)+":")},
		{"Make it a folder of this machine", "sshfs -p " + port + " -o User=" + shellQuote(w.user) + " " + shellQuote(bracketed(w.host)+":/") + " FOLDER"},
	}
	v.Note = "At the first connection compare the fingerprint that your program shows with the one here."
	if w.code {
		v.Note += " After the password it asks for the code of your second factor."
	}
	return []ConnectView{v}
}

func (w way) ftp(e policy.Effective) []ConnectView {
	v, ok := w.view(policy.FTP, "ftp", "ftp", "FTP with TLS")
	if !ok {
		return nil
	}
	v.Security = "explicit TLS (FTPES), passive mode"
	v.Commands = []CommandView{{"A session in a terminal",
		"lftp -u " + shellQuote(w.user) + " -e 'set ftp:ssl-force true; set ftp:ssl-protect-data true' " + shellQuote("ftp://"+net.JoinHostPort(w.host, strconv.Itoa(v.Port)))}}
	if e.PlainFTP().Allowed {
		v.Note = "FTP without TLS is allowed for this account: then anybody on the way reads the password."
	}
	v.Note = w.appPassword(v.Note)
	return []ConnectView{v}
}

func (w way) ftps() []ConnectView {
	v, ok := w.view(policy.FTP, "ftps", "ftps", "FTPS")
	if !ok {
		return nil
	}
	v.Security, v.Note = "implicit TLS, passive mode", w.appPassword("")
	v.Commands = []CommandView{{"A session in a terminal", "lftp -u " + shellQuote(w.user) + " " + shellQuote("ftps://"+net.JoinHostPort(w.host, strconv.Itoa(v.Port)))}}
	return []ConnectView{v}
}

// web is a door below the site's address.
func (w way) web(d policy.Door, title, path string) ConnectView {
	port := 443
	if w.site.Scheme == "http" {
		port = 80
	}
	if p, err := strconv.Atoi(w.site.Port()); err == nil {
		port = p
	}
	security := "HTTPS"
	if w.site.Scheme == "http" {
		security = "none: this machine alone"
	}
	return ConnectView{
		Door: string(d), Title: title, Host: w.site.Hostname(), Port: port, Username: w.user,
		URL: w.site.String() + path, Security: security, Commands: []CommandView{},
	}
}

func (w way) webdav() []ConnectView {
	v := w.web(policy.WebDAV, "WebDAV", "/dav/")
	v.Note = w.appPassword("Put the address into Finder (Connect to Server), Explorer (Map network drive) or your file manager.")
	v.Commands = []CommandView{
		{"Upload a file", w.curl() + " -T FILE -u " + shellQuote(w.user) + " " + shellQuote(v.URL)},
		{"With rclone", "rclone lsf --webdav-url " + shellQuote(v.URL) + " --webdav-user " + shellQuote(w.user) + ` --webdav-pass "$(rclone obscure PASSWORD)" :webdav:`},
	}
	return []ConnectView{v}
}

func (w way) api() []ConnectView {
	v := w.web(policy.API, "API", rest.Prefix+"/")
	v.Commands = []CommandView{{"With a token", w.curl() + " -H 'Authorization: Bearer TOKEN' " + shellQuote(v.URL+"me")}}
	if w.oversees {
		line := "GATEHOUSE_TOKEN=TOKEN gatehouse --server " + shellQuote(w.site.String())
		if w.pinned() {
			line += " --pin " + shellQuote(w.pin)
		}
		v.Commands = append(v.Commands, CommandView{"The command line", line + " account list"})
	}
	return []ConnectView{v}
}

// pinned reports whether clients must know the TLS key, since no authority
// vouches for it.
func (w way) pinned() bool { return w.pin != "" && w.site.Scheme == "https" }

// curl is the command as far as it names whom to trust: -k is for the chain alone,
// the pin holds all the same.
func (w way) curl() string {
	if !w.pinned() {
		return "curl"
	}
	return "curl -k --pinnedpubkey " + shellQuote("sha256//"+strings.TrimPrefix(w.pin, "sha256:"))
}

// appPassword adds to a note that the main password alone opens no such door.
func (w way) appPassword(note string) string {
	if !w.code {
		return note
	}
	return strings.TrimSpace(note + " Your second factor is on: use an app password here, not your own.")
}

// bracketed writes an IPv6 address as programs want it before a colon.
func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// shellQuote writes a word as a shell reads it; a username may hold a quote.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-:/@", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
